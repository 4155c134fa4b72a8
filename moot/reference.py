"""Write the settings table of docs/operating.md from the typed table: `python -m moot.reference FILE`."""

import sys
from pathlib import Path
from typing import Final

from moot.flags import GROUPS, group_of
from moot.table import Setting, settings_table

BEGIN: Final = "<!-- settings: made by `make docs`, do not edit -->"
END: Final = "<!-- end of settings -->"


def table() -> str:
    """Return the settings in Markdown, a table for each group."""
    rows = list(settings_table().values())
    parts = []
    for group in GROUPS:
        lines = [f"### {group}", "", "| key | default | value | meaning | taken |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in rows if group_of(row.key) == group]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def renewed(text: str) -> str:
    """Return the page with the table between its marks made anew. Raises ValueError when it has no marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _line(row: Setting) -> str:
    match row.default:
        case bool():
            default = "yes" if row.default else "no"
        case list():
            default = ", ".join(f"`{entry}`" for entry in row.default)
        case "":
            default = "(empty)"
        case _:
            default = f"`{row.default}`"
    return f"| `{row.key}` | {default} | {row.expected} | {row.meaning} | {row.taken} |"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text()))
