"""docs/protocol.md says what the program does."""

import json
import re
from pathlib import Path

import pytest

from protocol import native

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = [line for block in re.findall(r"```json\n(.*?)```", DOC, re.DOTALL) for line in block.splitlines()]
REQUESTS = [line for line in EXAMPLES if line.startswith('{"op":')]
EVENTS = [line for line in EXAMPLES if line not in REQUESTS]


@pytest.mark.parametrize("line", REQUESTS)
def test_example_requests_are_in_the_format(line: str) -> None:
    assert json.loads(native.encode(native.decode_request(line.encode()))) == json.loads(line)


@pytest.mark.parametrize("line", EVENTS)
def test_example_events_are_understood(line: str) -> None:
    assert native.decode_event(line.encode()) is not None


def test_every_request_and_event_has_an_example_and_a_row() -> None:
    shown = {type(native.decode_request(line.encode())) for line in REQUESTS}
    assert shown == set(native.Request.__args__)
    told = {type(native.decode_event(line.encode())) for line in EVENTS}
    assert told == set(native.Event.__args__)
    for kind in (*native.Request.__args__, *native.Event.__args__):
        assert f"| `{kind.__struct_config__.tag}` |" in DOC


def test_every_field_is_named() -> None:
    for kind in (*native.Request.__args__, *native.Event.__args__):
        for name in kind.__struct_encode_fields__:
            assert f"`{name}`" in DOC or name == "id", f"{kind.__name__}.{name}"


def test_every_error_code_of_the_server_is_explained() -> None:
    codes = set()
    for folder in ("broker", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            found = re.findall(r'(?:Refusal\(|code=)\s*"([a-z-]+)"', path.read_text(encoding="utf-8"))
            codes |= set(found)
    assert {"nick-taken", "flood", "replaced"} <= codes
    assert {code for code in codes if f"`{code}`" not in DOC} == set()


def test_the_example_client_is_shown_verbatim() -> None:
    code = (ROOT / "examples" / "minimal_client.py").read_text(encoding="utf-8")
    assert f"```python\n{code}```" in DOC
    assert len([line for line in code.splitlines() if line.strip()]) <= 32
