"""MODE of a channel: what holds there, its lists, and changes of both (Modern IRC, "MODE message").

What is asked for at once is done at once, or not at all; is one of several changes at fault, each is tried alone, so
that the others are made and the error is about the one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from protocol import moderation, names, native
from protocol.moderation import Change, Entry
from protocol.native import Event
from workers.dialects.irc import channels, mapping, presence
from workers.dialects.irc.mapping import Guests, Step, is_channel, room

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

MAX_CHANGES: Final = 12  # with parameters, in one MODE of a client; what is more is refused
MAX_FLAGS: Final = 50  # letters in all
_LISTS: Final = {"b": ("367", "368"), "e": ("348", "349"), "I": ("346", "347"), "g": ("941", "940")}
_MISSING: Final = "a parameter is missing"
_GUESTS: Final = (
    "this would be about all guests, for they have one host; ban the nick (moot keeps nick and address then), "
    "account:NAME, an address or a range"
)


def mode(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """MODE, of a channel or of oneself."""
    if is_channel(params[0]):
        _of_channel(irc, turn, params[0], params[1:])
    else:
        irc.locally(turn, lambda turn: presence.mode(irc, turn, params[0], params[1:]))  # what NICK or OPER made of one


def _of_channel(irc: "Irc", turn: "Turn", target: str, params: tuple[str, ...]) -> None:
    try:
        name = room(target)
    except names.BadName:
        irc.reply(turn, "403", target)
        return
    if not params or not params[0].strip("+-"):
        _ask_policy(irc, turn, target, name, lambda policy: _tell_modes(irc, turn, policy))
        return
    changes: list[tuple[Step, Change]] = []
    for step in _steps(irc, turn, name, params):
        if step.arg is None and mapping.is_list(step.letter):
            _ask_list(irc, turn, target, name, step.letter)
            continue
        try:
            change = mapping.change(step, irc.host)
        except Guests:
            _invalid(irc, turn, name, step, _GUESTS)
            continue
        if change is not None:
            changes.append((step, change))
    if changes:
        _change(irc, turn, target, name, changes)


def _steps(irc: "Irc", turn: "Turn", name: str, params: tuple[str, ...]) -> list[Step]:
    """Return the letters of a mode string with their parameters; say which are unknown or lack one."""
    found: list[Step] = []
    args = list(params[1:])
    on, told = True, set[str]()
    with_parameter = 0
    for letter in params[0]:
        if letter in "+-":
            on = letter == "+"
        elif letter not in mapping.CHANNEL_MODES:
            if letter not in told:
                irc.reply(turn, "472", letter)
            told.add(letter)
        elif letter == mapping.ALWAYS or len(found) >= MAX_FLAGS:
            continue
        elif not mapping.takes_parameter(letter, on=on):
            found.append(Step(on, letter))
        elif with_parameter >= MAX_CHANGES:
            _invalid(irc, turn, name, Step(on, letter), f"{MAX_CHANGES} changes at a time; this one was left out")
        elif args:
            found.append(Step(on, letter, args.pop(0)))
            with_parameter += 1
        elif mapping.is_list(letter) or (letter == "k" and not on):
            found.append(Step(on, letter))
        else:
            _invalid(irc, turn, name, Step(on, letter), _MISSING)
    return list(dict.fromkeys(found))


def _invalid(irc: "Irc", turn: "Turn", name: str, step: Step, text: str) -> None:
    irc.say(turn, "696", irc.me, name, step.letter, step.arg or "*", text)


# --- what holds


def _ask_policy(
    irc: "Irc", turn: "Turn", target: str, name: str, then: Callable[[moderation.RoomPolicy], None]
) -> None:
    def answered(event: Event) -> None:
        if isinstance(event, moderation.RoomPolicy):
            then(event)
        elif isinstance(event, native.Error) and event.code == "not-in-room":
            channels.not_in(irc, turn, target, name)
        else:
            irc.reply(turn, "403", target)

    irc.ask(turn, moderation.Policy(room=name), answered)


def _tell_modes(irc: "Irc", turn: "Turn", policy: moderation.RoomPolicy) -> None:
    (shown,) = mapping.modestrings(mapping.current(policy), 400, MAX_FLAGS)
    irc.reply(turn, "324", policy.room, *shown)
    if policy.since:
        irc.reply(turn, "329", policy.room, str(policy.since // 1000))


def _ask_list(irc: "Irc", turn: "Turn", target: str, name: str, letter: str) -> None:
    one, end = _LISTS[letter]

    def tell(policy: moderation.RoomPolicy) -> None:
        for entry in policy.entries:
            if mapping.LIST_LETTERS[entry.kind] == letter:
                irc.say(turn, one, irc.me, policy.room, *_shown(entry))
        for word in policy.filters if letter == "g" else ():
            irc.say(turn, one, irc.me, policy.room, word)
        irc.reply(turn, end, policy.room)

    _ask_policy(irc, turn, target, name, tell)


def _shown(entry: Entry) -> tuple[str, str, str]:
    mask = mapping.MUTE + entry.mask if entry.kind == "mute" else entry.mask
    return mask, entry.by or "*", str(entry.at // 1000)


# --- changes


def _change(irc: "Irc", turn: "Turn", target: str, name: str, changes: list[tuple[Step, Change]]) -> None:
    def answered(event: Event) -> None:
        irc.tell_deeds(turn)
        if not isinstance(event, native.Error):
            return
        if len(changes) > 1 and event.code not in ("not-allowed", "no-such-room"):
            for one in changes:
                _change(irc, turn, target, name, [one])
        else:
            _refused(irc, turn, target, name, changes[0][0], event)

    irc.ask(turn, moderation.Mode(room=name, changes=[change for _step, change in changes]), answered)


def _refused(irc: "Irc", turn: "Turn", target: str, name: str, step: Step, error: native.Error) -> None:
    arg = step.arg or "*"
    match error.code:
        case "not-allowed":
            if name in irc.rooms:
                irc.say(turn, "482", irc.me, name, error.text)
            else:
                channels.not_in(irc, turn, target, name)
        case "no-such-room" | "bad-room":
            irc.reply(turn, "403", target)
        case "no-such-nick" | "bad-nick" if step.letter in mapping.ROLE_LETTERS.values():
            irc.reply(turn, "401", arg)
        case "not-in-room" if name in irc.rooms:
            irc.reply(turn, "441", arg, name)
        case "not-in-room":
            channels.not_in(irc, turn, target, name)
        case "full-list":
            irc.say(turn, "478", irc.me, name, step.letter, error.text)
        case "no-such-entry":
            irc.say(turn, "698", irc.me, name, arg, step.letter, error.text)
        case _:
            _invalid(irc, turn, name, step, error.text)
