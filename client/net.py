"""Carry a `Session` over TCP with asyncio: connect, reconnect, ping; and the library for bots, `connect`.

async with connect("example.org", nick="bot", rooms=["#lobby"]) as chat:
    async for msg in chat.messages():
        await chat.send(msg.room if msg.to is None else f"@{msg.nick}", msg.text)
"""

import asyncio
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from client import trust
from client.address import Address, parse_address
from client.dial import dial, pin_shown
from client.feed import Feed
from client.identity import Proof
from client.logins import Logins, Pass
from client.session import (
    Answer,
    Entered,
    Failed,
    Identified,
    Message,
    Offline,
    Online,
    Outgoing,
    Queued,
    Said,
    Sent,
    Session,
    Update,
)
from client.trust import Known, Untrusted
from protocol import accounts, native

PING_S: Final = 20.0  # between pings; a connection silent for that long after one is dead
CONNECT_S: Final = 10.0  # to open a connection
HELLO_S: Final = 10.0  # from then on, for the server to let us in
GOODBYE_S: Final = 2.0  # for the server's answer to `quit`
BACKOFF_S: Final = 0.5, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0
"""The longest delays before the first attempt, the second …; all later ones have the last. A server that replaces a
process is there again within a second or two: attempts in that time must not push the next one far away."""
AT_ONCE_S: Final = 0.05  # the longest delay when the server says that we can come back at once
READ_S: Final = 3.0  # how far one has read is told at most so often
BACKLOG: Final = 10_000  # unread updates or messages above which the socket is not read, unless an answer is awaited
_READ_BYTES: Final = 64 * 1024
_FAILED: Final = re.compile(r"\[Errno (\d+)\] Connect call failed")


class ChatError(Exception):
    """The server refused, or cannot be reached. `code` is one of docs/protocol.md, or "offline"."""

    def __init__(self, code: str, text: str, free: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.free = free  # with nick-taken: a nick that is free


def backoff(attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Return the seconds to wait before attempt ``attempt`` (0, 1 …): full jitter below what `BACKOFF_S` says."""
    return uniform(0.0, BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])


class Keeper(Protocol):
    """Keeps the outbox where it survives this program; see `client.journal`."""

    def record(self, new: Sequence[Outgoing], done: Sequence[str], outbox: Mapping[str, Outgoing]) -> str:
        """Keep ``new`` before they are sent, forget ``done`` (cmids); return what people should know, or nothing."""

    def named(self, nick: str) -> None:
        """Remember what the server calls us."""


def connect(
    address: str,
    port: int | None = None,
    *,
    nick: str = "bot",
    rooms: Iterable[str] = ("#lobby",),
    any_nick: bool = False,
    token: str | None = None,
    password: str | None = None,
    color: str | None = None,
    client: str = "",
) -> "Chat":
    """Return a `Chat` for `async with`, which enters ``rooms`` of the server at ``address`` ("host" or "host:port").

    ``any_nick``: when ``nick`` is taken, be the free one that the server offers.
    ``password``: of the account that ``nick`` belongs to.
    Raises ValueError for a bad address. Entering raises `ChatError` when the server cannot be reached or refuses; later
    losses are repaired silently.
    """
    session = Session(nick, rooms, token=token, color=color, client=client, any_nick=any_nick)
    credentials = Pass(Logins(None))
    if password is not None:
        credentials.use(Proof(nick, password=password))
    return Chat(parse_address(address, port), session, credentials=credentials)


class Chat:
    """A session that lives on a server. One event loop; everything is safe to call while disconnected."""

    def __init__(
        self,
        address: Address,
        session: Session,
        *,
        patient: bool = False,
        keeper: Keeper | None = None,
        known: Known | None = None,
        credentials: Pass | None = None,  # default: one comes as a guest; logins last as long as this chat
        ping_s: float = PING_S,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.address = address
        self.session = session
        self._keeper = keeper
        self._servers = known or trust.default()
        self.credentials = credentials or Pass(Logins(None))
        self._identity = ""  # of the server, as of the last connection
        self._reading: asyncio.TimerHandle | None = None  # tells what was read
        self._said = ""  # of the last connection
        self._flushing = False  # at the end of this turn of the loop
        self._patient = patient  # keep trying also when the first attempt fails, and do not wait for it
        self._ping_s = ping_s
        self._uniform = uniform
        self._updates: Feed[Update] = Feed(self._wake_reader)
        self._messages: Feed[native.Msg] = Feed(self._wake_reader)
        self._own = False
        self._history = False
        self._known: set[str] = set()  # rooms entered before
        self._answers: dict[int | str, asyncio.Future[Answer | Sent]] = {}  # by request id or cmid
        self._pings: set[int] = set()
        self._room_to_read = asyncio.Event()
        self._change = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._heard = 0  # reads that had something
        self._paused = False  # not reading: too much is unread
        self._silent = False  # dropped, for nothing came
        self._attempt = 0
        self._offline: Offline | None = None  # the last one; None while online
        self._retry: asyncio.TimerHandle | None = None
        self._ready: asyncio.Future[None] | None = None
        self._gone = ChatError("offline", "the chat is closed")  # why nothing more comes, when nothing does
        self._task: asyncio.Task[None] | None = None

    # --- what an application calls

    @property
    def nick(self) -> str:
        return self.session.nick

    async def send(self, to: str, text: str, *, kind: str = "text", reply: int | None = None) -> Sent:
        """Say something in ``to`` (`#room` or `@nick`); return when it is on the server's disk.

        While disconnected it waits for the connection; it is said once. Raises `ChatError` when it is refused.
        """
        return await self._acknowledged(self.session.say(to, text, kind=kind, reply=reply))

    async def submit(self, request: Outgoing) -> Sent | native.Event:
        """Like `send`, for any request with a cmid. A fun command's private result comes back as `Shown`."""
        done = await self._answered(self.session.submit(request))
        return done.event if isinstance(done, Answer) else done

    async def fun(self, to: str, line: str) -> Sent | native.Event:
        """Run a fun command, such as "/roll 2d6", in ``to``. Returns and raises like `submit`."""
        return await self.submit(native.Fun(cmid=self.session.new_cmid(), to=to, line=line))

    async def request(self, request: native.Request) -> native.Event:
        """Ask for anything else; return the answer. Raises `ChatError`, with code "offline" while disconnected."""
        done = await self._answered(self.session.request(request))
        assert isinstance(done, Answer)
        return done.event

    async def join(self, room: str) -> native.Room:
        """Enter ``room``, also after each reconnect from now on. Raises `ChatError`."""
        event = await self.request(native.Join(room=room))
        assert isinstance(event, native.Room)
        return event

    async def leave(self, room: str, reason: str = "") -> None:
        """Leave ``room``. Raises `ChatError`."""
        await self.request(native.Leave(room=room, reason=reason))

    def messages(self, *, own: bool = False, history: bool = False) -> Feed[native.Msg]:
        """Return the messages of all rooms and the inbox for `async for`: each once, in order, none missing.

        What was said before we came in only with ``history``; our own only with ``own``. What the server no longer has
        when we come back after a long absence is left out; `updates` says so (`Lost`, and ``gaps`` of `Entered`). It
        ends when the chat is closed and raises `ChatError` when the server wants us no more. All callers share one
        stream.
        """
        self._own, self._history = own, history
        return self._messages.claim()

    def updates(self) -> Feed[Update]:
        """Return everything that happens, for user interfaces. All callers share one stream."""
        return self._updates.claim()

    async def changed(self) -> None:
        """Return when something was sent or received."""
        self._change.clear()
        await self._change.wait()

    async def drained(self, below: int = 1) -> None:
        """Return when fewer than ``below`` messages of ours are unacknowledged. Raises `ChatError` at the end."""
        while len(self.session.outbox) >= below:
            self.check()
            await self.changed()

    def check(self) -> None:
        """Raises `ChatError` when nothing more comes of this chat."""
        if self._task is None or self._task.done():
            raise self._gone

    async def settled(self) -> None:
        """Return when the outbox is empty and everything asked before is answered. Raises `ChatError` at the end."""
        while True:
            while self.session.outbox or not self.session.online:
                self.check()
                await self.changed()
            try:
                number = self.session.request(native.Ping())
                self._pings.add(number)
                await self._answered(number)
                return
            except ChatError as error:
                if error.code != "offline" or self._task is None or self._task.done():
                    raise

    def flush(self) -> None:
        """Keep, write and report what calling `session` directly has caused."""
        self._change.set()
        updates = self.session.updates()
        if self._keeper is not None and (said := self._keep(self._keeper, updates)):
            updates.append(Said(said))
        data = self.session.outgoing()
        if data and self._writer is not None and not self._writer.is_closing():  # else asyncio complains on the screen
            self._writer.write(data)
        for update in updates:
            self._dispatch(update)
        if self.session.retry_after is not None and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(self.session.retry_after, self._retry_now)
        if self.session.has_read and self._reading is None:
            self._reading = asyncio.get_running_loop().call_later(READ_S, self._tell_read)

    def flush_soon(self) -> None:
        """Flush at the end of this turn of the loop: all that is said in it is kept and written at once."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = False
        self.flush()

    def _keep(self, keeper: Keeper, updates: list[Update]) -> str:
        """Have ``keeper`` follow the outbox before anything of it is written."""
        new: list[Outgoing] = []
        done: list[str] = []
        outbox = self.session.outbox
        for update in updates:
            match update:
                case Queued(cmid=cmid) if cmid in outbox and cmid not in self.session.restored:
                    new.append(outbox[cmid])
                case Sent(cmid=cmid) | Failed(cmid=cmid):
                    done.append(cmid)
                case Answer(request=native.Send() | native.Fun() | native.Topic() as request):
                    done.append(request.cmid)
                case Online(welcome=welcome):
                    keeper.named(welcome.nick)
        return keeper.record(new, done, outbox) if new or done else ""

    async def __aenter__(self) -> Self:
        self._ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(), name=f"chat with {self.address}")
        if not self._patient:
            try:
                await asyncio.shield(self._ready)
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, reason: str = "") -> None:
        """Say goodbye and end everything. What is not acknowledged by now may or may not have been said."""
        task, self._task = self._task, None
        if task is None:
            return
        if self.session.online:
            self.session.tell_read()
            self.session.request(native.Quit(reason=reason))
            self.flush()
            await asyncio.wait([task], timeout=GOODBYE_S)
        task.cancel()
        (failure,) = await asyncio.gather(task, return_exceptions=True)
        self._end(None)
        if isinstance(failure, Exception):
            raise failure  # a mistake of ours, not of the network

    # --- answers

    async def _acknowledged(self, cmid: str) -> Sent:
        done = await self._answered(cmid)
        assert isinstance(done, Sent)
        return done

    async def _answered(self, key: int | str) -> Answer | Sent:
        future: asyncio.Future[Answer | Sent] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            last = self._offline.reason if self._offline is not None else "the chat is closed"
            raise ChatError("offline", f"Not connected: {last}")
        self._answers[key] = future
        self._wake_reader()
        self.flush_soon()
        try:
            return await future
        finally:
            self._answers.pop(key, None)

    def _settle(self, key: int | str, result: Answer | Sent | None, error: native.Error | None) -> None:
        future = self._answers.get(key)
        if future is None or future.done():
            return
        if error is not None:
            future.set_exception(ChatError(error.code, error.text, error.free))
        elif result is not None:
            future.set_result(result)

    def _dispatch(self, update: Update) -> None:
        match update:
            case Answer(id=number, event=event) if number in self._pings:
                self._pings.discard(number)
                self._settle(number, update, event if isinstance(event, native.Error) else None)
                return
            case Answer(request=native.Join(), event=native.Error() as error) if update.id not in self._answers:
                if self._ready is not None and not self._ready.done():
                    self._ready.set_exception(ChatError(error.code, error.text))
            case Answer(id=number, request=request, event=event):
                if isinstance(request, accounts.Key) and request.add is not None:
                    account = event.account if isinstance(event, accounts.AccountInfo) else None
                    self.credentials.keyed(self._identity, account)
                key = getattr(request, "cmid", number)
                self._settle(key, update, event if isinstance(event, native.Error) else None)
            case Sent(cmid=cmid):
                self._settle(cmid, update, None)
            case Failed(cmid=cmid, error=error):
                self._settle(cmid, None, error)
            case Message(msg=msg, cmid=cmid):
                self._hear(msg, cmid is not None)
            case Entered(room=room, messages=messages, reset=reset):
                if self._history or (room in self._known and not reset):
                    for msg in messages:
                        self._hear(msg, False)
                self._known.add(room)
            case Identified():
                self._note_identity(update)
            case Online():
                self._attempt = 0
                self._offline = None
            case Offline():
                self._offline = update
                self._retry_off()
        self._updates.put(update)
        self._note_ready()

    def _note_identity(self, update: Identified) -> None:
        """Keep what proves the account from now on, or let go of what does not any more."""
        if update.account is None:
            self.credentials.lost(self._identity, update.spent)
        elif problem := self.credentials.won(self._identity, update.account, update.token):
            self._updates.put(Said(problem))

    def _hear(self, msg: native.Msg, ours: bool) -> None:
        if self._own or not (ours or msg.nick == self.session.nick):
            self._messages.put(msg)

    def _note_ready(self) -> None:
        waited_for = self._ready is not None and not self._ready.done()
        if waited_for and self.session.online and all(view.here for view in self.session.rooms.values()):
            assert self._ready is not None
            self._ready.set_result(None)

    # --- the connection

    async def _live(self) -> None:
        """Connect again and again until somebody wants it no more."""
        try:
            while True:
                await self._once()
                offline = self._offline
                if offline is None or offline.final:
                    break
                late = (
                    offline.error is not None and offline.error.code == "replaced"
                )  # the next hello has a greater number
                if self._ready is not None and not self._ready.done() and not self._patient and not late:
                    break
                await asyncio.sleep(self._delay(offline.retry))
        finally:
            self._end(self._why_offline())

    def _why_offline(self) -> ChatError | None:
        if self._offline is None:
            return None
        error = self._offline.error
        if error is None:
            return ChatError("offline", self._offline.reason)
        return ChatError(error.code, self._offline.reason, error.free)

    def _delay(self, retry: float | None) -> float:
        """Return the seconds to wait before the next attempt, when the server said ``retry`` (None: nothing)."""
        if retry == 0 and self._attempt == 0:
            self._attempt = 1
            return self._uniform(0.0, AT_ONCE_S)
        delay = backoff(self._attempt, self._uniform)
        self._attempt += 1
        return delay + max(retry or 0.0, 0.0)

    async def _once(self) -> None:
        """Make one connection and carry it to its end."""
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer, said = await dial(self.address, self._servers)
        except Untrusted as error:
            self.session.distrusted(str(error))
            self.flush()
            return
        except (OSError, TimeoutError) as error:
            self.session.disconnected(f"cannot connect to {self.address}: {_why(error)}")
            self.flush()
            return
        if said and said != self._said:
            self._dispatch(Said(said))
        self._writer, self._said = writer, said
        self._silent = self._paused = False
        self._identity = self._servers.identity(self.address)
        # A token that is told to whoever listens is nobody's secret any more; the server would not take it either.
        encrypted = writer.get_extra_info("ssl_object") is not None
        self.session.secure = encrypted or self._servers.is_loopback(self.address)
        self.session.pin = pin_shown(writer)
        self.session.proof = self.credentials.proof(self._identity) if self.session.secure else None
        pinger = asyncio.create_task(self._ping(writer))
        hello = asyncio.get_running_loop().call_later(HELLO_S, self._check_hello, writer)
        try:
            self.session.connected(time.time_ns() // 1_000_000)
            self.flush()
            self.session.disconnected(await self._read(reader))
        finally:
            pinger.cancel()
            hello.cancel()
            self._writer = None
            writer.close()
            await asyncio.gather(pinger, writer.wait_closed(), return_exceptions=True)
        self.flush()

    async def _read(self, reader: asyncio.StreamReader) -> str:
        """Feed the session until the connection ends; return why it did."""
        while not self.session.hang_up:
            try:
                data = await reader.read(_READ_BYTES)
            except OSError as error:
                return _why(error)
            if not data and self._silent:
                return "the server no longer answers"
            if not data:
                self.session.feed_eof()
                return "the server closed the connection"
            self._heard += 1
            self.session.feed(data)
            self.flush()
            while not self._answers and any(f.claimed and len(f) > BACKLOG for f in (self._updates, self._messages)):
                self._room_to_read.clear()
                self._paused = True
                await self._room_to_read.wait()
                self._paused = False
        return "done"

    def _wake_reader(self) -> None:
        self._room_to_read.set()

    def _check_hello(self, writer: asyncio.StreamWriter) -> None:
        """Drop the connection when the server has not let us in by now: the hello, or its answer, is lost."""
        if not self.session.online:
            self._silent = True
            writer.transport.abort()

    async def _ping(self, writer: asyncio.StreamWriter) -> None:
        """Drop the connection when nothing came since the last ping; ping."""
        heard = -1
        while True:
            await asyncio.sleep(self._ping_s)
            if self._heard == heard and not self._paused:
                self._silent = True
                writer.transport.abort()
                return
            heard = self._heard
            if self.session.online:
                self._pings.add(self.session.request(native.Ping()))
                self.flush()

    def _tell_read(self) -> None:
        self._reading = None
        self.session.tell_read()
        self.flush()

    def _retry_now(self) -> None:
        self._retry = None
        self.session.retry()
        self.flush()

    def _retry_off(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _end(self, error: ChatError | None) -> None:
        """Tell everybody who waits that nothing more comes."""
        self._retry_off()
        if self._reading is not None:
            self._reading.cancel()
        gone = self._gone = error or self._gone
        for future in self._answers.values():
            if not future.done():
                future.set_exception(gone)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(gone)
        if self._ready is not None and not self._ready.cancelled():
            self._ready.exception()  # looked at, or nobody waits
        self._change.set()
        self._updates.close()
        self._messages.close(error)


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer"
    if failed := _FAILED.search(str(error)):  # asyncio's own words repeat the address, for every one it tried
        return os.strerror(int(failed[1]))
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
