"""CHATHISTORY TARGETS: where something was said lately, in channels and with people (IRCv3 draft/chathistory)."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from protocol import native
from protocol.names import fold_nick
from protocol.native import Event, Msg
from workers.dialects.irc import speech
from workers.dialects.irc.kept import is_shown, partner
from workers.dialects.irc.server import MAX_HISTORY

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

_NEWEST: Final = 20  # messages of a channel looked at, for the newest of them may be none to this client
MAX_PAGES: Final = 10  # of the inbox


@dataclass(slots=True)
class _Search:
    irc: "Irc"
    turn: "Turn"
    low: int  # both left out, milliseconds since 1970
    high: int
    limit: int
    newest_first: bool
    pages: int = 0
    waiting: int = 0
    found: dict[str, tuple[int, str]] = field(
        default_factory=dict
    )  # by channel or folded nick: the last time, and name

    def note(self, key: str, msg: Msg, name: str) -> None:
        if key not in self.found or self.found[key][0] < msg.time:
            self.found[key] = (msg.time, name)


def tell(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """``params``: two times and a limit. Of more than that, those nearest to the first time are told."""
    times: list[int] = []
    for place in params[:2]:
        kind, _, value = place.partition("=")
        time = speech.milliseconds(value) if kind == "timestamp" else None
        if time is None:
            irc.fail(turn, "INVALID_PARAMS", "TARGETS", place or "*", "a time is timestamp=YYYY-MM-DDThh:mm:ss.sssZ")
            return
        times.append(time)
    limit = params[2]
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and int(limit)):
        irc.fail(turn, "INVALID_PARAMS", "TARGETS", "the last parameter is how many you want")
        return
    if "batch" in irc.caps:
        turn.batch = ("draft/chathistory-targets",)
    count = min(int(limit), MAX_HISTORY)
    search = _Search(irc, turn, min(times), max(times), count, newest_first=times[0] > times[1])
    search.waiting = len(irc.rooms) + 1
    for room in irc.rooms:
        _look_at(search, room)
    _look_into_inbox(search, None)


def _look_at(search: _Search, room: str) -> None:
    def answered(event: Event) -> None:
        for msg in event.messages if isinstance(event, native.HistoryPage) else []:
            if is_shown(search.irc, msg):
                search.note(room, msg, room)
        _done(search)

    search.irc.ask(search.turn, native.History(room=room, limit=_NEWEST), answered)


def _look_into_inbox(search: _Search, before: int | None) -> None:
    def answered(event: Event) -> None:
        search.pages += 1
        messages = event.messages if isinstance(event, native.HistoryPage) else []
        for msg in messages:
            other = partner(search.irc, msg)
            if other is not None and is_shown(search.irc, msg):
                search.note(fold_nick(other), msg, other)
        more = isinstance(event, native.HistoryPage) and event.more and search.pages < MAX_PAGES
        if more and messages and messages[0].time > search.low:
            _look_into_inbox(search, messages[0].seq)
        else:
            _done(search)

    search.irc.ask(search.turn, native.History(room=native.INBOX, before=before, limit=MAX_HISTORY), answered)


def _done(search: _Search) -> None:
    search.waiting -= 1
    if search.waiting:
        return
    within = sorted(one for one in search.found.values() if search.low < one[0] < search.high)
    for time, name in within[-search.limit :] if search.newest_first else within[: search.limit]:
        search.irc.say(search.turn, "CHATHISTORY", "TARGETS", name, speech.timestamp(time))
