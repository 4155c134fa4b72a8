"""CHATHISTORY: what was said, before and after a message or a time (IRCv3 draft/chathistory).

Topics and reactions are messages in moot's log, but here only to clients with draft/event-playback, and what was taken
back is none at all; so a page of the log may hold fewer than were asked for, and a direct conversation is spread over
the inbox: pages are asked for until there are enough, `MAX_PAGES` at most. Where anything was said is in `targets`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.msgids import seq_of, time_of
from protocol.native import Event, Msg
from workers.dialects.irc import speech, targets
from workers.dialects.irc.kept import is_shown, partner
from workers.dialects.irc.mapping import is_channel, room, same_nick
from workers.dialects.irc.server import MAX_HISTORY

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

MAX_PAGES: Final = 10
_BOUNDS: Final = {"LATEST": 1, "BEFORE": 1, "AFTER": 1, "AROUND": 1, "BETWEEN": 2}  # how many places each takes
_END: Final = 1 << 53
_SAME_TIME: Final = 50  # messages looked through for one whose msgid tells its time


@dataclass(slots=True)
class _Search:
    """What is looked for, and what was found so far."""

    irc: "Irc"
    turn: "Turn"
    subcommand: str
    target: str
    place: str  # the room, or the inbox
    limit: int
    found: list[Msg]
    pages: int = 0

    def fits(self, msg: Msg, low: int, high: int) -> bool:
        if not low < msg.seq < high or not is_shown(self.irc, msg):
            return False
        if is_channel(self.target):
            return True
        other = partner(self.irc, msg)
        return other is not None and same_nick(other, self.target)


def chathistory(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    subcommand = params[0].upper() if params else "*"
    bounds = _BOUNDS.get(subcommand)
    if subcommand == "TARGETS" and len(params) == 4:
        targets.tell(irc, turn, params[1:])
        return
    if bounds is None:
        irc.fail(
            turn,
            "INVALID_PARAMS",
            subcommand,
            "expected LATEST, BEFORE, AFTER, AROUND, BETWEEN or TARGETS",
        )
    elif len(params) != bounds + 3:
        irc.fail(turn, "INVALID_PARAMS", subcommand, f"{subcommand} takes {bounds + 2} parameters")
    elif not (params[-1].isascii() and params[-1].isdigit() and len(params[-1]) < 10 and int(params[-1])):
        irc.fail(turn, "INVALID_PARAMS", subcommand, "the last parameter is how many messages you want")
    else:
        _search(irc, turn, subcommand, params[1], params[2:-1], min(int(params[-1]), MAX_HISTORY))


def _search(irc: "Irc", turn: "Turn", subcommand: str, target: str, places: tuple[str, ...], limit: int) -> None:
    try:
        place = room(target) if is_channel(target) else native.INBOX
    except names.BadName:
        _no_target(irc, turn, subcommand, target)
        return
    if "batch" in irc.caps:
        turn.batch = ("chathistory", target)
    search = _Search(irc, turn, subcommand, target, place, limit, [])
    match subcommand:
        case "LATEST" if places[0] == "*":
            _backwards(search, 0, _END)
        case "LATEST":
            _locate(search, places[0], after=True, then=lambda low: _backwards(search, low, _END))
        case "BEFORE":
            _locate(search, places[0], after=False, then=lambda high: _backwards(search, 0, high))
        case "AFTER":
            _locate(search, places[0], after=True, then=lambda low: _forwards(search, low, _END))
        case "AROUND":
            _locate(search, places[0], after=False, then=lambda middle: _around(search, middle))
        case _:
            _locate(search, places[0], after=True, then=lambda first: _between(search, first, places))


def _between(search: _Search, first: int, places: tuple[str, ...]) -> None:
    """From the first place to the second, which may be the earlier one: then backwards from there."""

    def located(second: int) -> None:
        if first < second:
            _forwards(search, first, second)
        else:
            _locate(search, places[0], after=False, then=lambda high: _locate(
                search, places[1], after=True, then=lambda low: _backwards(search, low, high)
            ))  # fmt: skip

    _locate(search, places[1], after=False, then=located)


def _around(search: _Search, middle: int) -> None:
    """Half of them before a place and the rest from there on."""
    whole, search.limit = search.limit, search.limit // 2

    def onwards() -> None:
        search.limit = whole
        _forwards(search, middle - 1, _END)

    if search.limit:
        _backwards(search, 0, middle, onwards)
    else:
        onwards()


def _locate(search: _Search, where: str, *, after: bool, then: Callable[[int], None]) -> None:
    """Go on with the seq before which (or after which) messages are wanted, itself left out."""
    kind, _, value = where.partition("=")
    if kind == "msgid":
        _locate_named(search, value, then)
        return
    time = speech.milliseconds(value) if kind == "timestamp" else None
    if time is None:
        _fail(search, "INVALID_PARAMS", "a place is msgid=... or timestamp=YYYY-MM-DDThh:mm:ss.sssZ")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.HistoryPage):
            seqs = [msg.seq for msg in event.messages[:1]] + [gap[0] for gap in event.gaps[:1]]
            first = min(seqs, default=_END)
            then(first - 1 if after and seqs else first)
        else:
            _no_target(search.irc, search.turn, search.subcommand, search.target)

    search.irc.ask(search.turn, native.History(room=search.place, since=time + after, limit=1), answered)


def _locate_named(search: _Search, name: str, then: Callable[[int], None]) -> None:
    """The same for a msgid. That of a direct message tells when to look for it."""
    irc = search.irc
    seq, time = seq_of(name, irc.epoch, search.place), time_of(name)
    if seq is not None:
        then(seq)
        return

    def answered(event: Event) -> None:
        found = event.messages if isinstance(event, native.HistoryPage) else []
        seqs = [msg.seq for msg in found if msg.msgid == name]
        if seqs:
            then(seqs[0])
        else:
            _fail(search, "MESSAGE_ERROR", f"there is no message of that msgid in {search.target}")

    if time is None or search.place != native.INBOX:
        answered(native.Ok())
    else:
        irc.ask(search.turn, native.History(room=native.INBOX, since=time, limit=_SAME_TIME), answered)


def _backwards(search: _Search, low: int, high: int, then: Callable[[], None] | None = None) -> None:
    """Look for the newest between two seqs, both left out."""

    def answered(event: Event) -> None:
        if not isinstance(event, native.HistoryPage):
            _no_target(search.irc, search.turn, search.subcommand, search.target)
            return
        search.pages += 1
        fitting = [msg for msg in event.messages if search.fits(msg, low, high)]
        search.found[:0] = fitting[-(search.limit - len(search.found)) :]
        first = min([msg.seq for msg in event.messages[:1]] + [gap[0] for gap in event.gaps[:1]], default=0)
        if event.more and low + 1 < first < high and len(search.found) < search.limit and search.pages < MAX_PAGES:
            _backwards(search, low, first, then)
        elif then is not None:
            then()
        else:
            _tell(search)

    before = None if high >= _END else high
    search.irc.ask(search.turn, native.History(room=search.place, before=before, limit=MAX_HISTORY), answered)


def _forwards(search: _Search, low: int, high: int) -> None:
    """Look for the oldest between two seqs, both left out."""

    def answered(event: Event) -> None:
        if not isinstance(event, native.HistoryPage):
            _no_target(search.irc, search.turn, search.subcommand, search.target)
            return
        search.pages += 1
        search.found += [msg for msg in event.messages if search.fits(msg, low, high)]
        del search.found[search.limit :]
        last = max([msg.seq for msg in event.messages[-1:]] + [gap[1] for gap in event.gaps[-1:]], default=0)
        if event.more and low < last < high and len(search.found) < search.limit and search.pages < MAX_PAGES:
            _forwards(search, last, high)
        else:
            _tell(search)

    if low >= _END:
        _tell(search)
    else:
        search.irc.ask(search.turn, native.History(room=search.place, after=max(0, low), limit=MAX_HISTORY), answered)


def _tell(search: _Search) -> None:
    irc = search.irc
    for msg in search.found:
        search.turn.lines += speech.message(msg, irc.host, irc.flags, irc.epoch)


def _no_target(irc: "Irc", turn: "Turn", subcommand: str, target: str) -> None:
    turn.batch = ()
    irc.fail(turn, "INVALID_TARGET", subcommand, target or "*", "Messages could not be retrieved: you are not there")


def _fail(search: _Search, code: str, text: str) -> None:
    search.turn.batch = ()
    if code == "MESSAGE_ERROR":
        search.irc.fail(search.turn, code, search.subcommand, search.target, text)
    else:
        search.irc.fail(search.turn, code, search.subcommand, text)
