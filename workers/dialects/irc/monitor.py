"""MONITOR, and extended-monitor: being told when people come, go or change, whatever channels they are in.

Source: IRCv3, "Monitor", "extended-monitor". The broker knows whom one watches; what is kept here is how each of them
was when last told, so that a change can be said in IRC's words.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.native import Event
from workers.dialects.irc import changes, metadata
from workers.dialects.irc.lines import MAX_BODY, body

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

LIMIT: Final = 100


class Monitor:
    """Whom one client watches."""

    __slots__ = ("here", "wanted")

    def __init__(self) -> None:
        self.wanted: dict[str, str] = {}  # by folded nick: as the client wrote it
        self.here: dict[str, native.Person] = {}  # by folded nick: those who are here, as last told

    def seen(self, who: native.Person) -> None:
        """A change of somebody was told otherwise, for they share a channel."""
        key = names.fold_nick(who.nick)
        if key in self.here:
            self.here[key] = who


def monitor(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    targets = [nick for nick in dict.fromkeys((params[1] if len(params) > 1 else "").split(",")) if nick]
    match params[0].upper():
        case "+":
            _add(irc, turn, targets)
        case "-":
            _remove(irc, turn, targets)
        case "C":
            irc.monitor = Monitor()
            irc.ask(turn, native.Watch(clear=True), lambda _watched: None)
        case "L":
            _list(irc, turn, "732", irc.monitor.wanted.values())
            irc.reply(turn, "733")
        case "S":
            _ask(irc, turn, list(irc.monitor.wanted.values()))
        case _:
            irc.say(
                turn, "400", irc.me, "MONITOR", "MONITOR has +, -, C, L and S, followed by nicks with commas between"
            )


def _add(irc: "Irc", turn: "Turn", targets: list[str]) -> None:
    wanted, add, never, full = irc.monitor.wanted, list[str](), list[str](), list[str]()
    for target in targets:
        try:
            key = names.fold_nick(names.nick(target))
        except names.BadName:
            never.append(target)
            continue
        if key not in wanted and len(wanted) >= LIMIT:
            full.append(target)
            continue
        wanted.setdefault(key, target)
        add.append(target)
    if never:
        _list(irc, turn, "731", never)  # nobody can be called that
    if add:
        _ask(irc, turn, add)
    if full:
        _list(irc, turn, "734", full, str(LIMIT), last=("Monitor list is full.",))


def _remove(irc: "Irc", turn: "Turn", targets: list[str]) -> None:
    known: list[str] = []
    for target in targets:
        key = names.fold_nick(target)
        if irc.monitor.wanted.pop(key, None) is not None:
            irc.monitor.here.pop(key, None)
            known.append(target)
    if known:
        irc.ask(turn, native.Watch(remove=known[:LIMIT]), lambda _watched: None)


def _ask(irc: "Irc", turn: "Turn", targets: list[str]) -> None:
    """Ask for ``targets`` to be watched, which may be already, and tell who of them is here."""
    asked = {names.fold_nick(target): target for target in targets}

    def answered(event: Event) -> None:
        if not isinstance(event, native.Watched):
            return
        here = {names.fold_nick(person.nick): person for person in event.here}
        for key in asked:
            irc.monitor.here.pop(key, None)
        irc.monitor.here.update((key, here[key]) for key in asked if key in here and key in irc.monitor.wanted)
        _list(irc, turn, "730", _masks(irc, [here[key] for key in asked if key in here]))
        _list(irc, turn, "731", [target for key, target in asked.items() if key not in here])
        for key in asked:
            if key in here:
                metadata.met(irc, turn, here[key].nick)

    if targets:
        irc.ask(turn, native.Watch(add=targets), answered)


def told(irc: "Irc", turn: "Turn", event: native.Watched) -> None:
    """Something has happened to some of them."""
    came: list[native.Person] = []
    for who in event.here:
        key = names.fold_nick(who.nick)
        if key not in irc.monitor.wanted:
            continue
        was = irc.monitor.here.get(key)
        irc.monitor.here[key] = who
        if was is None:
            came.append(who)
        elif "extended-monitor" in irc.caps:
            turn.lines += changes.lines(who, was, irc.host, irc.flags)
    left = [nick for nick in event.gone if names.fold_nick(nick) in irc.monitor.wanted]
    for nick in left:
        irc.monitor.here.pop(names.fold_nick(nick), None)
    _list(irc, turn, "731", left)
    _list(irc, turn, "730", _masks(irc, came))
    for who in came:
        metadata.met(irc, turn, who.nick)


def _masks(irc: "Irc", people: list[native.Person]) -> list[str]:
    return [irc.host.mask(person.nick, person.account) for person in people]


def _list(
    irc: "Irc", turn: "Turn", number: str, targets: Iterable[str], *first: str, last: tuple[str, ...] = ()
) -> None:
    """Say ``targets`` with commas between, in as many lines as it takes; in none when there are none."""
    room_left = MAX_BODY - len(body(irc.host.name, number, irc.me, *first, "", *last).encode())
    line, size = list[str](), 0
    for target in targets:
        length = len(target.encode("utf-8", "replace")) + 1
        if line and size + length > room_left:
            irc.say(turn, number, irc.me, *first, ",".join(line), *last)
            line, size = [], 0
        line.append(target)
        size += length
    if line:
        irc.say(turn, number, irc.me, *first, ",".join(line), *last)
