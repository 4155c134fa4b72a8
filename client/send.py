"""`moot send`: every line of standard input becomes a message, and the exit status says whether all were taken.

| exit status | meaning |
|---|---|
| 0 | every line is acknowledged: it is on the server's disk |
| 1 | the server refused the room, or some lines; each is named on standard error, the others were said |
| 2 | the address makes no sense |
| 3 | no server there, it sent us away, or it was gone for longer than `GIVE_UP_S` |
| 130 | Ctrl+C |

Blank lines are skipped. A line that begins with a slash is said as it is.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from client.console import EXIT_INTERRUPTED, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, complain, exit_status, input_lines
from client.net import Chat, ChatError, connect
from client.nick import login_nick
from client.session import Offline, Online

MAX_UNDER_WAY: Final = 64  # lines read but not yet acknowledged
GIVE_UP_S: Final = 120.0  # without a connection


@dataclass(slots=True)
class Tally:
    """What became of the lines."""

    read: int = 0
    taken: int = 0
    refused: int = 0
    progress: bool = False  # show it on standard error

    def show(self, end: str = "") -> None:
        if self.progress:
            print(f"\r{self.taken} of {self.read} lines taken", end=end, file=sys.stderr, flush=True)


def run_send(host: str, room: str, nick: str | None) -> int:
    """Say the lines of standard input in ``room`` of the server at ``host`` ("host" or "host:port").

    Without ``nick`` the login name is used; when the nick is taken, a free one near it. Returns the exit status.
    """
    tally = Tally(progress=sys.stderr.isatty() and not sys.stdin.isatty())
    try:
        asyncio.run(send(host, room, nick or login_nick(), input_lines(sys.stdin.fileno()), tally))
    except ValueError as error:
        complain(str(error))
        return EXIT_USAGE
    except ChatError as error:
        tally.show(end="\n")
        missing = tally.read - tally.taken - tally.refused
        complain(str(error) + (f" ({missing} of {tally.read} lines not acknowledged)" if missing else ""))
        return exit_status(error.code)
    except KeyboardInterrupt:
        tally.show(end="\n")
        return EXIT_INTERRUPTED
    tally.show(end="\n")
    return EXIT_REFUSED if tally.refused else EXIT_OK


async def send(host: str, room: str, nick: str, lines: AsyncIterator[str], tally: Tally) -> None:
    """Say ``lines`` in ``room``, in order; return when all are answered, counted in ``tally``.

    Raises `ChatError` when there is no server, or it is gone for good; ValueError for a bad address.
    """
    async with connect(host, nick=nick, rooms=[room], any_nick=True, client="moot send") as chat:
        (entered,) = (name for name in chat.session.rooms if name != "@")
        try:
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                watch = group.create_task(_watch(chat, limit))
                await _say_all(chat, entered, lines, tally)
                watch.cancel()
        except TimeoutError:
            raise ChatError("offline", f"no connection for {GIVE_UP_S:.0f} s") from None
        except BaseExceptionGroup as errors:
            raise _first(errors) from None


async def _say_all(chat: Chat, room: str, lines: AsyncIterator[str], tally: Tally) -> None:
    slots = asyncio.Semaphore(MAX_UNDER_WAY)

    async def say(number: int, text: str) -> None:
        try:
            await chat.send(room, text)
            tally.taken += 1
        except ChatError as error:
            if error.code == "offline":
                raise
            tally.refused += 1
            complain(f"line {number}: {error}")
        finally:
            slots.release()
        tally.show()

    number = 0
    async with asyncio.TaskGroup() as group:
        async for line in lines:
            number += 1
            if line.strip():
                await slots.acquire()
                tally.read += 1
                group.create_task(say(number, line))


async def _watch(chat: Chat, limit: asyncio.Timeout) -> None:
    """Say when the connection is lost, and set ``limit`` while it is."""
    async for update in chat.updates():
        if isinstance(update, Offline) and limit.when() is None and not update.final:
            complain(f"{update.reason}; trying again")
            limit.reschedule(asyncio.get_running_loop().time() + GIVE_UP_S)
        elif isinstance(update, Online):
            limit.reschedule(None)


def _first(errors: BaseException) -> BaseException:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
