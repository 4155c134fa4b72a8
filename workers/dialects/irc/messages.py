"""Saying something: PRIVMSG, NOTICE, TAGMSG, with the tags that a client gives them.

A NOTICE is answered with no error at all, for a program might answer that again. What is sent to `@#channel` is for the
members who have that prefix or a higher one (STATUSMSG).
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.moderation import ROLES, Role
from protocol.native import Event, Tags
from protocol.tags import is_name
from workers.dialects.irc import services, speech
from workers.dialects.irc.errors import UNHEARD, UNKEPT
from workers.dialects.irc.mapping import SIGN_ROLES, is_channel, room, same_nick
from workers.dialects.irc.server import MAX_TARGETS
from workers.dialects.irc.service import hear
from workers.dialects.irc.text import action, fun_line, is_ctcp, plain
from workers.dialects.irc.turns import Turn

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc

_MSGID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")  # as `native.MsgId`
_STATES: Final = ("active", "paused", "done")


@dataclass(frozen=True, slots=True)
class Target:
    """Where something goes."""

    typed: str
    to: str  # as moot calls it
    audience: Role | None = None

    @property
    def is_channel(self) -> bool:
        return self.to.startswith("#")


def privmsg(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    text = params[1] if len(params) > 1 else ""
    if not (targets := _targets(irc, turn, params, text=text)):
        return
    if is_ctcp(text) and action(text) is None:
        for typed in targets:
            number = "404" if "#" in typed[:6] else "531"
            irc.say(turn, number, irc.me, typed, "CTCP is not passed on here, but for ACTION; ask in plain words")
        return
    for typed in targets:
        if (to := services.service(typed)) is not None:
            hear(irc, turn, to, plain(text))
        else:
            say(irc, turn, typed, text)


def notice(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    if len(params) < 2 or not params[1] or is_ctcp(params[1]):
        return
    for typed in [typed for typed in dict.fromkeys(params[0].split(",")) if typed][:MAX_TARGETS]:
        if services.service(typed) is None and (target := _target(irc, turn, typed)) is not None:
            _send(irc, turn, target, plain(params[1]), "notice")


def say(irc: "Irc", turn: Turn, typed: str, text: str) -> None:
    """Say ``text``, maybe of several lines, as a PRIVMSG does. The client's tags are the turn's."""
    target = _target(irc, turn, typed)
    if target is None:
        return
    if (doing := action(text)) is not None:
        _send(irc, turn, target, plain(doing), "me")
        return
    text = plain(text)
    if target.audience is None and (line := fun_line(text, irc.fun)) is not None:
        _ask_fun(irc, turn, target, native.Fun(cmid=irc.new_cmid(), to=target.to, line=line))
        return
    _send(irc, turn, target, text, "text")
    if not target.is_channel:
        irc.ask(turn, native.Whois(nick=typed), lambda event: _tell_away(irc, turn, event))


def _targets(irc: "Irc", turn: Turn, params: tuple[str, ...], text: str = "-") -> list[str]:
    """Return the targets as they were typed; none when there are none, no text or too many, which is said then."""
    targets = [target for target in dict.fromkeys((params or ("",))[0].split(",")) if target]
    if not targets:
        irc.say(turn, "411", irc.me, f"No recipient given ({turn.command})")
    elif not text:
        irc.reply(turn, "412")
        return []
    elif len(targets) > MAX_TARGETS:
        irc.reply(turn, "407", targets[MAX_TARGETS])
        return []
    return targets


def _target(irc: "Irc", turn: Turn, typed: str) -> Target | None:
    """Return where ``typed`` is in moot; None: there can be no such place, and that was said."""
    signs = re.match("[" + re.escape("".join(SIGN_ROLES)) + "]*", typed)
    signed = signs[0] if signs is not None and is_channel(typed[signs.end() :]) else ""
    rest = typed[len(signed) :]
    try:
        if is_channel(rest):  # of several signs, whoever has the lowest hears it
            roles = [SIGN_ROLES[sign] for sign in signed]
            return Target(typed, room(rest), max(roles, key=ROLES.index) if roles else None)
        return Target(typed, f"@{names.nick(typed)}")
    except names.BadName:
        _refuse(irc, turn, typed, "403" if is_channel(rest) else "401")
        return None


def _refuse(irc: "Irc", turn: Turn, typed: str, number: str, why: str = "") -> None:
    if turn.command == "NOTICE":
        return
    if why:
        irc.say(turn, number, irc.me, typed, why)
    else:
        irc.reply(turn, number, typed)


def _tell_away(irc: "Irc", turn: Turn, event: Event) -> None:
    if isinstance(event, native.Profile) and event.away is not None:
        irc.reply(turn, "301", event.nick, event.away)


def _send(irc: "Irc", turn: Turn, target: Target, text: str, kind: native.Kind) -> None:
    assert kind in ("text", "me", "notice")

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            irc.awaits_echo(turn, event, wanted="echo-message" in irc.caps)
        elif isinstance(event, native.Error):
            _refused(irc, turn, target, event)

    given = given_tags(irc, turn)
    request = native.Send(
        cmid=irc.new_cmid(),
        to=target.to,
        text=text,
        kind=kind,
        reply=_answered(given),
        tags=given,
        audience=target.audience,
    )
    irc.ask(turn, request, answered)


def _refused(irc: "Irc", turn: Turn, target: Target, error: native.Error) -> None:
    if error.code == "bad-request":  # nothing was left of the text
        if turn.command != "NOTICE":
            irc.reply(turn, "412")
        return
    numbers = {"not-in-room": "404", "bad-room": "403", "no-such-room": "403"}
    if error.code in UNHEARD and turn.command == "NOTICE":
        irc.say(turn, "NOTICE", irc.me, f"not said: {error.text}")
    elif error.code in UNHEARD:
        _refuse(irc, turn, target.typed, "404" if target.is_channel else "531", error.text)
    else:
        _refuse(irc, turn, target.typed, numbers.get(error.code, "401"))


def _ask_fun(irc: "Irc", turn: Turn, target: Target, request: native.Fun) -> None:
    def answered(event: Event) -> None:
        match event:
            case native.Shown(text=text):
                for line in text.split("\n"):
                    irc.say(turn, "NOTICE", irc.me, line or " ")
            case native.Ok():
                irc.awaits_echo(turn, event, wanted=True)
            case native.Error():
                _refused(irc, turn, target, event)

    irc.ask(turn, request, answered)


# --- tags


def given_tags(irc: "Irc", turn: Turn) -> Tags:
    """Return the client-only tags of a command, from clients that may have some; the others are for the server."""
    if "message-tags" not in irc.caps or not turn.tags:
        return {}
    return {name: value for name, value in turn.tags.items() if name[:1] == "+" and is_name(name)}


def _answered(given: Tags) -> str | None:
    """Return the name of the message that is answered, if it can be one."""
    name = next((given[tag] for tag in speech.REPLY if tag in given), "")
    return name if _MSGID.fullmatch(name) else None


def tagmsg(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    """A reaction is kept, and that one types is known to all dialects; other tags are told to others as they are."""
    given = given_tags(irc, turn)
    if not given:  # "The server removes the tag before relaying the message": then nothing is left to relay
        return
    for typed in _targets(irc, turn, params):
        if (target := _target(irc, turn, typed)) is not None:
            _tell(irc, turn, target, given)


def _tell(irc: "Irc", turn: Turn, target: Target, given: Tags) -> None:
    reaction = next((given[tag] for tag in speech.REACT if tag in given), "")
    answered = _answered(given)
    if reaction and answered is not None and target.audience is None:
        _react(irc, turn, target, given, reaction, answered)
        return
    request: native.Typing | native.Tag = native.Tag(to=target.to, tags=given, audience=target.audience)
    for state in _STATES:
        if given == {speech.TYPING: state} and target.audience is None:
            request = native.Typing(to=target.to, state=state)
    irc.ask(turn, request, lambda event: _told(irc, turn, target, given, event))


def _told(irc: "Irc", turn: Turn, target: Target, given: Tags, event: Event) -> None:
    if isinstance(event, native.Error):
        _refused(irc, turn, target, event)
        return
    said = native.Tagged(room=target.to, nick=irc.nick, tags=given, account=irc.account)
    if "echo-message" in irc.caps:
        turn.lines += speech.hint(said, target.typed, irc.host, irc.flags)
    if target.to.startswith("@") and same_nick(target.typed, irc.nick):  # to oneself: it comes, beside the echo
        irc.new_turn("*").lines += speech.hint(said, irc.nick, irc.host, irc.flags)


def _react(irc: "Irc", turn: Turn, target: Target, given: Tags, reaction: str, answered: str) -> None:
    def stored(event: Event) -> None:
        if isinstance(event, native.Ok):
            irc.awaits_echo(turn, event, wanted="echo-message" in irc.caps)
        elif isinstance(event, native.Error) and event.code in UNKEPT:  # about nothing we have, or no emoji at all
            tag = native.Tag(to=target.to, tags=given)
            irc.ask(turn, tag, lambda event: _told(irc, turn, target, given, event))
        elif isinstance(event, native.Error):
            _refused(irc, turn, target, event)

    request = native.Send(cmid=irc.new_cmid(), to=target.to, text=reaction, kind="react", reply=answered, tags=given)
    irc.ask(turn, request, stored)
