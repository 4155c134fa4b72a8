"""The library against a scripted server on a real socket: connect, reconnect, acknowledge, ping."""

import asyncio
import random
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from client import Chat, ChatError, connect
from client.address import Address
from client.logins import Logins, Pass
from client.net import AT_ONCE_S, BACKOFF_S, backoff
from client.outbox import Outgoing
from client.session import Entered, Message, Offline, Online, Queued, Said, Sent, Session, Update
from protocol import accounts, native
from tests.client.fake import FakeServer, fake_server


def quick(server: FakeServer, *rooms: str, nick: str = "ann") -> Chat:
    """Return a chat that reconnects at once and is patient."""
    session = Session(nick, rooms or ("#tea",))
    return Chat(Address("127.0.0.1", server.port), session, patient=True, uniform=lambda low, high: low)


async def next_of(chat: Chat, kind: type[Update]) -> Update:
    async for update in chat.updates():
        if isinstance(update, kind):
            return update
    raise AssertionError("the chat ended")


async def test_a_message_is_acknowledged_with_its_place() -> None:
    async with fake_server() as server, connect("127.0.0.1", server.port, nick="bot", rooms=["#tea"]) as chat:
        assert chat.nick == "bot"
        sent = await chat.send("#tea", "hi")
        assert (sent.room, sent.seq, sent.time) == ("#tea", 1, 1_700_000_000_000)
        assert [m.text for m in server.logs["#tea"]] == ["hi"]


async def test_leaving_the_block_says_goodbye() -> None:
    async with fake_server() as server:
        async with connect(f"127.0.0.1:{server.port}", rooms=[]):
            pass
        assert type(server.seen[-1]) is native.Quit


async def test_messages_of_others_come_in_order_and_ours_only_when_asked_for() -> None:
    async with fake_server() as server, connect("127.0.0.1", server.port, nick="bot", rooms=["#tea"]) as chat:
        await chat.send("#tea", "mine")
        server.post("#tea", "bob", "one")
        server.post("#tea", "bob", "two")
        stream = chat.messages()
        assert [(await anext(stream)).text for _ in range(2)] == ["one", "two"]


async def test_what_was_said_before_comes_only_when_asked_for() -> None:
    async with fake_server() as server:
        server.post("#tea", "bob", "old")
        chat = quick(server)
        stream = chat.messages(history=True)
        async with chat:
            assert (await anext(stream)).text == "old"


async def test_a_refusal_is_an_exception_with_a_code() -> None:
    async with fake_server() as server, connect("127.0.0.1", server.port, rooms=["#tea"]) as chat:
        with pytest.raises(ChatError, match="At most 4,000") as caught:
            await chat.send("#tea", "forbidden")
        assert caught.value.code == "too-long"


async def test_requests_are_answered() -> None:
    async with fake_server() as server, connect("127.0.0.1", server.port, nick="bot", rooms=[]) as chat:
        assert (await chat.join("#tea")).room == "#tea"
        answer = await chat.request(native.Who())
        assert isinstance(answer, native.People)
        assert [p.nick for p in answer.people] == ["bot"]
        await chat.leave("#tea")
        with pytest.raises(ChatError, match="not know"):
            await chat.request(native.Rooms())


async def test_missed_messages_come_after_a_reconnect_each_once() -> None:
    async with fake_server() as server:
        chat = quick(server)
        stream = chat.messages()
        async with chat:
            await next_of(chat, Entered)
            server.post("#tea", "bob", "one")
            assert (await anext(stream)).text == "one"
            server.cut()
            server.post("#tea", "bob", "two", live=False)
            await next_of(chat, Online)
            server.post("#tea", "bob", "three")
            assert [(await anext(stream)).text for _ in range(2)] == ["two", "three"]


async def test_a_message_whose_acknowledgement_was_lost_is_said_once() -> None:
    async with fake_server() as server, quick(server) as chat:
        await next_of(chat, Entered)
        server.lose_acks = 1
        sent = await chat.send("#tea", "once")
        assert sent.seq == 1
        assert [m.text for m in server.logs["#tea"]] == ["once"]
        assert server.connections == 2
        told = await next_of(chat, Message)
        assert isinstance(told, Message)
        assert told.cmid == sent.cmid


async def test_what_is_said_offline_goes_out_when_the_server_comes_back() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = FakeServer()
    server.port = port
    async with quick(server) as chat:
        chat.session.say("#tea", "later")
        chat.flush()
        assert isinstance(await next_of(chat, Queued), Queued)
        assert isinstance(await next_of(chat, Offline), Offline)
        async with fake_server(port, server):
            assert isinstance(await next_of(chat, Sent), Sent)
            assert [m.text for m in server.logs["#tea"]] == ["later"]
            await chat.close()


async def test_a_flooded_message_is_sent_again_after_the_wait() -> None:
    async with fake_server() as server, connect("127.0.0.1", server.port, rooms=["#tea"]) as chat:
        server.floods = 5
        await asyncio.gather(*(chat.send("#tea", str(n)) for n in range(5)))
        assert [m.text for m in server.logs["#tea"]] == ["0", "1", "2", "3", "4"]


async def test_a_silent_server_is_left_and_tried_again() -> None:
    async with fake_server() as server:
        chat = quick(server)
        chat._ping_s = 0.02
        async with chat:
            await next_of(chat, Entered)
            server.mute = True
            offline = await next_of(chat, Offline)
            server.mute = False
            assert isinstance(offline, Offline)
            assert offline.reason == "the server no longer answers"
            await next_of(chat, Online)


async def test_a_taken_nick_is_an_exception_with_a_free_one() -> None:
    async with fake_server() as server:
        server.taken.add("bot")
        with pytest.raises(ChatError, match="bot is taken") as caught:
            async with connect("127.0.0.1", server.port, nick="bot"):
                pass
        assert (caught.value.code, caught.value.free) == ("nick-taken", "bot2")


async def test_a_clock_that_went_back_keeps_nobody_out() -> None:
    async with fake_server() as server:
        server.newest = (time.time_ns() // 1_000_000) + 86_400_000  # of a run before this one, not yet given up
        async with connect("127.0.0.1", server.port, nick="bot", rooms=["#tea"]) as chat:
            assert (await chat.send("#tea", "hi")).seq == 1


async def test_any_nick_takes_the_free_one() -> None:
    async with fake_server() as server:
        server.taken.add("bot")
        async with connect("127.0.0.1", server.port, nick="bot", rooms=["#tea"], any_nick=True) as chat:
            assert chat.nick == "bot2"


async def test_no_server_is_an_exception_that_names_the_address() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ChatError, match=f"cannot connect to 127.0.0.1:{port}") as caught:
        async with connect("127.0.0.1", port):
            pass
    assert caught.value.code == "offline"


async def test_a_closed_chat_sends_nothing() -> None:
    async with fake_server() as server:
        async with connect("127.0.0.1", server.port, rooms=["#tea"]) as chat:
            pass
        with pytest.raises(ChatError, match="Not connected"):
            await chat.send("#tea", "hi")


def test_delays_grow_to_thirty_seconds_and_are_fully_jittered() -> None:
    assert [backoff(n, lambda low, high: high) for n in range(10)] == [0.5, 1, 1, 1, 2, 4, 8, 16, 30, 30]
    assert backoff(100, lambda low, high: high) == 30
    assert backoff(5, lambda low, high: low) == 0
    assert 0 <= backoff(3, random.Random(1).uniform) <= 4


async def test_a_slow_reader_is_not_buried_and_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.net.BACKLOG", 10)
    async with fake_server() as server, connect("127.0.0.1", server.port, rooms=["#tea"]) as chat:
        stream = chat.messages()
        for n in range(3000):
            server.post("#tea", "bob", f"{n} " + "x" * 1000)
        first = await anext(stream)
        assert first.text.startswith("0 ")
        assert len(stream) < 500
        await chat.send("#tea", "still alive")  # reads on, for an answer is awaited
        assert [int((await anext(stream)).text.split()[0]) for _ in range(2999)] == list(range(1, 3000))


# --- kept on disk


class Notebook:
    """A keeper that notes what it is told, and what had been written then."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.kept: dict[str, Outgoing] = {}
        self.batches: list[int] = []
        self.nick = ""
        self.problem = ""

    def record(self, new: Sequence[Outgoing], done: Sequence[str], outbox: Mapping[str, Outgoing]) -> str:
        seen = {request.cmid for request in self.server.seen if isinstance(request, native.Send)}
        assert not seen & {request.cmid for request in new}
        self.batches += [len(new)] if new else []
        self.kept.update({request.cmid: request for request in new})
        for cmid in done:
            del self.kept[cmid]
        assert self.kept == outbox
        return self.problem

    def named(self, nick: str) -> None:
        self.nick = nick


async def test_what_is_said_is_kept_before_it_is_written_and_let_go_when_it_is_answered() -> None:
    async with fake_server() as server:
        server.taken.add("ann")
        keeper = Notebook(server)
        session = Session("ann", ["#tea"], any_nick=True)
        async with Chat(Address("127.0.0.1", server.port), session, keeper=keeper) as chat:
            await asyncio.gather(*(chat.send("#tea", str(n)) for n in range(40)))
            with pytest.raises(ChatError):
                await chat.send("#tea", "forbidden")
            await chat.fun("#tea", "/roll 1d1")
            assert keeper.nick == "ann2"
        assert keeper.batches == [40, 1, 1]  # what is said in one turn of the loop is one batch
        assert keeper.kept == {}


async def test_what_was_kept_earlier_is_said_once_and_not_kept_again() -> None:
    async with fake_server() as server:
        keeper = Notebook(server)
        left = native.Send(cmid="left", to="#milk", text="hi")
        keeper.kept["left"] = left
        session = Session("ann", ["#tea"], pending=[left])
        async with Chat(Address("127.0.0.1", server.port), session, keeper=keeper) as chat:
            await chat.drained()
            assert [m.text for m in server.logs["#milk"]] == ["hi"]
        assert (keeper.kept, keeper.batches) == ({}, [])


async def test_a_keeper_s_problem_is_told_and_the_message_is_said() -> None:
    async with fake_server() as server:
        keeper = Notebook(server)
        keeper.problem = "the disk is full"
        async with Chat(Address("127.0.0.1", server.port), Session("ann", ["#tea"]), keeper=keeper) as chat:
            await chat.send("#tea", "hi")
            assert await next_of(chat, Said) == Said("the disk is full")
        assert [m.text for m in server.logs["#tea"]] == ["hi"]


async def test_a_server_that_says_come_back_at_once_is_come_back_to_at_once() -> None:
    async with fake_server() as server:
        asked: list[float] = []

        def uniform(low: float, high: float) -> float:
            asked.append(high)
            return low

        session = Session("ann", ["#tea"])
        async with Chat(Address("127.0.0.1", server.port), session, uniform=uniform) as chat:
            for writer in server.conns:
                writer.write(native.encode(native.Bye(reason="moving over", retry=0.0)))
            await next_of(chat, Offline)
            await next_of(chat, Online)
            server.cut()
            await next_of(chat, Offline)
            await next_of(chat, Online)
        assert asked == [AT_ONCE_S, BACKOFF_S[0]]


async def test_drained_ends_with_the_chat() -> None:
    async with fake_server() as server:
        chat = quick(server)
        async with chat:
            await next_of(chat, Entered)
            server.mute = True
            chat.session.say("#tea", "hi")
            chat.flush()
            await server.until("Send")
            for writer in server.conns:
                writer.write(native.encode(native.Error(code="replaced", text="You are elsewhere.")))
            with pytest.raises(ChatError, match="You are elsewhere"):
                await chat.drained()


async def test_a_hello_without_an_answer_is_said_again_on_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.net.HELLO_S", 0.05)
    async with fake_server() as server:
        server.mute = True
        async with quick(server) as chat:
            offline = await next_of(chat, Offline)
            server.mute = False
            assert offline == Offline("the server no longer answers")
            await next_of(chat, Online)
        first, *_, last = [request.attempt for request in server.seen if isinstance(request, native.Hello)]
        assert first is not None
        assert last is not None
        assert first < last


def test_a_chat_lives_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop", reason="there is no uvloop for this platform")

    async def talk() -> str:
        async with fake_server() as server, connect("localhost", server.port, rooms=["#tea"]) as chat:
            return (await chat.send("#tea", "hi")).room

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(talk()) == "#tea"


async def test_a_key_that_the_server_refused_is_not_used_later(tmp_path: Path) -> None:
    logins = Logins(tmp_path / "logins.json")
    async with fake_server() as server:
        session = Session("ann", [])
        async with Chat(Address("127.0.0.1", server.port), session, credentials=Pass(logins)) as chat:
            chat.credentials.offer(Path("/keys/bad"))
            with pytest.raises(ChatError, match="no such key"):
                await chat.request(accounts.Key(add="refused"))
            await chat.request(accounts.Key())
            assert logins.newest() is None
            chat.credentials.offer(Path("/keys/good"))
            await chat.request(accounts.Key(add="ssh-ed25519 AAAA"))
            login = logins.newest()
            assert login is not None
            assert (login.account, login.key) == ("ann", "/keys/good")


async def test_a_bot_with_a_wrong_password_is_no_guest_instead() -> None:
    async with fake_server() as server:
        with pytest.raises(ChatError, match="the password is wrong") as caught:
            async with connect("127.0.0.1", server.port, nick="ann", rooms=["#tea"], password="wrong"):
                pass
        assert caught.value.code == "login-failed"
        assert not any(isinstance(request, native.Hello) for request in server.seen)
