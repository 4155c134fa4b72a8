"""`moot send`: every line of standard input becomes a message, and the exit status says whether all were taken.

| exit status | meaning |
|---|---|
| 0 | every line is acknowledged: it is on the server's disk |
| 1 | the server refused the room, or some lines; each is named on standard error, the others were said |
| 2 | the address makes no sense |
| 3 | no server there, it sent us away, or it was gone for longer than `GIVE_UP_S` |
| 130 | Ctrl+C |

Blank lines are skipped. A line that begins with a slash is said as it is.

What was read is on disk before any of it goes out (`client.journal`), with one sync for all that one read gave. Lines
that are not acknowledged when the program ends, in whatever way, are said by the next one for the same server and room,
before its own.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from client.address import Address, parse_address
from client.console import EXIT_INTERRUPTED, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, complain, exit_status, input_batches
from client.entering import entry
from client.journal import Desk, Journal, leftovers, open_journal
from client.logins import Pass
from client.net import Chat, ChatError
from client.session import Delayed, Failed, Identified, Offline, Online, Sent, Session
from protocol import native

LOW: Final = 64  # unacknowledged lines below which more are read
GIVE_UP_S: Final = 120.0  # without a connection
STORAGE_S: Final = 3.0  # for so long a server that cannot store is waited for in silence

Batches = AsyncIterator[list[str]]


@dataclass(slots=True)
class Tally:
    """What became of the lines."""

    read: int = 0
    taken: int = 0
    refused: int = 0
    kept: int = 0  # read in an earlier run
    left: int = 0  # not acknowledged at the end
    safe: bool = True  # what is left is on disk
    progress: bool = False  # show it on standard error
    numbers: dict[str, int] = field(default_factory=dict)  # by cmid: which line of the input, from 1

    def show(self, end: str = "") -> None:
        if self.progress:
            print(f"\r{self._line}", end=end, file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        """Say something to the person, on a line of its own."""
        if self.progress:
            print(f"\r{' ' * len(self._line)}\r", end="", file=sys.stderr)
        complain(text)

    @property
    def _line(self) -> str:
        return f"{self.taken} of {self.read + self.kept} lines taken"

    def leftover(self) -> str:
        """Return a sentence about the lines that are not acknowledged, or ""."""
        if not self.left:
            return ""
        lines = f"{self.left} line{'s' * (self.left > 1)} not acknowledged"
        return lines + ("; kept for the next `moot send` to this room" if self.safe else ", and not kept")


def run_send(host: str, room: str, nick: str | None) -> int:
    """Say the lines of standard input in ``room`` of the server at ``host`` ("host" or "host:port").

    Without ``nick`` it is the account used there last, else the login name; when the nick is taken, a free one near it.
    Returns the exit status.
    """
    tally = Tally(progress=sys.stderr.isatty() and not sys.stdin.isatty())
    try:
        coming = entry(parse_address(host), nick, complain)
        asyncio.run(send(host, room, coming.nick, input_batches(sys.stdin.fileno()), tally, coming.credentials))
    except ValueError as error:
        complain(str(error))
        return EXIT_USAGE
    except ChatError as error:
        tally.show(end="\n")
        left = tally.leftover()
        complain(f"{error} ({left})" if left else str(error))
        return exit_status(error.code)
    except KeyboardInterrupt:
        tally.show(end="\n")
        if left := tally.leftover():
            complain(left)
        return EXIT_INTERRUPTED
    tally.show(end="\n")
    return EXIT_REFUSED if tally.refused else EXIT_OK


async def send(
    host: str, room: str, nick: str, batches: Batches, tally: Tally, credentials: Pass | None = None
) -> None:
    """Say the lines of ``batches`` in ``room``, in order; return when all are answered, counted in ``tally``.

    What earlier runs left comes first, as whoever said it then. Raises `ChatError` when there is no server, or it is
    gone for good; ValueError for a bad address.
    """
    address = parse_address(host)
    desk = Desk("send", address, nick, room.casefold())
    journal = open_journal(desk)
    others, problems = leftovers(desk)
    for problem in filter(None, [journal.problem, *problems]):
        complain(problem)
    tally.kept = sum(len(one.pending) for one in (journal, *others))
    tally.left = tally.kept
    if tally.kept:
        complain(
            f"{tally.kept} line{'s' * (tally.kept > 1)} of an earlier run not acknowledged then; saying them first"
        )
    try:
        for other in others:
            await _speak(address, other, room, other.nick, _nothing(), tally, None)
        await _speak(address, journal, room, nick, batches, tally, credentials)
    finally:
        for one in (journal, *others):
            one.close()


async def _nothing() -> Batches:
    for _ in range(0):
        yield []


async def _speak(
    address: Address, journal: Journal, room: str, nick: str, batches: Batches, tally: Tally, credentials: Pass | None
) -> None:
    """Say what ``journal`` has and then ``batches``, in one session."""
    session = Session(nick, [room], token=journal.token, any_nick=True, client="moot send", pending=journal.pending)
    chat = Chat(address, session, keeper=journal, credentials=credentials)
    before = tally.left - len(journal.pending)  # of other journals
    chat.updates()  # keep everything from now on
    watch = None
    try:
        async with chat:
            entered = next((name for name in session.rooms if name.casefold() == room.casefold()), room)
            try:
                async with asyncio.timeout(None) as limit:
                    watch = asyncio.create_task(_watch(chat, limit, tally))
                    await _say_all(chat, entered, batches, tally)
            except TimeoutError:
                chat.check()
                raise ChatError("offline", f"no connection for {GIVE_UP_S:.0f} s") from None
    finally:
        tally.left = before + len(session.outbox)
        tally.safe = tally.safe and journal.safe
        if watch is not None:
            await watch


async def _say_all(chat: Chat, room: str, batches: Batches, tally: Tally) -> None:
    number = 0
    async for lines in batches:
        for line in lines:
            number += 1
            if line.strip():
                tally.read += 1
                tally.numbers[chat.session.say(_named(chat.session, room), line)] = number
        chat.flush()
        await chat.drained(LOW)
    await chat.drained()


def _named(session: Session, room: str) -> str:
    """Return what ``room`` is called now; it is the only one we are in."""
    return room if room in session.rooms else next((name for name in session.rooms if name != native.INBOX), room)


async def _watch(chat: Chat, limit: asyncio.Timeout, tally: Tally) -> None:
    """Count what is answered, say when things go wrong, and set ``limit`` while there is no connection."""

    def give_up(when: float | None) -> None:
        with contextlib.suppress(RuntimeError):  # all was said before
            limit.reschedule(when)

    loop = asyncio.get_running_loop()
    unstored: float | None = None  # since when the server cannot store
    told = False
    while batch := await chat.updates().batch():
        for update in batch:
            match update:
                case Sent(cmid=cmid):
                    tally.taken += 1
                    tally.numbers.pop(cmid, None)
                    if told:
                        tally.tell("the server stores messages again")
                    unstored, told = None, False
                case Failed(cmid=cmid, text=text, error=error):
                    tally.refused += 1
                    number = tally.numbers.pop(cmid, None)
                    tally.tell(
                        f"line {number}: {error.text}" if number else f"{text!r} of an earlier run: {error.text}"
                    )
                case Delayed(error=error) if error.code == "storage":
                    unstored = unstored or loop.time()
                    if not told and loop.time() - unstored >= STORAGE_S:
                        told = True
                        tally.tell("the server cannot store messages at the moment; trying again")
                case Offline(final=False, retry=0):
                    pass  # a worker is being renewed, and we are back in half a second
                case Offline(final=False, reason=reason) if limit.when() is None:
                    tally.tell(f"{reason}; trying again")
                    give_up(loop.time() + GIVE_UP_S)
                case Online():
                    give_up(None)
                case Identified(account=None, text=text) if text:
                    tally.tell(text)
        tally.show()
    give_up(loop.time())  # nobody hears us any more
