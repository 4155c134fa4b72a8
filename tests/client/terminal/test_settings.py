"""Settings survive restarts, and broken files."""

from pathlib import Path

import pytest

from client.terminal.settings import SettingsFile


def test_what_is_saved_is_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "terminal.json"
    settings = SettingsFile(path)
    settings.values.theme = "nord"
    settings.values.ignored = ["troll"]
    settings.save()
    again = SettingsFile(path)
    assert (again.values.theme, again.values.ignored, again.problem) == ("nord", ["troll"], "")
    assert [file.name for file in path.parent.iterdir()] == ["terminal.json"]


@pytest.mark.parametrize("broken", [b"", b"{", b'{"notify": "loud"}', b'{"motion": 3}', b"\xff\xfe", b"[]"])
def test_a_broken_file_costs_the_settings_only(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "terminal.json"
    path.write_bytes(broken)
    settings = SettingsFile(path)
    assert settings.values.theme == "moot-dark"
    assert str(path) in settings.problem
    settings.save()
    assert SettingsFile(path).problem == ""


def test_keys_of_a_newer_version_are_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "terminal.json"
    path.write_text('{"theme": "nord", "hologram": true}')
    assert SettingsFile(path).values.theme == "nord"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = SettingsFile(tmp_path / "file" / "terminal.json")
    settings.save()
    assert "could not be saved" in settings.problem


def test_the_environment_stops_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SettingsFile(None)
    assert settings.motion
    monkeypatch.setenv("MOOT_MOTION", "off")
    assert not settings.motion
