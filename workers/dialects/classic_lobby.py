"""What everybody on the classic protocol at one worker hears of the lobby, their one room, encoded once for all.

Owns who is there and in which colour, for the protocol tells the colour with each message and the whole list whenever
it changes. Kept by what the room hears, so it is right only while somebody is there to hear. Knows no connection.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from protocol import moderation, native, sentences
from protocol.native import Event, Msg, Person
from protocol.nickcolor import nick_color
from workers.dialects import classic_codec as codec

EVERYONE: Final = "-ALL"  # the protocol's name for the lobby; no nick begins so
_IN_CHARGE: Final = frozenset({"owner", "admin", "op", "halfop"})  # roles that may put others out
_GROUND: Final = "#000000"  # the first client is dark; a colour made from a nick must be readable there


class Lobby:
    """See the module."""

    def __init__(self, room: str, now_ms: Callable[[], int], offset_s: int | None = None) -> None:
        """``now_ms``: milliseconds since 1970, UTC. ``offset_s``: of the times shown, east of UTC; None: the system's
        zone.
        """
        self.room = room
        self.last = 0  # newest seq that all heard
        self._people: dict[str, Person] = {}  # by nick, who came first first
        self._now_ms = now_ms
        self._offset_s = offset_s

    def entered(self, found: native.Room) -> None:
        """Somebody came in and was told how things are."""
        self.last = found.seq
        self.take(found.people)

    def take(self, people: Iterable[Person]) -> None:
        """These are here now, and nobody else."""
        self._people = {person.nick: person for person in people}

    def hear(self, event: Event) -> bytes:
        """Return what all are told of an event in a room. To be asked once for each event, in their order."""
        if getattr(event, "room", self.room) != self.room:
            return b""
        match event:
            case Msg():
                self.last = event.seq
                return self.said(event)
            case native.Joined(who=who):
                self._people[who.nick] = who
                return self.came(who.nick)
            case native.Left(by=str()):
                self._people.pop(event.nick, None)
                return self.info(event.nick, sentences.kicked(event)) + self.users()
            case native.Left():
                self._people.pop(event.nick, None)
                what = "has disconnected" if event.quit else f"has left {event.room}"
                reason = f" ({event.reason})" if event.reason else ""
                return self.info(event.nick, f"{event.nick} {what}{reason}") + self.users()
            case native.Renamed():
                return self._renamed(event.old, event.nick)
            case native.Changed(who=who):
                before = self._people.get(who.nick)
                self._people[who.nick] = who
                return self._changed(before, who)
            case native.People():
                self.take(event.people)
                return self.users()
            case native.Notice():
                return self.answer("WARN", event.text)
            case moderation.Modes():
                return self._modes(event)
            case moderation.Retitled():
                self.room = event.name
                return self.info(event.by or event.name, sentences.retitled(event))
            case _:
                return b""

    def _modes(self, event: moderation.Modes) -> bytes:
        """Roles were given or taken, or the room's modes changed."""
        before = self._admins()
        for change in event.changes:
            who = self._people.get(change.arg or "")
            if who is not None and change.mode in moderation.ROLES:
                held = {*who.roles, change.mode} if change.on else {*who.roles} - {change.mode}
                roles = [role for role in moderation.ROLES if role in held]
                self._people[who.nick] = msgspec.structs.replace(who, roles=roles)
        told = b"".join(self.info(event.by or self.room, line) for line in sentences.modes(event))
        return told if self._admins() == before else told + self.users()

    def _admins(self) -> list[str]:
        """Return the nicks of those who may put others out."""
        return [who.nick for who in self._people.values() if who.admin or not _IN_CHARGE.isdisjoint(who.roles)]

    def _renamed(self, old: str, nick: str) -> bytes:
        self._people = {
            nick if name == old else name: msgspec.structs.replace(who, nick=nick) if name == old else who
            for name, who in self._people.items()
        }
        return self.info(nick, f"{old}'s name changed to {nick}") + self.users()

    def _changed(self, before: Person | None, now: Person) -> bytes:
        told = b""
        if before is not None and (before.admin, before.roles) != (now.admin, now.roles):
            told += self.users()
        if before is not None and before.color != now.color:
            told += self.info(now.nick, f"{now.nick}'s color changed to {self.color(now.nick)}") + self.users()
        if before is None or before.away != now.away:
            told += self.info(
                now.nick, f"{now.nick} is back" if now.away is None else f"{now.nick} is away: {now.away}"
            )
        return told

    # --- messages

    def said(self, msg: Msg) -> bytes:
        """Return what somebody said, now or earlier; the lines of a picture or a longer text in order."""
        when = self._stamp(msg.time)
        if msg.kind == "topic":
            what = f"set the topic: {msg.text}" if msg.text else "removed the topic"
            return codec.message("INFO", [when, ("sender", msg.nick)], f"{msg.nick} {what}")
        to = EVERYONE if msg.to is None else msg.to
        params = [when, ("sender", msg.nick), ("rec", to), ("color", self.color(msg.nick))]
        return codec.messages("CHATR", params, _words(msg))

    def came(self, nick: str) -> bytes:
        """Return what is told when somebody comes in."""
        return self.info(nick, f"{nick} has joined the chat!") + self.users()

    def users(self) -> bytes:
        """Return the list of who is here; the first clients read no more of it than fits into one message.

        ``admin`` is the number of those who may put others out; they are listed again as ``admin0`` and on.
        """
        admins: list[tuple[str, str]] = []
        nicks: list[tuple[str, str]] = []
        room = codec.MAX_SENT - 100  # for what stands before
        in_charge = set(self._admins())
        for number, nick in enumerate(self._people):
            mine = [(str(number), nick)]
            if nick in in_charge:
                mine.append((f"admin{len(admins)}", nick))
            room -= sum(len(f";{key}={codec.escape(value)}".encode()) for key, value in mine)
            if room < 0:
                break
            nicks.append(mine[0])
            admins += mine[1:]
        counts = [("num", str(len(nicks))), ("admin", str(len(admins)))]  # a client reads as many as it is told
        return codec.message("USER", [self._now(), *counts, *nicks, *admins])

    def info(self, sender: str, text: str) -> bytes:
        """Return something about somebody, one line."""
        return codec.message("INFO", [self._now(), ("sender", sender)], text)

    def shown(self, sender: str, lines: Iterable[str]) -> bytes:
        """Return lines that the server shows."""
        params = [self._now(), ("sender", sender)]
        return b"".join(codec.messages("INFO", params, line) for line in lines)

    def answer(self, reason: str, text: str, *params: tuple[str, str]) -> bytes:
        """Return a message with the time and ``params``."""
        return codec.message(reason, [self._now(), *params], text)

    def color(self, nick: str) -> str:
        """Return the colour of a nick, #RRGGBB: the one its owner chose, else one made from it as all clients do."""
        person = self._people.get(nick)
        own = None if person is None or person.color is None else long_color(person.color)
        return own or nick_color(nick, None, _GROUND).upper()

    # --- times

    def _now(self) -> tuple[str, str]:
        return self._stamp(self._now_ms())

    def _stamp(self, time_ms: int) -> tuple[str, str]:
        try:
            offset_s = time.localtime(time_ms // 1000).tm_gmtoff if self._offset_s is None else self._offset_s
            when = datetime.fromtimestamp(time_ms // 1000, UTC) + timedelta(seconds=offset_s)
        except (ValueError, OverflowError, OSError):  # a time no calendar has
            when = datetime(1970, 1, 1, tzinfo=UTC)
        return "time", f"{when:%Y-%m-%d %H:%M:%S}"


def long_color(color: str) -> str | None:
    """Return ``color`` as #RRGGBB; None: it is none."""
    if not native.is_color(color):
        return None
    digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    return f"#{digits.upper()}"


def _words(msg: Msg) -> str:
    """Return a message as this protocol, which has only text, can tell it."""
    if msg.redacted:
        return "(taken back)"
    if msg.kind == "react":
        return f"* {msg.nick} answers with {msg.text}"
    return f"* {msg.nick} {msg.text}" if msg.kind in ("me", "redact") else msg.text
