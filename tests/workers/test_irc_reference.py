"""docs/irc.md says what the tables have, and the tables have what the code says."""

import re
from pathlib import Path

from workers.dialects.irc.numerics import NAMES
from workers.dialects.irc.reference import markdown

ROOT = Path(__file__).parents[2]


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "irc.md").read_text(encoding="utf-8") == markdown(), (
        "write it anew: python -m workers.dialects.irc.reference > docs/irc.md"
    )


def test_every_numeric_that_is_said_is_in_the_table_and_the_other_way_round() -> None:
    code = "".join(
        path.read_text() for path in (ROOT / "workers/dialects/irc").glob("*.py") if path.name != "numerics.py"
    )
    assert set(re.findall(r'"(\d{3})"', code)) == set(NAMES)
