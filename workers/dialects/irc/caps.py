"""The capabilities that clients may ask for, and what each changes. A table; `CAP` itself is in `registration`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.settings import Settings
from workers.dialects import Peer
from workers.dialects.irc import metadata
from workers.dialects.irc.accounts import mechanisms

Offer = Callable[[Settings, Peer], str | None]
"""Tells the value that a client of version 302 is shown, maybe an empty one; None: it is not offered to this one."""


EVENT_PLAYBACK: Final = "draft/event-playback"
MULTILINE_LINES: Final = 100  # of one batch that a client sends


@dataclass(frozen=True, slots=True)
class Cap:
    """One capability."""

    name: str
    help: str  # what it changes here
    letter: str = ""  # in the variant: it changes the bytes of what a room hears
    offer: Offer = lambda _settings, _peer: ""
    asked: bool = True  # may be asked for; else it only tells something
    needs: str = ""  # another one, without which its letter counts for nothing


def _sts(settings: Settings, peer: Peer) -> str | None:
    """Off unless it is wanted: who has seen it comes without TLS no more. Nobody on this machine needs it."""
    if not settings.sts_port:
        return None
    if peer.secure:
        return f"duration={settings.sts_duration}"
    return None if peer.local else f"port={settings.sts_port}"


def _multiline(settings: Settings, _peer: Peer) -> str:
    """As many bytes as a message may have characters, so that whatever is let in fits."""
    return f"max-bytes={settings.max_text},max-lines={MULTILINE_LINES}"


CAPS: Final[tuple[Cap, ...]] = (
    Cap("account-notify", "who shares a channel hears who logs in and out", letter="u"),
    Cap("account-tag", "messages say the account of who sent them", letter="g"),
    Cap("away-notify", "who shares a channel hears who goes away and comes back", letter="a"),
    Cap("batch", "messages that belong together say so"),
    Cap("cap-notify", "implied by version 302; the list does not change while one is connected"),
    Cap("chghost", "who shares a channel hears of another host, which comes with logging in and out", letter="c"),
    Cap(
        "draft/account-registration",
        "make an account with REGISTER",
        offer=lambda _settings, peer: "before-connect,custom-account-name" if peer.trusted else None,
    ),
    Cap("draft/channel-rename", "RENAME tells of a channel's new name; else PART and JOIN do"),
    Cap("draft/chathistory", "CHATHISTORY; nothing earlier is sent on joining"),
    Cap(EVENT_PLAYBACK, "CHATHISTORY has topics, reactions and what was taken back; joins are kept nowhere"),
    Cap(
        "draft/message-redaction",
        "REDACT: messages can be taken back, and one hears of those that are",
        letter="r",
        needs="message-tags",
    ),
    Cap(
        metadata.SECOND,
        "METADATA: people and channels say something of themselves",
        letter=metadata.SECOND_LETTER,
        offer=metadata.offer,
    ),
    Cap(
        metadata.THIRD,
        "the same as that draft is to become: changes are told as 761 and 766",
        letter=metadata.THIRD_LETTER,
        offer=metadata.offer_third,
    ),
    Cap(
        "draft/multiline",
        "messages of several lines, or too long for one, come and go as one batch; needs batch",
        letter="l",
        offer=_multiline,
        needs="batch",
    ),
    Cap("draft/no-implicit-names", "no list of names on joining"),
    Cap("draft/pre-away", "AWAY may come before registration"),
    Cap("draft/read-marker", "MARKREAD: all devices of an account know how far one has read"),
    Cap("echo-message", "one's own messages come back, as they were stored"),
    Cap("extended-join", "JOIN tells account (of a guest: *) and real name", letter="j"),
    Cap("extended-monitor", "of those on the MONITOR list one hears what one hears of those in one's channels"),
    Cap("invite-notify", "who may invite hears of others' invitations", letter="i"),
    Cap("labeled-response", "answers carry the label of the question"),
    Cap("message-tags", "messages carry their msgid and tags of clients; TAGMSG, reactions, who is typing", letter="m"),
    Cap("multi-prefix", "all signs of a member are shown, not only the highest"),
    Cap("sasl", "log in with AUTHENTICATE", offer=lambda _settings, peer: ",".join(mechanisms(peer))),
    Cap("server-time", "messages carry the time at which they were stored", letter="t"),
    Cap("setname", "who shares a channel hears of another real name", letter="n"),
    Cap("standard-replies", "errors that no numeric has come as FAIL"),
    Cap("sts", "tells where and for how long to come with TLS alone, if `sts_port` is set", offer=_sts, asked=False),
    Cap("userhost-in-names", "lists of names have nick!user@host"),
)
BY_NAME: Final = {cap.name: cap for cap in CAPS}


def offered(settings: Settings, peer: Peer) -> dict[str, str]:
    """Return what this client may have, by name, with its value."""
    values = {cap.name: cap.offer(settings, peer) for cap in CAPS}
    return {name: value for name, value in values.items() if value is not None}


def flags(enabled: frozenset[str]) -> str:
    """Return the letters of these capabilities: of those that change what a room hears."""
    return "".join(cap.letter for cap in CAPS if cap.name in enabled and (not cap.needs or cap.needs in enabled))


def variant(host: str, enabled: frozenset[str]) -> str:
    """Return the name of the bytes that clients with these capabilities get of what a room hears."""
    return f"irc {host} {flags(enabled)}"
