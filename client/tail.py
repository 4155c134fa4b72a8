"""`moot tail`: print a room's messages, and go on as more come; each once, in order, across reconnects.

Messages that will never come, since the server no longer keeps them or they are damaged, are told on standard error,
with `--json` too: there every line is a message, and the numbers show it.

| exit status | meaning |
|---|---|
| 0 | the end was reached (without following), or nobody reads what we print |
| 1 | the server refused the room, now or when we came back |
| 2 | the address or `since` makes no sense |
| 3 | no server there, or it sent us away |
| 130 | Ctrl+C |
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from client.address import parse_address
from client.console import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    complain,
    encoded,
    exit_status,
    forget_out,
    when_unread,
    write_out,
)
from client.entering import entry
from client.lines import clock, message, missing
from client.logins import Pass
from client.net import Chat, ChatError
from client.sequence import in_order
from client.session import Answer, Entered, Exited, Identified, Lost, Message, Moved, Offline, Online, Session, Update
from protocol import native

Write = Callable[[list[native.Msg]], None]


@dataclass(frozen=True, slots=True)
class Since:
    """Where to begin: after `seq`, or at `time` (milliseconds since 1970, UTC)."""

    seq: int | None = None
    time: int | None = None


def parse_since(text: str | None) -> Since:
    """Return where ``text`` says to begin: "all", a message's number (begin after it), or an ISO 8601 time.

    A time without a zone is local. None: the newest messages. Raises ValueError with a sentence for people.
    """
    if text is None:
        return Since()
    if text.strip().lower() == "all":
        return Since(seq=0)
    if text.strip().isascii() and text.strip().isdecimal() and len(text.strip()) <= 18:
        return Since(seq=int(text))
    try:
        return Since(time=int(datetime.fromisoformat(text.strip()).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no place to begin; write all, a message's number, or a time such as 2026-01-31T12:00"
        ) from None


class Sieve:
    """Let each message through once and in order, whatever is reported twice. Pure."""

    def __init__(self, room: str, after: int, floor: int) -> None:
        self.room = room
        self.last: int | None = after  # None: whatever comes next is next
        self._floor = floor  # print only greater seqs

    def sift(self, updates: list[Update]) -> list[native.Msg | native.Gap]:
        """Return the messages to print, and between them what will never come."""
        found: list[native.Msg | native.Gap] = []
        for update in updates:
            if isinstance(update, Moved) and update.old == self.room:
                self.room = update.room
                continue
            if isinstance(update, Entered) and update.room == self.room:
                if update.reset:  # the log was replaced, or lost some: go on with what there is
                    self.last = None
                    self._floor = 0
                items = list(in_order(update.messages, update.gaps))
            elif isinstance(update, Message) and update.msg.room == self.room:
                items = [update.msg]
            elif isinstance(update, Lost) and update.room == self.room:
                items = [(update.first, update.last)]
            else:
                continue
            found += [kept for item in items if (kept := self._next(item)) is not None]
        return found

    def _next(self, item: native.Msg | native.Gap) -> native.Msg | native.Gap | None:
        """Return ``item`` if it is next and to be printed, or what of it is."""
        first, last = (item.seq, item.seq) if isinstance(item, native.Msg) else item
        if self.last is not None and not first <= self.last + 1 <= last:
            return None
        first = first if self.last is None else self.last + 1
        self.last = last
        if last <= self._floor:
            return None
        return item if isinstance(item, native.Msg) else (max(first, self._floor + 1), last)


def run_tail(host: str, room: str, *, json: bool, since: str | None, follow: bool, nick: str | None) -> int:
    """Print the messages of ``room`` of the server at ``host``; return the exit status. See the module."""
    try:
        start = parse_since(since)
        coming = entry(parse_address(host), nick, complain)
        write = _write_json if json else _write_text
        asyncio.run(tail(host, room, start, follow, coming.nick, write, coming.credentials))
    except ValueError as error:
        complain(str(error))
        return EXIT_USAGE
    except BrokenPipeError:
        forget_out()
    except ChatError as error:
        complain(str(error))
        return exit_status(error.code)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_OK


async def tail(
    host: str, room: str, since: Since, follow: bool, nick: str, write: Write, credentials: Pass | None = None
) -> None:
    """Give the messages of ``room`` to ``write`` (called in a thread) until the end, for ever with ``follow``.

    Raises `ChatError`, ValueError for a bad address, and what ``write`` raises.
    """
    session = Session(nick, [], any_nick=True, client="moot tail")
    async with Chat(parse_address(host), session, credentials=credentials) as chat:
        updates = chat.updates()
        when_unread(lambda: updates.close(BrokenPipeError()))
        joined = await chat.join(room)
        after = await _start(chat, joined, since)
        chat.session.rewind(joined.room, after)
        chat.flush()
        sieve = Sieve(joined.room, min(after, joined.seq), since.seq or 0)
        end = joined.seq
        trouble = ""  # why there is no connection, as it was said last
        while follow or (sieve.last or 0) < end:
            batch = await updates.batch()
            if not batch:
                raise ChatError("offline", "the server ended the conversation")
            found = sieve.sift(batch)
            for item in found:
                if not isinstance(item, native.Msg):
                    complain(f"{sieve.room}: {missing(*item)}")
            if messages := [item for item in found if isinstance(item, native.Msg)]:
                await asyncio.to_thread(write, messages)
            for update in batch:
                match update:
                    case Entered(room=sieve.room, reset=True):
                        view = chat.session.rooms.get(sieve.room)
                        end = view.head if view is not None else end
                        complain(f"{sieve.room}: the server no longer has some messages")
                    case Answer(request=native.Join(), event=native.Error() as error):
                        raise ChatError(error.code, error.text)
                    case Exited(room=sieve.room):
                        raise ChatError("not-in-room", f"the server put us out of {sieve.room}")
                    case Identified(account=None, text=text) if text:
                        complain(text)
                    case Online():
                        trouble = ""
                    case Offline(final=True):
                        code = update.error.code if update.error is not None else "offline"
                        raise ChatError(code, update.reason)
                    case Offline(retry=0):
                        pass  # a worker is being renewed, and we are back at once
                    case Offline(reason=reason) if reason != trouble:
                        trouble = reason
                        complain(f"{trouble}; trying again")


async def _start(chat: Chat, joined: native.Room, since: Since) -> int:
    """Return the seq after which to begin."""
    if since.seq is not None:
        return since.seq
    if since.time is not None:
        page = await chat.request(native.History(room=joined.room, since=since.time, limit=1))
        assert isinstance(page, native.HistoryPage)
        return page.messages[0].seq - 1 if page.messages else joined.seq
    return joined.messages[0].seq - 1 if joined.messages else joined.seq


def _write_json(messages: list[native.Msg]) -> None:
    write_out(b"".join(native.encode(msg) for msg in messages))


def _write_text(messages: list[native.Msg]) -> None:
    write_out(encoded([line for msg in messages for line in message(msg, stamp=clock(msg.time, date=True))]))
