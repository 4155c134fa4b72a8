"""The log, the broker and client sessions against a model that is a list for each room, whatever dies in between."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broker.log import inbox_name
from broker.seating import uid_of
from chaos.courier import SAID, Client
from chaos.ledger import stored
from chaos.stage import Fault, Stage
from client.session import Session
from client.updates import Entered, Lost, Message, Sent, Update
from protocol import native
from protocol.ipc import Do
from protocol.native import Send
from tests.broker import invariants

NAMES: Final = ("ann", "bob", "cyd")
ROOMS: Final = ("#tea", "#cake")
WHO = st.sampled_from(NAMES)
ROOM = st.sampled_from(ROOMS)
DEATH = st.sampled_from(["kill", "power"])
TEXT = st.sampled_from(["", "grüße 🐄", "x" * 3000])


@dataclass(frozen=True)
class Said:
    """One message. Its text begins with its cmid."""

    sender: str
    cmid: str
    kind: str
    text: str
    about: int = 0  # seq of the message that it takes back


class Model:
    """What was stored, in order. Rooms have the log's names."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[Said]] = {}  # removed ones too
        self.pruned: dict[str, int] = {}  # newest seq removed
        self._where: dict[str, tuple[str, int]] = {}  # cmid -> room and seq of the sender's copy

    def store(self, said: Said, rooms: list[str]) -> None:
        for room in rooms:
            self.rooms.setdefault(room, []).append(said)
        self._where[said.cmid] = rooms[0], len(self.rooms[rooms[0]])

    def where(self, cmid: str) -> tuple[str, int] | None:
        """Return room and seq; None for what is not there (any more): said again, it is stored again."""
        found = self._where.get(cmid)
        return None if found is None or found[1] <= self.pruned.get(found[0], 0) else found

    def kept(self, room: str) -> list[Said]:
        return self.rooms.get(room, [])[self.pruned.get(room, 0) :]

    def taken_back(self, room: str) -> set[int]:
        return {said.about for said in self.rooms.get(room, []) if said.about}


def _sent_as(kind: str) -> Literal["text", "me"]:
    return "me" if kind == "me" else "text"


def inbox(name: str) -> str:
    return inbox_name(uid_of(f"the token of {name}"))


class TheModel(RuleBasedStateMachine):
    """Rules only start things; `round` lets them happen."""

    @initialize(seed=st.integers(0, 1 << 32))
    def begin(self, seed: int) -> None:
        memory = Path("/dev/shm")
        self.directory = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.stage = Stage(self.directory, list(NAMES), list(ROOMS), Random(seed)).__enter__()
        self.model = Model()
        self.requests: dict[str, tuple[Said, list[str]]] = {}  # by cmid: what was ever asked, and where it goes
        self.seen: dict[tuple[str, str], int] = {}  # (client, room) -> newest seq seen
        self.count = 0
        self.renamed = 0
        self.stage.settle(self.look)

    # --- people

    @rule(who=WHO, room=ROOM, text=TEXT, kind=st.sampled_from(["text", "text", "me", "topic"]))
    def say(self, who: str, room: str, text: str, kind: str) -> None:
        said = self._new(who, kind, text[:300] if kind == "topic" else text, [room])  # longer topics no worker sends
        if kind == "topic":
            self._session(who).submit(native.Topic(cmid=said.cmid, room=room, text=said.text))
        else:
            self._session(who).submit(
                Send(cmid=said.cmid, to=room, text=said.text, kind="me" if kind == "me" else "text")
            )

    @rule(who=WHO, to=WHO, text=TEXT)
    def whisper(self, who: str, to: str, text: str) -> None:
        said = self._new(who, "text", text, [inbox(who)] if who == to else [inbox(who), inbox(to)])
        self._session(who).submit(Send(cmid=said.cmid, to=f"@{self._session(to).nick}", text=said.text))

    @rule(who=WHO, room=ROOM, pick=st.integers(0, 1000))
    def take_back(self, who: str, room: str, pick: int) -> None:
        """One of one's own messages, maybe once more."""
        client, pruned = self._client(who), self.model.pruned.get(room, 0)
        mine = [
            seq
            for seq, said in enumerate(self.model.kept(room), pruned + 1)
            if said.sender == who and said.kind in ("text", "me")
        ]
        if not mine or client.conn is None or not client.session.online:
            return
        seq = mine[pick % len(mine)]
        self.count += 1
        cmid = f"m{self.count}"
        self.requests[cmid] = Said(who, cmid, "redact", f"took back a message: {cmid}", seq), [room]
        self.stage.courier.ask(client.conn, native.Redact(cmid=cmid, room=room, seq=seq, reason=cmid))

    @rule(who=WHO)
    def rename(self, who: str) -> None:
        self.renamed += 1
        self._session(who).request(native.Nick(nick=f"{who}{self.renamed}"))

    @rule(who=WHO, pick=st.integers(0, 1000), same=st.booleans())
    def duplicate(self, who: str, pick: int, same: bool) -> None:
        """A retry of something stored long ago; or, under its cmid, something else."""
        mine = [(said, rooms) for said, rooms in self.requests.values() if said.sender == who and rooms[0][0] == "#"]
        mine = [(said, rooms) for said, rooms in mine if self.model.where(said.cmid)]
        client = self._client(who)
        if not mine or client.conn is None or not client.session.online:
            return
        said, (room,) = mine[pick % len(mine)]
        text = said.text if same else f"{said.text} changed"
        if said.kind == "redact":
            reason = said.cmid if same else "changed"
            self.stage.courier.ask(client.conn, native.Redact(cmid=said.cmid, room=room, seq=said.about, reason=reason))
        elif said.kind == "topic":
            self.stage.courier.ask(client.conn, native.Topic(cmid=said.cmid, room=room, text=text))
        else:
            self.stage.courier.ask(client.conn, Send(cmid=said.cmid, to=room, text=text, kind=_sent_as(said.kind)))

    @rule(who=WHO)
    def come_or_go(self, who: str) -> None:
        client = self._client(who)
        if client.conn is None:
            self.stage.connect(client)
        else:
            self.stage.courier.cut(client)

    @rule(who=WHO)
    def resume(self, who: str) -> None:
        """Come back, if gone, and page through everything missed."""
        self.stage.connect(self._client(who))
        for _ in range(6):
            self.round()

    # --- what may happen

    @rule()
    def round(self) -> None:
        for client in self.stage.clients.values():
            if client.session.retry_after is not None:
                client.session.retry()
        self.stage.round()
        self.look()

    @rule()
    def lose_acknowledgements(self) -> None:
        self.stage.round(deliver=False)
        self.look()

    @rule(kind=st.sampled_from(["kill", "worker", "power"]))
    def die(self, kind: Fault) -> None:
        self.stage.fault(kind)
        self.look()

    @rule(kind=DEATH, writes=st.integers(0, 12))
    def die_in_a_commit(self, kind: Fault, writes: int) -> None:
        self.stage.fault_after(writes, kind)
        self.round()

    @rule(what=st.sampled_from(["write", "sync"]))
    def fail(self, what: str) -> None:
        self.stage.disk.failing.add(what)
        self.stage.round()
        self.stage.disk.failing.clear()
        self.look(failed=True)

    @rule(room=ROOM, keep=st.integers(1, 6), limit=st.sampled_from([1, 250]))
    def prune(self, room: str, keep: int, limit: int) -> None:
        """Old messages are removed, but none whose sender does not know yet that it is stored."""
        log = self.stage.log
        unsure = {cmid for client in self.stage.clients.values() for cmid in client.session.outbox}
        if not log.last(room) or log.suspect is not None or unsure & {said.cmid for said in self.model.kept(room)}:
            return
        before, last = log.pruned(room), log.last(room)
        removed = max(0, min(last - keep - before, limit))
        went_well = self.stage.prune(room, keep, limit)
        after = self.stage.log.pruned(room)
        assert after == before + removed or (after == before and not went_well)
        self.model.pruned[room] = after
        self.look()

    # --- what must hold

    def look(self, failed: bool = False) -> None:
        """Enter into the model what was answered, and compare with it what people were told."""
        answers, self.stage.courier.answers = self.stage.courier.answers, []
        for do, answer in answers:
            self._answered(do, answer, failed)
        if self.stage.faults:
            self.stage.faults.clear()
            self._reconcile()
        for client in self.stage.clients.values():
            told, client.told = client.told + client.session.updates(), []
            for update in told:
                self._told(client, update)

    def _answered(self, do: Do, answer: native.Event, failed: bool) -> None:
        assert isinstance(do.request, SAID)
        said, rooms = self.requests[do.request.cmid]
        match do.request:
            case native.Fun(line=text):
                pass
            case native.Redact(reason=reason):
                text = f"took back a message: {reason}"
            case request:
                text = request.text
        known = self.model.where(said.cmid)
        if isinstance(answer, native.Error):
            changed = text != said.text
            left = do.conn not in self.stage.courier.conns
            direct = rooms[0][0] == "~"
            twice = said.about in self.model.taken_back(rooms[0]) or said.about <= self.model.pruned.get(rooms[0], 0)
            allowed = {"cmid-reused": changed, "no-such-nick": direct, "storage": failed, "not-introduced": left}
            allowed |= {"no-such-message": said.kind == "redact" and twice, "not-in-room": said.kind == "redact"}
            assert allowed.get(answer.code), answer
            return
        assert isinstance(answer, native.Ok), answer
        assert text == said.text, "another body under the same cmid was taken"
        if known is None:
            self.model.store(said, rooms)
            known = self.model.where(said.cmid)
            assert known is not None
        assert (answer.room, answer.seq) == ("@" if known[0][0] == "~" else known[0], known[1])

    def _reconcile(self) -> None:
        """After a death: some of what was under way or refused for the moment may be stored, and nothing else is."""
        kept = {
            room: [row[3] or row[6].split(" ")[0] for row in rows]
            for room, (_, rows) in stored(self.stage.path).items()
        }
        unsure = {cmid for client in self.stage.clients.values() for cmid in client.session.outbox}
        unsure |= {getattr(do.request, "cmid", "") for do in self.stage.unanswered}
        new = [cmid for cmids in kept.values() for cmid in cmids if self.model.where(cmid) is None]
        assert unsure.issuperset(new)
        while True:  # what is next in all of its rooms
            for cmid in new:
                said, rooms = self.requests[cmid]
                if all(kept[room][len(self.model.kept(room)) :][:1] == [cmid] for room in rooms):
                    self.model.store(said, rooms)
                    break
            else:
                break
        self._file_is_the_model()

    def _file_is_the_model(self) -> None:
        file = {
            room: [(row[3] or row[6].split(" ")[0], row[5], row[6]) for row in rows]
            for room, (_, rows) in stored(self.stage.path).items()
        }
        assert file == {room: [(m.cmid, m.kind, m.text) for m in self.model.kept(room)] for room in self.model.rooms}

    def _told(self, client: Client, update: Update) -> None:
        match update:
            case Sent(cmid=cmid, room=room, seq=seq):
                where = self.model.where(cmid)
                if where is not None:
                    assert (room, seq) == ("@" if where[0][0] == "~" else where[0], where[1])
            case Entered(room=room, messages=messages, reset=reset, gaps=gaps):
                assert not reset, update
                left = list(gaps)
                self._hides_what_it_takes_back(messages)
                for msg in messages:
                    while left and left[0][0] < msg.seq:
                        self._lost(client, room, *left.pop(0))
                    self._saw(client, msg)
                for gap in left:
                    self._lost(client, room, *gap)
            case Lost(room=room, first=first, last=last):
                self._lost(client, room, first, last)
            case Message(msg=msg):
                self._saw(client, msg)
            case _:
                pass

    def _saw(self, client: Client, msg: native.Msg) -> None:
        room = inbox(client.name) if msg.room == "@" else msg.room
        last = self.seen.get((client.name, room), 0)
        assert msg.seq == last + 1, f"{client.name} saw {msg.seq} of {room} after {last}"
        said = self.model.rooms[room][msg.seq - 1]
        if msg.redacted:
            assert (msg.kind, msg.text, msg.seq in self.model.taken_back(room)) == (said.kind, "", True)
        else:
            assert (msg.kind, msg.text, msg.reply or 0) == (said.kind, said.text, said.about)
        self.seen[client.name, room] = msg.seq

    def _lost(self, client: Client, room: str, first: int, last: int) -> None:
        assert first == self.seen.get((client.name, room), 0) + 1
        assert last <= self.model.pruned.get(room, 0), "more than was removed"
        self.seen[client.name, room] = last

    @invariant()
    def the_tables_of_who_is_here_agree(self) -> None:
        if hasattr(self, "stage"):
            invariants.check(self.stage.broker.state)

    def _hides_what_it_takes_back(self, page: list[native.Msg]) -> None:
        taken_back = {msg.reply for msg in page if msg.kind == "redact"}
        assert all(msg.redacted for msg in page if msg.seq in taken_back)

    @invariant()
    def nothing_is_read_that_was_taken_back(self) -> None:
        if hasattr(self, "stage"):
            for room in ROOMS:
                hidden = self.model.taken_back(room)
                for page in (self.stage.log.newest(room, 5), self.stage.log.after(room, 0, 500)):
                    assert [msg.redacted for msg in page.messages] == [msg.seq in hidden for msg in page.messages]
                    assert not [msg for msg in page.messages if msg.redacted and msg.text]

    @invariant()
    def seqs_are_those_of_the_model(self) -> None:
        if hasattr(self, "stage"):
            for room in (*ROOMS, *map(inbox, NAMES)):
                assert self.stage.log.last(room) == len(self.model.rooms.get(room, []))

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        try:
            self.stage.settle(self.look)
            self._file_is_the_model()
            for name in NAMES:
                for room in (*ROOMS, inbox(name)):
                    assert self.seen.get((name, room), 0) == len(self.model.rooms.get(room, [])), (
                        f"{name} missed {room}"
                    )
        finally:
            self.stage.__exit__()
            shutil.rmtree(self.directory)

    def _new(self, who: str, kind: str, text: str, rooms: list[str]) -> Said:
        self.count += 1
        cmid = f"m{self.count}"
        said = Said(who, cmid, kind, f"{cmid} {text}".strip())
        self.requests[cmid] = said, rooms
        return said

    def _client(self, name: str) -> Client:
        return self.stage.clients[name]

    def _session(self, name: str) -> Session:
        return self.stage.clients[name].session


TestTheModel = TheModel.TestCase
TestTheModel.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
