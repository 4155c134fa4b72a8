"""METADATA: what people and channels say of themselves, and being told of it.

Source: IRCv3, "Metadata". Two versions of that draft are spoken, for clients speak either: `draft/metadata-2`, and what
is to come after it (ircv3-specifications, pull request 613), `draft/metadata-3`, which tells of changes in numerics and
has other names for some failures. What one is subscribed to is kept here, for it is nobody else's business.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.metadata import (
    MAX_KEY,
    MAX_KEYS,
    MAX_VALUE,
    Datum,
    MetaClear,
    Metadata,
    Metadatum,
    MetaGet,
    MetaSet,
    is_key,
    is_value,
)
from protocol.native import Event
from protocol.settings import Settings
from protocol.text import clean
from workers.dialects import Peer
from workers.dialects.irc.lines import MAX_BODY, body, words_in
from workers.dialects.irc.mapping import NOBODY, Host, is_channel, room, same_nick
from workers.dialects.irc.numerics import TEXTS
from workers.dialects.irc.turns import Line, tagged

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

SECOND: Final = "draft/metadata-2"
THIRD: Final = "draft/metadata-3"
SECOND_LETTER: Final = "d"  # of the variant
THIRD_LETTER: Final = "e"
MAX_SUBS: Final = 50
MAX_ASKED: Final = 50  # keys of one command
MAX_SYNCED: Final = 8  # channels and people that one subscription brings the values of; for the others 774
_SELF: Final = "*"
_ALL: Final = "*ALL"  # draft/metadata-3
_OPEN: Final = "*"  # visible to everybody
_CODES: Final = {  # what draft/metadata-2 calls it, if something else
    "INVALID_KEY": "KEY_INVALID",
    "INVALID_VALUE": "VALUE_INVALID",
    "INVALID_PARAMS": "SUBCOMMAND_INVALID",
}


def offer(_settings: Settings, _peer: Peer) -> str:
    return f"max-subs={MAX_SUBS},max-keys={MAX_KEYS},max-value-bytes={MAX_VALUE}"


def offer_third(settings: Settings, peer: Peer) -> str:
    return f"{offer(settings, peer)},max-key-bytes={MAX_KEY}"


def enabled(irc: "Irc") -> bool:
    return SECOND in irc.caps or THIRD in irc.caps


def metadata(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if len(params) < 2:
        fail(irc, turn, "INVALID_PARAMS", "*", "METADATA takes a target and what to do with it")
        return
    target, subcommand, *rest = params
    handler = _SUBCOMMANDS.get(subcommand.upper())
    least = {"GET": 1, "SET": 1, "SUB": 1, "UNSUB": 1}.get(subcommand.upper(), 0)
    if handler is None:
        fail(irc, turn, "INVALID_PARAMS", subcommand, "There is no such subcommand")
    elif len(rest) < least:
        fail(irc, turn, "INVALID_PARAMS", subcommand, "Not enough parameters")
    else:
        handler(irc, turn, target, rest)


def fail(irc: "Irc", turn: "Turn", code: str, *params: str) -> None:
    irc.say(turn, "FAIL", "METADATA", code if THIRD in irc.caps else _CODES.get(code, code), *params)


def _warn(irc: "Irc", turn: "Turn", code: str, *params: str) -> None:
    """A key that is none, among others that are: draft/metadata-3 only warns of it."""
    if THIRD in irc.caps:
        irc.say(turn, "WARN", "METADATA", code, *params)
    else:
        fail(irc, turn, code, *params)


def _named(irc: "Irc", turn: "Turn", target: str) -> str | None:
    """Return whom or what ``target`` is about; None: that can be nobody, and it was said."""
    if target == _SELF:
        return irc.nick
    try:
        return room(target) if is_channel(target) else names.nick(target)
    except names.BadName:
        fail(irc, turn, "INVALID_TARGET", target, "Invalid metadata target")
        return None


def _refused(irc: "Irc", turn: "Turn", target: str, key: str, error: native.Error) -> None:
    match error.code:
        case "not-allowed":
            fail(irc, turn, "KEY_NO_PERMISSION", target, key, error.text)
        case "full-list":
            limit = (str(MAX_KEYS),) if THIRD in irc.caps else ()
            fail(irc, turn, "LIMIT_REACHED", target, *limit, error.text)
        case "bad-metadata":
            fail(irc, turn, "INVALID_VALUE", key, error.text)
        case "flood":
            fail(irc, turn, "RATE_LIMITED", target, key, str(int(error.wait or 1) or 1), error.text)
        case _:
            fail(irc, turn, "INVALID_TARGET", target, error.text)


# --- reading


def _get(irc: "Irc", turn: "Turn", target: str, keys: list[str]) -> None:
    subject = _named(irc, turn, target)
    if subject is None:
        return
    asked = [key.lower() for key in keys][:MAX_ASKED]

    def answered(event: Event) -> None:
        if isinstance(event, native.Error):
            _refused(irc, turn, target, _SELF, event)
        elif isinstance(event, Metadata):
            has = {datum.key: datum for datum in event.values}
            with _Batch(irc, turn, event.target):
                for key in asked:
                    if key in has:
                        _value(irc, turn, has[key])
                    elif is_key(key):
                        irc.reply(turn, "766", event.target, key)
                    else:
                        _warn(irc, turn, "INVALID_KEY", key, "Invalid key")

    irc.ask(turn, MetaGet(target=subject, keys=[key for key in asked if is_key(key)] or ["-"]), answered)


def _list(irc: "Irc", turn: "Turn", target: str, _rest: list[str]) -> None:
    subject = _named(irc, turn, target)
    if subject is not None:
        irc.ask(turn, MetaGet(target=subject), _shower(irc, turn, target))


def _sync(irc: "Irc", turn: "Turn", target: str, _rest: list[str]) -> None:
    if target == _ALL and THIRD in irc.caps:
        sync_all(irc, turn, sorted(irc.subscribed))
        return
    subject = _named(irc, turn, target)
    if subject is None:
        return
    if irc.subscribed:
        sync(irc, turn, subject)
    else:
        with _Batch(irc, turn, subject):
            pass


def sync(irc: "Irc", turn: "Turn", subject: str) -> None:
    """Tell what ``subject`` says under the keys that are subscribed to; of a channel, what its members say as well."""
    asked = MetaGet(target=subject, keys=sorted(irc.subscribed), members=is_channel(subject))
    irc.ask(turn, asked, _shower(irc, turn, subject, live=True))


def _shower(irc: "Irc", turn: "Turn", target: str, *, live: bool = False) -> Callable[[Event], None]:
    """Return what shows values in a batch; ``live``: in the words in which changes are told."""

    def answered(event: Event) -> None:
        if isinstance(event, native.Error):
            _refused(irc, turn, target, _SELF, event)
        elif isinstance(event, Metadata):
            if event.wait is not None:
                irc.say(turn, "774", irc.me, event.target, str(int(event.wait)), "Ask again later, for one at a time")
                return
            with _Batch(irc, turn, event.target):
                for datum in event.values:
                    _live(irc, turn, datum.target, datum.key, datum.value) if live else _value(irc, turn, datum)

    return answered


def _value(irc: "Irc", turn: "Turn", datum: Datum) -> None:
    irc.say(turn, "761", irc.me, datum.target, datum.key, _OPEN, datum.value)


def _live(irc: "Irc", turn: "Turn", target: str, key: str, value: str | None) -> None:
    turn.lines += changed(irc.host, irc.flags, target, key, value, irc.me)


def changed(host: Host, flags: str, target: str, key: str, value: str | None, me: str = NOBODY) -> list[Line]:
    """Return what tells of a value unasked; ``me``: whom, if it is not told to many at once."""
    if THIRD_LETTER in flags:
        rest = ("766", me, target, key, TEXTS["766"]) if value is None else ("761", me, target, key, _OPEN, value)
        return [("", body(host.name, *rest))]
    if SECOND_LETTER in flags:
        return [("", body(host.name, "METADATA", target, key, _OPEN, *(() if value is None else (value,))))]
    return []


class _Batch:
    """What is said within stands in a batch of type `metadata`, if the client knows batches."""

    def __init__(self, irc: "Irc", turn: "Turn", *params: str, kind: str = "metadata") -> None:
        self._irc, self._turn, self._begin = irc, turn, len(turn.lines)
        self._params = (kind, *params)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_exc: object) -> None:
        irc, turn = self._irc, self._turn
        if "batch" not in irc.caps:
            return
        name, said = irc.new_batch(), turn.lines[self._begin :]
        del turn.lines[self._begin :]
        irc.say(turn, "BATCH", "+" + name, *self._params)
        turn.lines += [(tagged(f"batch={name}", tags), text) for tags, text in said]
        irc.say(turn, "BATCH", "-" + name)


# --- writing


def _set(irc: "Irc", turn: "Turn", target: str, rest: list[str]) -> None:
    key, value = rest[0].lower(), clean(rest[1], newlines=False) if len(rest) > 1 and rest[1] else None
    subject = _named(irc, turn, target)
    if subject is None:
        return
    if not is_key(key):
        fail(irc, turn, "INVALID_KEY", key, "Invalid key")
        return
    if value is not None and not is_value(value):
        fail(irc, turn, "INVALID_VALUE", *((key,) if THIRD in irc.caps else ()), f"At most {MAX_VALUE} bytes of text")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Error):
            _refused(irc, turn, target, key, event)
        elif value is None:
            irc.reply(turn, "766", subject, key)
        else:
            _value(irc, turn, Datum(subject, key, value))

    irc.ask(turn, MetaSet(target=subject, key=key, value=value), answered)


def _clear(irc: "Irc", turn: "Turn", target: str, _rest: list[str]) -> None:
    subject = _named(irc, turn, target)
    if subject is None:
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Error):
            _refused(irc, turn, target, _SELF, event)
        elif isinstance(event, Metadata):
            with _Batch(irc, turn, event.target):
                for datum in event.values:
                    irc.reply(turn, "766", datum.target, datum.key)

    irc.ask(turn, MetaClear(target=subject), answered)


# --- subscriptions


def _mine(irc: "Irc", turn: "Turn", target: str) -> bool:
    if target == _SELF or same_nick(target, irc.nick):
        return True
    fail(irc, turn, "INVALID_TARGET", target, "Subscriptions are one's own: use *")
    return False


def _sub(irc: "Irc", turn: "Turn", target: str, keys: list[str]) -> None:
    if not _mine(irc, turn, target):
        return
    done: list[str] = []
    new: list[str] = []
    for key in map(str.lower, keys):
        if not is_key(key):
            _warn(irc, turn, "INVALID_KEY", key, "Invalid key")
        elif key in irc.subscribed:
            done.append(key)
        elif len(irc.subscribed) >= MAX_SUBS:
            if THIRD in irc.caps:
                fail(irc, turn, "LIMIT_REACHED", key, str(MAX_SUBS), "Too many subscriptions")
            else:
                fail(irc, turn, "TOO_MANY_SUBS", key, "Too many subscriptions")
            break
        else:
            irc.subscribed.add(key)
            done.append(key)
            new.append(key)
    _keys(irc, turn, "770", done)
    if new:
        sync_all(irc, turn, new)


def sync_all(irc: "Irc", turn: "Turn", keys: list[str]) -> None:
    """Tell what is said under ``keys`` in all channels one is in; what is too much is asked for one by one."""
    subjects = [*irc.rooms, irc.nick][:MAX_SYNCED]
    found: list[Datum] = []
    left = len(subjects)

    def answered(event: Event) -> None:
        nonlocal left
        left -= 1
        if isinstance(event, Metadata):
            found.extend(datum for datum in event.values if datum not in found)
            if event.wait is not None:
                irc.say(turn, "774", irc.me, event.target, str(int(event.wait)), "Ask again later, for one at a time")
        if not left:
            with _Batch(irc, turn, _ALL if THIRD in irc.caps else irc.nick):
                for datum in found:
                    _live(irc, turn, datum.target, datum.key, datum.value)

    for subject in subjects:
        irc.ask(turn, MetaGet(target=subject, keys=keys, members=is_channel(subject)), answered)
    for name in list(irc.rooms)[MAX_SYNCED:]:
        irc.say(turn, "774", irc.me, name, "0", "Ask for this one by itself")


def _unsub(irc: "Irc", turn: "Turn", target: str, keys: list[str]) -> None:
    if not _mine(irc, turn, target):
        return
    done: list[str] = []
    for key in map(str.lower, keys):
        if is_key(key):
            irc.subscribed.discard(key)
            done.append(key)
        else:
            _warn(irc, turn, "INVALID_KEY", key, "Invalid key")
    _keys(irc, turn, "771", done)


def _subs(irc: "Irc", turn: "Turn", target: str, _rest: list[str]) -> None:
    if _mine(irc, turn, target):
        with _Batch(irc, turn, kind="metadata-subs"):
            _keys(irc, turn, "772", sorted(irc.subscribed))


def _keys(irc: "Irc", turn: "Turn", number: str, keys: Iterable[str]) -> None:
    """Say keys, each a parameter, in as many lines as it takes."""
    room_left = MAX_BODY - len(body(irc.host.name, number, irc.me).encode()) - 8
    for line in words_in(list(dict.fromkeys(keys)), room_left):
        for start in range(0, len(words := line.split()), 12):
            irc.say(turn, number, irc.me, *words[start : start + 12])


_SUBCOMMANDS: Final[dict[str, Callable[["Irc", "Turn", str, list[str]], None]]] = {
    "GET": _get,
    "LIST": _list,
    "SET": _set,
    "CLEAR": _clear,
    "SUB": _sub,
    "UNSUB": _unsub,
    "SUBS": _subs,
    "SYNC": _sync,
}


# --- what is told unasked


def greet(irc: "Irc", turn: "Turn", then: Callable[[], None] = lambda: None) -> None:
    """One is in, or has asked for it just now: what one says of oneself, "if none exists ... an empty batch"."""
    show = _shower(irc, turn, irc.nick, live=True)

    def answered(event: Event) -> None:
        if isinstance(event, Metadata):
            show(event)
        then()

    irc.ask(turn, MetaGet(target=irc.nick), answered)


def joined(irc: "Irc", turn: "Turn", name: str) -> None:
    """One has come into a channel."""
    if THIRD in irc.caps or (SECOND in irc.caps and irc.subscribed):
        _sync(irc, turn, name, [])


def met(irc: "Irc", turn: "Turn", nick: str) -> None:
    """Somebody on the MONITOR list is here: what they say may be asked for."""
    if irc.subscribed and (THIRD in irc.caps or (SECOND in irc.caps and "extended-monitor" in irc.caps)):
        irc.say(turn, "774", irc.me, nick, "0", "Ask what they say of themselves")


def hears(irc: "Irc", event: Metadatum) -> bool:
    return enabled(irc) and event.key in irc.subscribed


def told(irc: "Irc", turn: "Turn", event: Metadatum) -> None:
    """Somebody one watches says something, or one's own other connection does."""
    own = same_nick(event.target, irc.nick)
    if hears(irc, event) and (own or "extended-monitor" in irc.caps):
        _live(irc, turn, event.target, event.key, event.value)
