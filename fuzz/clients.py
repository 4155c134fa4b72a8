"""Target that takes what a server sends: the client's session, between lost connections and messages of one's own."""

from itertools import count
from typing import Any, Final

import msgspec

from client.sequence import in_order
from client.session import Session
from client.updates import Answer, Entered, Exited, Failed, Lost, Message, Sent, Update
from fuzz.source import Source
from protocol import native
from protocol.native import Event

ROOM: Final = "#tea"
_STEPS: Final = ("event", "event", "event", "event", "say", "cut", "retry", "raw", "join", "answer", "answer", "answer")


class Told:
    """What a session has reported, checked as it comes."""

    def __init__(self) -> None:
        self.ended: set[str] = set()  # cmids
        self.last: dict[str, int] = {}  # seq reported last, by room

    def take(self, updates: list[Update]) -> None:
        for update in updates:
            match update:
                case Entered(room=room, messages=messages, gaps=gaps):
                    if update.reset:
                        self.last.pop(room, None)
                    for item in in_order(messages, gaps):
                        first, last = (item.seq, item.seq) if isinstance(item, native.Msg) else item
                        self._next(room, first, last)
                case Message(msg=msg):
                    self._next(msg.room, msg.seq, msg.seq)
                case Lost(room=room, first=first, last=last):
                    self._next(room, first, last)
                case Exited(room=room):
                    self.last.pop(room, None)
                case Sent(cmid=cmid) | Failed(cmid=cmid):
                    self._end(cmid)
                case Answer(request=native.Send(cmid=cmid) | native.Fun(cmid=cmid) | native.Topic(cmid=cmid)):
                    self._end(cmid)

    def _next(self, room: str, first: int, last: int) -> None:
        assert first <= last
        if room in self.last:
            assert first == self.last[room] + 1, f"{first} of {room} after {self.last[room]}"
        self.last[room] = last

    def _end(self, cmid: str) -> None:
        assert cmid not in self.ended, f"{cmid} ended twice"
        self.ended.add(cmid)


def session(data: bytes) -> None:
    """A server may say anything at any time: messages are reported in order, each of ours ends once, nothing raises."""
    source = Source(data)
    numbers = count()
    client = Session("ann", [ROOM], new_id=lambda: f"c{next(numbers)}", token="t" * 32)
    told = Told()
    client.connected()
    asked: list[native.Request] = []
    rest = source.payload
    while not source.spent:
        match source.pick(_STEPS):
            case "event":
                client.feed(native.encode(_event(source)))
            case "answer" if asked:
                client.feed(native.encode(_answer(source, asked.pop(source.below(len(asked))))))
            case "raw":
                size = source.byte()
                client.feed(rest[:size])
                rest = rest[size:]
            case "say":
                client.say(source.pick((ROOM, "@bob")), "hi")
            case "join":
                client.request(native.Join(room=ROOM))
            case "retry" if client.retry_after is not None:
                client.retry()
            case "cut":
                client.disconnected("cut")
                client.outgoing()
                asked.clear()
                client.connected()
        told.take(client.updates())
        if client.hang_up:
            client.disconnected("hung up")
            client.connected()
        asked += [native.decode_request(line) for line in client.outgoing().splitlines()]
    client.feed(rest + b"\n")
    told.take(client.updates())


def _event(source: Source) -> Event:
    event: Event = source.value(Event)
    if isinstance(event, native.Msg):
        return msgspec.structs.replace(event, room=source.pick((ROOM, "@", "#x")), seq=source.below(12))
    if isinstance(event, native.HistoryPage | native.Room):  # a page of another room would be shown as it is
        page = [msgspec.structs.replace(msg, room=event.room) for msg in event.messages]
        return msgspec.structs.replace(event, messages=page)
    return event


def _answer(source: Source, request: native.Request) -> Event:
    """Return an answer of the right kind, of which the rest is anything, or one of any kind."""
    kind: Any = native.Ok
    match request, source.below(4):
        case native.Hello(), 0 | 1 | 2:
            kind = native.Welcome
        case native.Join(), 0 | 1 | 2:
            kind = native.Room
        case native.History(), 0 | 1 | 2:
            kind = native.HistoryPage
        case _, 3:
            kind = native.Error
    event: Event = source.value(kind)
    changed: dict[str, object] = {"id": request.id}
    if isinstance(event, native.Room | native.HistoryPage):
        room = getattr(request, "room", ROOM)
        start = source.below(12)
        page = [native.Msg(room=room, seq=start + n + source.below(2), time=0, nick="b", text="") for n in range(4)]
        changed |= {"room": room, "messages": page[: source.below(5)]}
    if isinstance(event, native.Room):
        changed |= {"seq": source.below(16)}
    if isinstance(event, native.Ok):
        changed |= {"room": getattr(request, "to", ROOM), "seq": source.below(12)}
    return msgspec.structs.replace(event, **changed)


def any_cut_session(data: bytes) -> None:
    """Any cut of a server's bytes gives the same updates and the same words back."""
    source = Source(data)
    assert _heard(source.pieces()) == _heard([source.payload])


def _heard(pieces: list[bytes]) -> tuple[list[Update], bytes]:
    client = Session("ann", [ROOM], token="t" * 32)
    client.connected()
    found = []
    for piece in pieces:
        client.feed(piece)
        found += client.updates()
    return found, client.outgoing()
