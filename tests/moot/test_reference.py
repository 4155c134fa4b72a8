"""The settings table in the documentation is the one in the code."""

from pathlib import Path

from moot.reference import renewed

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


def test_the_settings_table_in_the_docs_is_current() -> None:
    assert PAGE.read_text() == renewed(PAGE.read_text()), "run `make docs`"
