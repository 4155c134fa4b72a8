"""Servers known by their keys: the file, and what invitations say."""

from pathlib import Path

import pytest

from client.address import Address
from client.trust import CA, Known, Untrusted

ONE = "SHA256:LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
TWO = "SHA256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
HOST = Address("example.org", 7000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "known_servers"


def test_a_key_is_remembered_in_a_file_of_its_persons_own(path: Path) -> None:
    assert Known(path).expected(HOST) is None
    assert Known(path).learn(HOST, ONE) == ""
    assert Known(path).expected(HOST) == ONE
    assert Known(path).expected(Address("EXAMPLE.org.", 7000)) == ONE
    assert Known(path).expected(Address("example.org", 7001)) is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().splitlines()[1:] == [f"example.org:7000 {ONE}"]


def test_what_is_known_already_is_not_written_again(path: Path) -> None:
    for _ in range(3):
        Known(path).learn(HOST, ONE)
    assert path.read_text().count("example.org") == 1


def test_what_was_learned_last_counts(path: Path) -> None:
    for what in (ONE, TWO, CA):
        Known(path).learn(HOST, what)
        assert Known(path).expected(HOST) == what


def test_all_names_of_this_machine_are_one_server(path: Path) -> None:
    Known(path).learn(Address("::1", 6668), ONE)
    assert Known(path).expected(Address("localhost", 6668)) == ONE
    assert Known(path).expected(Address("127.0.0.1", 6668)) == ONE


def test_a_forgotten_server_is_new_and_the_others_stay(path: Path) -> None:
    other = Address("::2", 7000)
    known = Known(path)
    known.learn(HOST, ONE)
    known.learn(other, TWO)
    assert known.forget(HOST)
    assert not known.forget(HOST)
    assert (known.expected(HOST), known.expected(other)) == (None, TWO)
    assert (Known(path).expected(HOST), Known(path).expected(other)) == (None, TWO)
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_invitation_counts_before_the_server_was_ever_seen_and_is_not_kept_by_itself(path: Path) -> None:
    known = Known(path)
    known.invite(HOST, ONE)
    assert known.expected(HOST) == ONE
    assert not path.exists()


def test_an_invitation_that_contradicts_what_is_known_is_not_followed(path: Path) -> None:
    known = Known(path)
    known.learn(HOST, ONE)
    known.invite(HOST, TWO)
    with pytest.raises(Untrusted) as no:
        known.expected(HOST)
    for part in (ONE, TWO, "moot forget example.org:7000"):
        assert part in str(no.value)


def test_a_changed_key_is_told_with_both_and_what_to_do(path: Path) -> None:
    text = str(Known(path).changed(HOST, ONE, TWO))
    assert text.index(TWO) < text.index(ONE)
    assert "moot forget example.org:7000" in text


def test_a_file_that_cannot_be_read_makes_no_server_a_new_one(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(Untrusted, match="cannot read the keys of known servers"):
        Known(path).expected(HOST)


def test_a_damaged_line_is_named_and_hurts_no_other_server(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(f"example.org:7000 SHA256:LPJN\n\x00\xff\nexample.com:6668 {TWO}\n")
    with pytest.raises(Untrusted, match="line 1 of"):
        Known(path).expected(HOST)
    assert Known(path).expected(Address("example.com", 6668)) == TWO


def test_a_place_that_cannot_be_written_is_told_once_and_the_key_counts_until_the_end(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    known = Known(tmp_path / "state" / "known_servers")
    assert "cannot be remembered" in known.learn(HOST, ONE)
    assert known.learn(HOST, ONE) == ""
    assert known.expected(HOST) == ONE
