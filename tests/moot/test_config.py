"""Settings: which source wins, and what a wrong one says."""

from pathlib import Path
from typing import Any

import pytest

from moot.config import ConfigError, data_directory, load
from moot.table import parse_text, settings_table
from protocol.settings import DEFAULTS

NONE = Path("/does/not/exist")


def wrong(flags: dict[str, Any] | None = None, env: dict[str, str] | None = None, config: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(flags or {}, env or {}, config, default_config=NONE)
    return str(caught.value)


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "moot.toml"
    path.write_text(text)
    return path


def test_without_any_source_the_defaults_hold_and_data_is_a_real_directory() -> None:
    settings = load({}, {}, default_config=NONE)
    assert settings.listen == ["0.0.0.0:6668", "[::]:6668"]
    assert settings.max_line == 16384
    assert Path(settings.data).is_absolute()


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    path = toml(tmp_path, "workers = 1\nbacklog = 11\nmax_rooms = 111\n")
    settings = load({"workers": 3}, {"MOOT_WORKERS": "2", "MOOT_BACKLOG": "22"}, path)
    assert (settings.workers, settings.backlog, settings.max_rooms) == (3, 22, 111)
    assert settings.max_rooms_each == DEFAULTS.max_rooms_each


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    assert load({}, {"MOOT_CONFIG": str(toml(tmp_path, "workers = 5"))}).workers == 5


def test_a_default_file_is_read_when_it_exists(tmp_path: Path) -> None:
    assert load({}, {}, default_config=toml(tmp_path, 'motd = "hi"')).motd == "hi"


def test_every_kind_of_value_is_read_from_the_environment() -> None:
    env = {"MOOT_LISTEN": ":7000, [::1]", "MOOT_LIMITS": "no", "MOOT_LOG_FORMAT": "json", "MOOT_LINGER": "1.5"}
    settings = load({}, {**env, "MOOT_MAX_LINE": "32KiB"}, default_config=NONE)
    assert settings.listen == ["0.0.0.0:7000", "[::1]:6668"]
    assert (settings.limits, settings.log_format, settings.linger, settings.max_line) == (False, "json", 1.5, 32768)


def test_other_variables_are_left_alone() -> None:
    assert load({}, {"MOOT_NICK": "ann", "_MOOT_COMPLETE": "x", "HOME": "/"}, default_config=NONE).workers == 0


@pytest.mark.parametrize(
    ("env", "says"),
    [
        (
            {"MOOT_WORKERS": "many"},
            'environment: MOOT_WORKERS: got "many", expected a whole number from 0 to 64 (processes)',
        ),
        ({"MOOT_WORKERS": "99"}, "environment: MOOT_WORKERS: got 99, expected a whole number from 0 to 64 (processes)"),
        (
            {"MOOT_WORKRES": "1"},
            "environment: there is no setting MOOT_WORKRES; did you mean MOOT_WORKERS?",
        ),
        ({"MOOT_LIMITS": "maybe"}, 'environment: MOOT_LIMITS: got "maybe", expected yes or no'),
        ({"MOOT_LINGER": "nan"}, "environment: MOOT_LINGER: got nan, expected a number of at least 0 (seconds)"),
        ({"MOOT_FUN_TIME": "0"}, "environment: MOOT_FUN_TIME: got 0.0, expected a number above 0, up to 10 (seconds)"),
        ({"MOOT_LOG_FORMAT": "xml"}, 'environment: MOOT_LOG_FORMAT: got "xml", expected text or json'),
        (
            {"MOOT_LISTEN": "7000"},
            'environment: MOOT_LISTEN: got "7000", expected HOST:PORT; a port alone is written :7000',
        ),
        ({"MOOT_MOTD": "h\udcffi"}, 'environment: MOOT_MOTD: got "hi", expected text of 0 to 2000 characters'),
        ({"MOOT_LOBBY": "tea"}, 'environment: MOOT_LOBBY: got "tea", expected a room, such as "#lobby"'),
    ],
)
def test_a_wrong_variable_names_itself_what_it_was_and_what_it_should_be(env: dict[str, str], says: str) -> None:
    assert wrong(env=env) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_lin = 1000", "there is no setting 'max_lin'; did you mean max_line?"),
        ("zzz = 1", "there is no setting 'zzz'; `moot serve --help` lists them"),
        ('workers = "2"', 'workers: got "2", expected a whole number from 0 to 64 (processes)'),
        ("workers = true", "workers: got true, expected a whole number from 0 to 64 (processes)"),
        ("server_name = ''", 'server_name: got "", expected text of 1 to 63 characters'),
        ("listen = []", "listen: got [], expected one or more HOST:PORT"),
        (
            'origins = ["https://chat.example.org/"]',
            "origins: got ['https://chat.example.org/'], expected origins as browsers name them, such as "
            '"https://chat.example.org" or "same-host"; no path, no capitals',
        ),
    ],
)
def test_a_wrong_line_of_the_file_names_the_file_and_the_key(tmp_path: Path, text: str, says: str) -> None:
    path = toml(tmp_path, text)
    assert wrong(config=path) == f"{path}: {says}"


def test_origins_are_as_browsers_name_them(tmp_path: Path) -> None:
    origins = ["same-host", "https://chat.example.org", "http://10.0.0.1:6668", "https://[2001:db8::1]:8443"]
    assert load({}, {"MOOT_ORIGINS": ",".join(origins)}, toml(tmp_path, "")).origins == origins


def test_a_file_that_is_missing_or_no_toml_is_said(tmp_path: Path) -> None:
    assert wrong(config=tmp_path / "no.toml") == f"cannot read {tmp_path}/no.toml: No such file or directory"
    path = toml(tmp_path, "workers 2")
    assert wrong(config=path).startswith(f"{path} is not TOML: ")


def test_a_directory_of_nobody_is_said(tmp_path: Path) -> None:
    path = toml(tmp_path, 'data = "~nobody-has-this-name/moot"')
    assert wrong(config=path).startswith(f'{path}: data: got "~nobody-has-this-name/moot", which means no directory')


def test_values_that_contradict_each_other_are_refused() -> None:
    says = "sendq_soft is 600000 and sendq_hard is 524288; sendq_soft must not be greater than sendq_hard"
    assert wrong({"sendq_soft": 600000}) == says


def test_every_setting_says_what_it_expects_and_accepts_its_own_default() -> None:
    for row in settings_table().values():
        assert row.expected
        assert row.meaning
        if row.kind in ("whole", "number"):
            assert parse_text(row, str(row.default)) == row.default


@pytest.mark.parametrize("text", ['workers = """a\nb\tc"""', "x = " + "[" * 5000, f"workers = {'9' * 5000}"])
def test_whatever_is_in_the_file_the_complaint_is_one_line(tmp_path: Path, text: str) -> None:
    assert wrong(config=toml(tmp_path, text)).isprintable()


def test_where_the_log_is_can_be_told_whatever_else_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "moot.toml"
    file.write_text('worker = 3\nmax_text = "many"\ndata = "/srv/tea"\n')
    wrong = {"MOOT_MAX_LINE": "huge", "MOOT_NONSENSE": "1"}
    assert data_directory({}, wrong, file) == Path("/srv/tea")
    assert data_directory({}, {**wrong, "MOOT_CONFIG": str(file)}) == Path("/srv/tea")
    assert data_directory({}, {**wrong, "MOOT_DATA": "/srv/env"}, file) == Path("/srv/env")
    assert data_directory({"data": "/srv/flag"}, {"MOOT_DATA": "/srv/env"}, file) == Path("/srv/flag")


def test_where_the_log_is_cannot_be_told_from_a_file_that_is_no_toml(tmp_path: Path) -> None:
    file = tmp_path / "moot.toml"
    file.write_text("data = \n")
    with pytest.raises(ConfigError, match="is not TOML"):
        data_directory({}, {}, file)
    assert data_directory({"data": "/srv/flag"}, {}, file) == Path("/srv/flag")
    file.write_text("data = 3\n")
    with pytest.raises(ConfigError, match="data: got 3, expected"):
        data_directory({}, {}, file)
