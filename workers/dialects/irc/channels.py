"""Channels: JOIN, PART, TOPIC, NAMES, LIST."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from protocol import moderation, names, native
from protocol.native import Event
from protocol.text import clean
from workers.dialects.irc import events, marks, metadata, speech
from workers.dialects.irc.kept import is_shown
from workers.dialects.irc.lines import MAX_BODY, body, words_in
from workers.dialects.irc.mapping import is_channel, prefix, room
from workers.dialects.irc.text import plain
from workers.dialects.irc.turns import Line, Turn, within

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc

MAX_CONDITIONS: Final = 20  # of one LIST; each is compared with each channel
MAX_KEY: Final = 100  # characters; the broker takes fewer
_KEPT_OUT: Final = {  # by code of the refusal
    "accounts-only": "477",
    "bad-key": "475",
    "banned": "474",
    "invite-only": "473",
    "room-full": "471",
    "throttled": "437",
}
_ALL: Final = "0"  # JOIN 0 leaves every channel


def _each(irc: "Irc", turn: Turn, listed: str, number: str = "403") -> list[tuple[str, str]]:
    """Return the channels of a list, as they were typed and as rooms; those that cannot be get ``number``."""
    found: list[tuple[str, str]] = []
    wanted = [typed for typed in dict.fromkeys(listed.split(",")) if typed]
    if not wanted:
        irc.reply(turn, "461", turn.command)
    for typed in wanted:
        try:
            found.append((typed, room(typed)))
        except names.BadName:
            irc.reply(turn, number, typed)
    return found


# --- JOIN


def join(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    if params[0] == _ALL:
        irc.locally(turn, lambda turn: _leave_all(irc, turn))  # those too that one has asked to enter just now
        return
    turn.streams = True
    keys = params[1].split(",") if len(params) > 1 else []
    key_of = dict(zip((typed for typed in params[0].split(",") if typed), keys, strict=False))
    for typed, name in _each(irc, turn, params[0]):
        _join(irc, turn, typed, name, key_of.get(typed, ""))


def _leave_all(irc: "Irc", turn: Turn) -> None:
    for name in list(irc.rooms):
        _part(irc, turn, name, name, "")


def _join(irc: "Irc", turn: Turn, typed: str, name: str, key: str) -> None:
    def answered(event: Event) -> None:
        if isinstance(event, native.Room):
            if event.room not in irc.rooms:  # else it was in there already, and nothing is to be said
                _entered(irc, turn, event)
        elif isinstance(event, native.Error):
            _kept_out(irc, turn, typed, event)

    irc.ask(turn, native.Join(room=name, key=key[:MAX_KEY] or None), answered)


def _kept_out(irc: "Irc", turn: Turn, typed: str, error: native.Error) -> None:
    number = _KEPT_OUT.get(error.code)
    if number is None:
        irc.reply(turn, "403", typed)
    else:
        irc.say(turn, number, irc.me, typed, error.text)


def _entered(irc: "Irc", turn: Turn, event: native.Room) -> None:
    def introduce() -> None:
        _tell_who_is_there(irc, turn, event)
        _tell_backlog(irc, turn, event)
        metadata.joined(irc, turn, event.room)

    came_in(irc, turn, event, introduce)


def came_in(irc: "Irc", turn: Turn, event: Event, then: Callable[[], None] | None = None) -> None:
    """Tell that one is in a channel, if that is news, and what it is; ``then`` goes on, else with who is there."""
    if not isinstance(event, native.Room):
        return
    if event.room not in irc.rooms:
        turn.lines.append(join_line(irc, event.room))
    irc.rooms[event.room] = event.seq
    irc.invitations.pop(event.room, None)
    if event.topic:
        _tell_topic(irc, turn, event)
    marks.joined(irc, turn, event, then or (lambda: _tell_who_is_there(irc, turn, event)))


def join_line(irc: "Irc", name: str) -> Line:
    """Return what tells this client that it is in a channel."""
    me = native.Person(irc.nick, name=irc.intro.realname or None, account=irc.account)
    return events.join_line(name, me, irc.host, irc.flags)


def _tell_who_is_there(irc: "Irc", turn: Turn, event: native.Room) -> None:
    if "draft/no-implicit-names" in irc.caps:
        return
    secret = "secret" in event.flags
    if event.count > len(event.people):
        irc.ask(turn, native.Who(room=event.room), _names_teller(irc, turn, event.room, secret=secret))
    else:
        _tell_members(irc, turn, event.room, event.people, secret=secret)


def _tell_backlog(irc: "Irc", turn: Turn, event: native.Room) -> None:
    """What was said before, for clients that can tell it from what is said now and cannot ask for it."""
    if not {"batch", "server-time"} <= irc.caps or "draft/chathistory" in irc.caps:
        return
    said = [msg for msg in event.messages if is_shown(irc, msg)]
    if not said:
        return
    batch = irc.new_batch()
    irc.say(turn, "BATCH", "+" + batch, "chathistory", event.room)
    for msg in said:
        lines = speech.message(msg, irc.host, irc.flags, irc.epoch)
        turn.lines += [within(batch, line) for line in lines]
    irc.say(turn, "BATCH", "-" + batch)


# --- PART


def part(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    reason = params[1] if len(params) > 1 else ""
    for typed, name in _each(irc, turn, params[0]):
        _part(irc, turn, typed, name, reason)


def _part(irc: "Irc", turn: Turn, typed: str, name: str, reason: str) -> None:
    reason = clean(plain(reason), newlines=False)[: native.MAX_REMARK]

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            irc.forget(name)
            turn.lines.append(("", body(irc.mask, "PART", *((name, reason) if reason else (name,)))))
        elif isinstance(event, native.Error):
            not_in(irc, turn, typed, name)

    irc.ask(turn, native.Leave(room=name, reason=reason), answered)


def not_in(irc: "Irc", turn: Turn, typed: str, name: str) -> None:
    """Say that one is not in a channel, or that there is none of that name."""
    irc.ask(
        turn,
        native.Rooms(),
        lambda event: irc.reply(turn, "442" if _is_there(event, name) else "403", typed),
    )


def _is_there(event: Event, name: str) -> bool:
    """Whether the list of rooms has one of that name, or is too long to tell."""
    if not isinstance(event, native.RoomList):
        return False
    return event.count > len(event.rooms) or any(line.room == name for line in event.rooms)


# --- TOPIC


def topic(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    for typed, name in _each(irc, turn, params[0])[:1]:
        if len(params) > 1:
            _set_topic(irc, turn, typed, name, params[1])
        else:
            _ask_topic(irc, turn, typed, name)


def _ask_topic(irc: "Irc", turn: Turn, typed: str, name: str) -> None:
    def answered(event: Event) -> None:
        if not isinstance(event, native.Room):
            not_in(irc, turn, typed, name)
        elif event.topic:
            _tell_topic(irc, turn, event)
        else:
            irc.reply(turn, "331", name)

    irc.ask(turn, native.Join(room=name, after=irc.rooms.get(name), epoch=irc.epoch, again=True), answered)


def _set_topic(irc: "Irc", turn: Turn, typed: str, name: str, text: str) -> None:
    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            irc.awaits_echo(turn, event, wanted=True)
        elif isinstance(event, native.Error) and event.code == "not-allowed":
            irc.say(turn, "482", irc.me, name, event.text)
        elif isinstance(event, native.Error):
            not_in(irc, turn, typed, name)

    irc.ask(turn, native.Topic(cmid=irc.new_cmid(), room=name, text=plain(text)), answered)


def _tell_topic(irc: "Irc", turn: Turn, event: native.Room) -> None:
    """The topic, and who set it and when, if that is among the messages that came along now or before."""
    irc.reply(turn, "332", event.room, event.topic)
    latest = next((msg for msg in reversed(event.messages) if msg.kind == "topic"), irc.topics.get(event.room))
    if latest is not None and latest.text == event.topic:
        irc.topics[event.room] = latest
        irc.reply(turn, "333", event.room, irc.host.mask(latest.nick, latest.account), str(latest.time // 1000))


# --- NAMES


def names_(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    if not params or not params[0]:
        irc.reply(turn, "366", "*")
        return
    for _typed, name in _each(irc, turn, params[0], "366"):
        irc.ask(turn, moderation.Policy(room=name), _names_asker(irc, turn, name))


def _names_asker(irc: "Irc", turn: Turn, name: str) -> Callable[[Event], None]:
    def answered(event: Event) -> None:
        secret = isinstance(event, moderation.RoomPolicy) and "secret" in event.flags
        irc.ask(turn, native.Who(room=name), _names_teller(irc, turn, name, secret=secret))

    return answered


def _names_teller(irc: "Irc", turn: Turn, name: str, *, secret: bool = False) -> Callable[[Event], None]:
    def answered(event: Event) -> None:
        _tell_members(irc, turn, name, event.people if isinstance(event, native.People) else [], secret=secret)

    return answered


def _tell_members(irc: "Irc", turn: Turn, name: str, people: list[native.Person], *, secret: bool = False) -> None:
    symbol = "@" if secret else "="
    full = "userhost-in-names" in irc.caps
    every = "multi-prefix" in irc.caps
    words = [
        prefix(person, every=every) + (irc.host.mask(person.nick, person.account) if full else person.nick)
        for person in people
    ]
    room_left = MAX_BODY - len(body(irc.host.name, "353", irc.me, symbol, name, "").encode())
    for line in words_in(words, room_left):
        irc.say(turn, "353", irc.me, symbol, name, line)
    irc.reply(turn, "366", name)


# --- LIST


def list_(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    conditions = [word for param in params[:2] for word in param.split(",") if word][:MAX_CONDITIONS]

    def answered(event: Event) -> None:
        irc.reply(turn, "321", "Channel")
        for line in event.rooms if isinstance(event, native.RoomList) else []:
            if _is_listed(line, conditions):
                irc.say(turn, "322", irc.me, line.room, str(line.people), line.topic)
        irc.reply(turn, "323")

    irc.ask(turn, native.Rooms(), answered)


def _is_listed(line: native.RoomLine, conditions: list[str]) -> bool:
    """ELIST: any of the named channels or masks (M), none of those after ! (N), as many people as > or < says (U)."""
    masks: list[str] = []
    for condition in conditions:
        sign, rest = condition[0], condition[1:]
        if sign in "<>":
            limit = int(rest) if rest.isascii() and rest.isdigit() and len(rest) < 10 else None
            if limit is not None and (line.people <= limit if sign == ">" else line.people >= limit):
                return False
        elif sign == "!":
            if _matches(line.room, rest):
                return False
        elif condition[:2] not in ("C<", "C>", "T<", "T>"):
            masks.append(condition)
    return not masks or any(_matches(line.room, mask) for mask in masks)


def _matches(name: str, mask: str) -> bool:
    if is_channel(mask) and "*" not in mask and "?" not in mask:
        try:
            return name == room(mask)
        except names.BadName:
            return False
    return fnmatchcase(name, mask.lower().replace("[", "[[]"))
