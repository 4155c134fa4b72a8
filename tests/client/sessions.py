"""A session and what one does with it in tests: no sockets."""

import json
from itertools import count

from msgspec.structs import replace

from client.session import Session, Update
from protocol.native import Event, Msg, Room, Welcome, encode

WELCOME = Welcome(id=1, nick="ann", server="moot", version="0.1.0", epoch="e1")


def session(*rooms: str) -> Session:
    numbers = count(1)
    return Session("ann", rooms, token="t" * 16, new_id=lambda: f"c{next(numbers)}")


def wrote(s: Session) -> list[dict[str, object]]:
    return [json.loads(line) for line in s.outgoing().splitlines()]


def told(s: Session, *events: Event) -> list[Update]:
    s.feed(b"".join(encode(event) for event in events))
    return s.updates()


def msg(seq: int, text: str = "", room: str = "#tea", nick: str = "bob") -> Msg:
    return Msg(room=room, seq=seq, time=1000 + seq, nick=nick, text=text or f"m{seq}")


def in_tea(*seen: Msg) -> Session:
    """Return a session that is in #tea and has said what it has to say about that. The next id is 3."""
    s = session("#tea")
    s.connected()
    told(s, WELCOME, Room(id=2, room="#tea", seq=seen[-1].seq if seen else 0, messages=list(seen)))
    s.outgoing()
    return s


def connected(s: Session, first_id: int = 1) -> None:
    s.connected()
    s.outgoing()
    told(s, replace(WELCOME, id=first_id))


def reconnect(s: Session, first_id: int, *, inbox: int = 0, epoch: str = "e1") -> list[Update]:
    s.disconnected("cut")
    s.connected()
    s.updates()
    s.outgoing()
    return told(s, Welcome(id=first_id, nick="ann", server="moot", version="0.1.0", epoch=epoch, inbox=inbox))
