"""The examples in docs/funcmds.md are what the commands draw."""

import re
from pathlib import Path
from random import Random

import pytest

from funcmds.registry import FunError, load
from protocol.ipc import Art

DOC = (Path(__file__).parents[2] / "docs" / "funcmds.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```console\n(/.*)\n((?:.*\n)*?)```$", DOC, re.MULTILINE)


@pytest.mark.parametrize(("line", "output"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_the_example_is_true(line: str, output: str) -> None:
    assert load(plugins=False).render(line, Random(1), "ann").text == output.rstrip("\n")


def test_every_command_is_in_the_table() -> None:
    for command in load(plugins=False).catalogue():
        assert f"| `{command.usage}` | {command.help}" in DOC


def test_the_authors_example_works() -> None:
    code = re.findall(r"^```python\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)[0]
    module: dict[str, object] = {}
    exec(code, module)
    poker = module["poker"]
    assert callable(poker)
    assert poker("3", Random(1)) == Art("T K 9")
    with pytest.raises(FunError, match="throw how many"):
        poker("9", Random(1))
