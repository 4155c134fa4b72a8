"""Speech bubbles whose borders stay straight whatever is said in them. Pure."""

from typing import Final

from funcmds import cells

MAX_TEXT_WIDTH: Final = 40  # cells


def bubble(text: str, *, thinking: bool = False, max_width: int = MAX_TEXT_WIDTH) -> list[str]:
    """Return ``text`` in a bubble, wrapped at ``max_width`` cells; all lines take the same number of cells.

    One line said is `< hi >`, several are rounded with slashes; thoughts are in parentheses.
    """
    lines = cells.wrap(cells.clean(text), max_width)
    inner = max(max(cells.width(line) for line in lines), 1)
    borders = _borders(len(lines), thinking)
    top = [" " + "_" * (inner + 2) + " "]
    rows = [
        cells.block([line], f"{left} ", f" {right}", inner)[0]
        for line, (left, right) in zip(lines, borders, strict=True)
    ]
    return [*top, *rows, " " + "-" * (inner + 2) + " "]


def _borders(count: int, thinking: bool) -> list[tuple[str, str]]:
    if thinking:
        return [("(", ")")] * count
    if count == 1:
        return [("<", ">")]
    return [("/", "\\"), *[("|", "|")] * (count - 2), ("\\", "/")]
