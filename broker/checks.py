"""What the broker checks of what workers were to check before: lengths, control characters, forged drawings. Pure.

Only a broken or hostile worker is ever refused here. Names are not checked beyond their length, for `State` does; but
those of a `Seat` are, for it takes them as they are. The checks of a message are on the hot path: 0.5 µs of it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from protocol import accounts, moderation, names, native, tags
from protocol.accounts import Account, Drop, Key, Password, Register, Sasl
from protocol.ipc import MAX_TICKET, Art, Attach, Do, Gone, Seat, Up, worker_of
from protocol.metadata import MAX_VALUE, MetaClear, MetaGet, MetaSet, is_key, is_value
from protocol.moderation import MAX_ANNOUNCED, MAX_MODE, MAX_MODE_ARG
from protocol.native import MAX_NAME, MAX_PERSON, MAX_REMARK
from protocol.settings import Settings
from protocol.text import clean

MAX_SEATS: Final = 1000  # in one Attach
MAX_ART_BYTES: Final = 4 * 1024
MAX_ART_LINES: Final = 20
MAX_ANIM_S: Final = 30.0
_MAX_SAFE: Final = 1 << 53
_WORD: Final = re.compile(r"[a-z0-9_-]{0,32}")  # a dialect, an animation
_FINGERPRINT: Final = re.compile(r"(?:[0-9a-f]{64})?")
MAX_PIN: Final = 100  # characters
_ADDRESS: Final = re.compile(r"[0-9A-Za-z.:%_-]{0,80}")
# What `protocol.text.clean` drops and a terminal, a line of a log or a reader would obey: controls but newline and
# tab, bidirectional overrides, line separators, tags.
_OBEYED: Final = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class Offence:
    """A command that no sound worker sends, and why."""

    why: str


class _Refused(Exception):
    pass


def checked(command: Up, settings: Settings) -> Up | Offence:
    """Return ``command`` as it may be carried out, without the seats that may not be taken, or the `Offence` it is."""
    try:
        if type(command) is Do:
            request = command.request
            if type(request.id) is str and len(request.id) > settings.max_line:
                raise _Refused("an id longer than a line")
            check = _CHECKS.get(type(request))
            if check is not None:
                check(command, request, settings)
            return command
        if type(command) is Gone:
            reason = clean(command.reason[:MAX_REMARK], newlines=False)
            return command if reason == command.reason else msgspec.structs.replace(command, reason=reason[:MAX_REMARK])
        assert isinstance(command, Attach)
        if len(command.seats) > MAX_SEATS:
            raise _Refused(f"{len(command.seats):,} seats at once; at most {MAX_SEATS:,} are taken")
        return command
    except _Refused as why:
        return Offence(str(why))


def is_sound(seat: Seat, worker: int, settings: Settings) -> bool:
    """Tell whether ``seat`` can be one of ``worker``: names as this program makes them, nothing too long."""
    hello = seat.hello
    try:
        sound = (
            worker_of(seat.conn) == worker
            and len(hello.nick) <= names.MAX_NICK
            and names.nick(hello.nick) == hello.nick
            and len(seat.rooms) <= settings.max_rooms_each
            and all(len(name) <= MAX_NAME and names.room(name) == name for name in seat.rooms)
            and 0 <= seat.since <= _MAX_SAFE
            and 0 <= seat.inbox <= _MAX_SAFE
            and len(seat.ticket) <= MAX_TICKET
            and _FINGERPRINT.fullmatch(seat.certfp) is not None
        )
        _check_origin(seat.addr, seat.dialect)
        _check_hello(hello)
        _check_line("an away message", seat.away or "", MAX_REMARK)
    except (names.BadName, _Refused):
        return False
    return sound


def _check_line(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise _Refused(f"{what} of {len(text):,} characters; at most {most:,} are taken")
    if not (text.isascii() and text.isprintable()) and ("\n" in text or _OBEYED.search(text)):
        raise _Refused(f"{what} with control characters in it")


def _check_name(name: str | None) -> None:
    if name is not None and len(name) > MAX_NAME:
        raise _Refused(f"a name of {len(name):,} characters")


def _check_origin(addr: str, dialect: str) -> None:
    if _ADDRESS.fullmatch(addr) is None or _WORD.fullmatch(dialect) is None:
        raise _Refused("an address or a dialect that is none")


def _check_color(color: str | None) -> None:
    if color is not None and not native.is_color(color):
        raise _Refused("a color that is none")


def _check_hello(hello: native.Hello) -> None:
    _check_name(hello.nick)
    _check_color(hello.color)
    _check_line("a program's name", hello.client, 64)
    _check_line("a person's name", hello.name or "", MAX_PERSON)
    _check_line("an away message", hello.away or "", MAX_REMARK)


def _origin(do: Do) -> None:
    _check_origin(do.addr, do.dialect)
    if _FINGERPRINT.fullmatch(do.certfp) is None or len(do.ticket) > MAX_TICKET or len(do.pin) > MAX_PIN:
        raise _Refused("a certificate or a ticket that is none")


def _proof(do: Do, request: Register | Sasl | Password | Drop, settings: Settings) -> None:
    _origin(do)
    _check_name(getattr(request, "account", None))


def _key(do: Do, request: Key, settings: Settings) -> None:
    for line in (request.add, request.remove):
        _check_line("a key", line or "", accounts.MAX_KEY_LINE)


def _account(do: Do, request: Account, settings: Settings) -> None:
    _check_name(request.account)


def _hello(do: Do, request: native.Hello, settings: Settings) -> None:
    _origin(do)
    _check_hello(request)


def _send(do: Do, request: native.Send, settings: Settings) -> None:
    text = request.text
    if len(request.to) > MAX_NAME or not 0 < len(text) <= settings.max_text:
        raise _Refused(f"a message of {len(text):,} characters, or to a name of {len(request.to):,}")
    if not (text.isascii() and text.isprintable()) and _OBEYED.search(text):
        raise _Refused("a message with control characters in it")
    if request.tags:
        _check_tags(request.tags)


def _check_tags(given: native.Tags) -> None:
    if (wrong := tags.fault(given)) is not None:
        raise _Refused(f"tags that are none: {wrong}")


def _hint(do: Do, request: native.Typing | native.Tag, settings: Settings) -> None:
    _check_name(request.to)
    if isinstance(request, native.Tag):
        _check_tags(request.tags)


def _redact(do: Do, request: native.Redact, settings: Settings) -> None:
    _check_name(request.room)
    _check_line("a reason", request.reason, MAX_REMARK)


def _fun(do: Do, request: native.Fun, settings: Settings) -> None:
    _check_name(request.to)
    _check_line("a fun command", request.line, settings.fun_input)
    if do.art is not None:
        _check_art(do.art)


def _check_art(art: Art) -> None:
    if art.kind not in ("fun", "text", "me") or art.private or not art.text:
        raise _Refused("art that is not for a room")
    if len(art.text.encode()) > MAX_ART_BYTES or art.text.count("\n") >= MAX_ART_LINES or _OBEYED.search(art.text):
        raise _Refused("art that is too large, or has control characters in it")
    anim = art.anim
    if anim is not None and not (
        _WORD.fullmatch(anim.name) and 0 < anim.duration <= MAX_ANIM_S and abs(anim.seed) <= _MAX_SAFE
    ):
        raise _Refused("an animation that is none")


def _topic(do: Do, request: native.Topic, settings: Settings) -> None:
    _check_name(request.room)
    _check_line("a topic", request.text, MAX_REMARK)


def _away(do: Do, request: native.Away, settings: Settings) -> None:
    _check_line("an away message", request.text or "", MAX_REMARK)


def _color(do: Do, request: native.Color, settings: Settings) -> None:
    _check_color(request.color)


def _reason(do: Do, request: native.Leave | native.Quit, settings: Settings) -> None:
    _check_line("a reason", request.reason, MAX_REMARK)
    if isinstance(request, native.Leave):
        _check_name(request.room)


def _nick(do: Do, request: native.Nick | native.Whois | native.Was, settings: Settings) -> None:
    _check_name(request.nick)


def _rename(do: Do, request: native.Rename, settings: Settings) -> None:
    _check_line("a person's name", request.name or "", MAX_PERSON)


def _watch(do: Do, request: native.Watch, settings: Settings) -> None:
    for nick in (*request.add, *request.remove):
        _check_name(nick)


def _metadata(do: Do, request: MetaGet | MetaSet | MetaClear, settings: Settings) -> None:
    _check_name(request.target)
    if isinstance(request, MetaGet) and not all(map(is_key, request.keys)):
        raise _Refused("keys that are none")
    if isinstance(request, MetaSet):
        _check_line("a value", request.value or "", MAX_VALUE)
        if not is_key(request.key) or not (request.value is None or is_value(request.value)):
            raise _Refused("a key or a value that is none")


def _room(do: Do, request: native.Join | native.Who | native.History | accounts.Read, settings: Settings) -> None:
    _check_name(request.room)


def _mode(do: Do, request: moderation.Mode, settings: Settings) -> None:
    _check_name(request.room)
    for change in request.changes:
        _check_line("a mode", change.mode, MAX_MODE)
        _check_line("what a mode is given", change.arg or "", MAX_MODE_ARG)


def _about(do: Do, request: moderation.Request, settings: Settings) -> None:
    """Whatever has some of these fields."""
    for field in ("room", "nick", "to", "name"):
        _check_name(getattr(request, field, None))
    _check_line("a mask", getattr(request, "mask", ""), MAX_MODE_ARG)
    _check_line("a reason", getattr(request, "reason", ""), MAX_REMARK)


def _announce(do: Do, request: moderation.Announce, settings: Settings) -> None:
    if len(request.text) > MAX_ANNOUNCED or _OBEYED.search(request.text):
        raise _Refused("an announcement that is too long, or has control characters in it")


_CHECKS: Final[dict[type, Callable[[Do, Any, Settings], None]]] = {
    native.Send: _send,
    native.Fun: _fun,
    native.Topic: _topic,
    native.Redact: _redact,
    native.Typing: _hint,
    native.Tag: _hint,
    native.Hello: _hello,
    native.Join: _room,
    native.Who: _room,
    native.History: _room,
    accounts.Read: _room,
    native.Leave: _reason,
    native.Quit: _reason,
    native.Nick: _nick,
    native.Whois: _nick,
    native.Was: _nick,
    native.Rename: _rename,
    native.Watch: _watch,
    native.Away: _away,
    MetaGet: _metadata,
    MetaSet: _metadata,
    MetaClear: _metadata,
    native.Color: _color,
    Register: _proof,
    Sasl: _proof,
    Password: _proof,
    Drop: _proof,
    Key: _key,
    Account: _account,
    moderation.Mode: _mode,
    moderation.Policy: _room,
    moderation.Kick: _about,
    moderation.Ban: _about,
    moderation.Unban: _about,
    moderation.Invite: _about,
    moderation.Claim: _about,
    moderation.Retitle: _about,
    moderation.Announce: _announce,
}
