import logging
import re
from collections.abc import Iterator

import msgspec
import pytest

from protocol import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_of_text_has_time_level_source_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("text")
    logging.getLogger("moot.test").info("%s joined", "ann")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    moot\.test: ann joined\n", line)


@pytest.mark.parametrize("hostile", ["a\nb", "a\r\nb", "\x1b[31ma\x1b[0m\nb", "a\u2028\nb"])
def test_what_comes_from_the_network_cannot_forge_a_line(capsys: pytest.CaptureFixture[str], hostile: str) -> None:
    logs.setup("text")
    logging.getLogger("moot.test").info("%s", hostile)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "\x1b" not in line


def test_json_lines_hold_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json")
    logging.getLogger("moot.test").warning("%s\nb", "a")
    entry = msgspec.json.decode(capsys.readouterr().err)
    assert (entry["level"], entry["source"], entry["message"]) == ("warning", "moot.test", "a\nb")


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_is_kept(capsys: pytest.CaptureFixture[str], style: str) -> None:
    logs.setup(style)  # type: ignore[arg-type]
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("moot.test").exception("it failed")
    assert "ValueError: why" in capsys.readouterr().err


@pytest.mark.parametrize("style", ["text", "json"])
def test_half_a_surrogate_pair_is_logged_without_complaint(capsys: pytest.CaptureFixture[str], style: str) -> None:
    logs.setup(style)  # type: ignore[arg-type]
    logging.getLogger("moot.test").info("a%sb", "\ud800")
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "Logging error" not in err
