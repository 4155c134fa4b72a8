"""docs/architecture.md and docs/terminal.md name every module, so that each has its place and can be found."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__", "__main__"}


@pytest.mark.parametrize("folder", ["broker", "workers", "workers/dialects", "client", "moot"])
def test_the_tables_have_every_module(folder: str) -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    named = {path.rpartition("/")[2] for path in re.findall(r"`([\w/]+)\.py`", page)}
    assert modules(folder) - named == set()


def test_the_terminal_clients_page_has_every_part() -> None:
    page = (ROOT / "docs/terminal.md").read_text()
    named = set(re.findall(r"`([\w/]+)`", page))
    assert modules("client/terminal") - named == set()
