"""Text measured in terminal cells: cleaning, width, wrapping, clipping.

A cell is one column of a fixed-width font: wide characters and emoji take two, combining marks none. Every width is
that of `wcwidth.wcswidth`, which is imported on first use because its tables take a while to load.
"""

import protocol.text


def clean(text: str) -> str:
    """Return ``text`` without what a terminal would obey or not show (`protocol.text`); tabs become four spaces."""
    return protocol.text.clean(text.replace("\t", "    "))


def width(text: str) -> int:
    """Return the cells one line takes; -1 when it holds a control character."""
    if text.isascii() and text.isprintable():
        return len(text)
    import wcwidth

    return wcwidth.wcswidth(text)


def graphemes(text: str) -> list[str]:
    """Return what a reader sees as characters: a letter with its marks, an emoji with its joiners."""
    if text.isascii():
        return list(text)
    import wcwidth

    return list(wcwidth.iter_graphemes(text))


def clip(line: str, cells: int) -> str:
    """Return ``line`` when it takes at most ``cells`` (at least 1), else as much as fits with `…` at the end."""
    if 0 <= width(line) <= cells:
        return line
    kept = ""
    for grapheme in graphemes(line):
        if not 0 <= width(kept + grapheme) <= cells - 1:
            break
        kept += grapheme
    return kept + "…"


def wrap(text: str, cells: int) -> list[str]:
    """Break clean ``text`` into lines of at most ``cells`` (at least 2): at newlines, between words, in long words.

    Runs of spaces become one. Returns at least one line.
    """
    lines = [line for paragraph in text.split("\n") for line in _wrap_paragraph(paragraph.split(), cells)]
    while lines and not lines[-1]:
        lines.pop()
    return lines or [""]


def _wrap_paragraph(words: list[str], cells: int) -> list[str]:
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) <= cells:
            lines[-1] = longer
        elif width(word) <= cells:
            lines.append(word)
        else:
            lines += _break_word(word, cells)
            if not lines[-len(lines)]:
                lines.pop(0)
    return lines


def _break_word(word: str, cells: int) -> list[str]:
    pieces = [""]
    units = [unit for grapheme in graphemes(word) for unit in (grapheme if width(grapheme) > cells else [grapheme])]
    for unit in units:
        if width(pieces[-1] + unit) <= cells:
            pieces[-1] += unit
        else:
            pieces.append(unit)
    return pieces


def block(lines: list[str], left: str, right: str, cells: int) -> list[str]:
    """Frame each line, padded so that every result is exactly ``cells`` + the borders wide.

    A line that measures differently beside its border (a joiner that swallows it) loses what is not plain.
    """
    framed = []
    for line in lines:
        whole = left + line + " " * (cells - width(line)) + right
        if width(line) < 0 or width(whole) != width(left) + cells + width(right):
            plain = clip("".join(char if char.isascii() and char.isprintable() else "?" for char in line), cells)
            whole = left + plain + " " * (cells - width(plain)) + right
        framed.append(whole)
    return framed
