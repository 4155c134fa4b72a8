"""Invitations, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.address import Address
from moot.invitation import Invitation, is_invitation, parse_invitation

PIN = "SHA256:LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"


def test_an_invitation_names_server_room_and_key() -> None:
    text = f"moot://192.168.1.5:6668/#tea?key={PIN}"
    assert parse_invitation(text) == Invitation(Address("192.168.1.5", 6668), "#tea", PIN)
    assert str(parse_invitation(text)) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("moot://example.org", Invitation(Address("example.org", 6668))),
        ("MOOT://example.org:7000/", Invitation(Address("example.org", 7000))),
        ("moot://[::1]:7000#tea", Invitation(Address("::1", 7000), "#tea")),
        ("moot://a.example/%23tea", Invitation(Address("a.example", 6668), "#tea")),
        ("moot://a.example/#caf%C3%A9", Invitation(Address("a.example", 6668), "#café")),
        (f"moot://a.example?key={PIN}", Invitation(Address("a.example", 6668), "", PIN)),
        (f"moot://a.example/?key={PIN}#tea", Invitation(Address("a.example", 6668), "#tea", PIN)),
    ],
)
def test_an_invitation_may_be_written_in_other_ways(text: str, meant: Invitation) -> None:
    assert is_invitation(text)
    assert parse_invitation(text) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("moot://", "is no address"),
        ("moot://a b/", "is no address"),
        ("moot://a:99999/", "is no port"),
        ("moot://a/tea", "'tea' in the invitation means nothing here"),
        ("moot://a/#two%20words", "is no room"),
        ("moot://a/#tea?key=SHA256:abc", "is no key"),
        ("moot://a/#tea?colour=red", "'colour' in the invitation means nothing here"),
        ("moot://a/#" + "x" * 1000, "at most 1000 characters"),
    ],
)
def test_what_is_no_invitation_is_said_to_be_none(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_invitation(text)


@given(st.text(max_size=80))
def test_any_text_is_an_invitation_or_said_to_be_none(text: str) -> None:
    try:
        found = parse_invitation("moot://" + text)
    except ValueError:
        return
    assert parse_invitation(str(found)) == found


ROOMS = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=30)


@given(ROOMS.filter(lambda name: name.split() == [name]), st.booleans())
def test_every_room_can_be_invited_to(name: str, keyed: bool) -> None:
    invitation = Invitation(Address("example.org", 7000), "#" + name, PIN if keyed else "")
    assert parse_invitation(str(invitation)) == invitation
