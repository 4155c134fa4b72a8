"""What was said and is not yet acknowledged: in order, each at most once on the wire. Knows no connection."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from client.updates import Queued
from protocol import native

MAX_IN_FLIGHT: Final = 16
"""Unacknowledged messages on the wire. Half of what a server takes, and few enough that at its usual flood limits it
delays them instead of refusing some."""

LATER: Final = frozenset({"flood", "offline", "busy", "storage", "fun-busy"})  # error codes worth another try

Outgoing = native.Send | native.Fun | native.Topic


class Outbox:
    """Messages by cmid, oldest first.

    At most `MAX_IN_FLIGHT` are on the wire. When the server has asked for a pause it is one, until what it had refused
    is answered, then twice as many with each answer.
    """

    def __init__(self, requests: Iterable[Outgoing] = ()) -> None:
        """``requests``: what an outbox before this one held; the first of them may have been on the wire."""
        self.requests: dict[str, Outgoing] = {}
        self.unsure: set[str] = set()  # were on the wire when the connection broke: the server may have taken them
        self._flying: set[str] = set()  # on the wire
        self._waiting: deque[str] = deque()  # not on the wire, in order
        self._window = MAX_IN_FLIGHT
        self._refused: set[str] = set()  # put back, and not answered since
        for request in requests:
            self.add(request)
        self.unsure.update(list(self.requests)[:MAX_IN_FLIGHT])

    def add(self, request: Outgoing) -> None:
        """Append ``request``. Raises ValueError when its cmid is there already."""
        if request.cmid in self.requests:
            raise ValueError(f"cmid {request.cmid!r} is in the outbox already")
        self.requests[request.cmid] = request
        self._waiting.append(request.cmid)

    def next(self) -> Outgoing | None:
        """Return what goes on the wire now, None when nothing may."""
        if not self._waiting or len(self._flying) >= self._window:
            return None
        cmid = self._waiting.popleft()
        self._flying.add(cmid)
        return self.requests[cmid]

    def answered(self, cmid: str) -> None:
        """The server has taken or refused it for good."""
        self._landed(cmid)
        self.requests.pop(cmid, None)
        self._refused.discard(cmid)
        if not self._refused:
            self._window = min(self._window * 2, MAX_IN_FLIGHT)

    def put_back(self, cmid: str) -> None:
        """The server refused it for now: it keeps its place."""
        self._landed(cmid)
        self._refused.add(cmid)
        self._waiting = deque(cmid for cmid in self.requests if cmid not in self._flying)

    def slow_down(self) -> None:
        """The server wants a pause. One at a time, until those it refused are answered, keeps their order."""
        self._window = 1

    def readdress(self, old: str, name: str) -> None:
        """The room ``old`` has another name: what is for it goes there."""
        for cmid, request in self.requests.items():
            if isinstance(request, native.Topic) and request.room == old:
                self.requests[cmid] = replace(request, room=name)
            elif not isinstance(request, native.Topic) and request.to == old:
                self.requests[cmid] = replace(request, to=name)

    def lost(self) -> None:
        """The connection broke: everything goes out again."""
        self.unsure |= self._flying
        self._flying.clear()
        self._refused.clear()
        self._waiting = deque(self.requests)
        self._window = MAX_IN_FLIGHT

    def _landed(self, cmid: str) -> None:
        self._flying.discard(cmid)
        self.unsure.discard(cmid)


def is_later(error: native.Error) -> bool:
    """Tell whether what was refused may be taken when it comes again."""
    return error.wait is not None or error.code in LATER


def addressed(request: Outgoing) -> str | None:
    """Return the room that ``request`` speaks in; None for one person."""
    to = request.room if isinstance(request, native.Topic) else request.to
    return to if to.startswith("#") else None


def queued(request: Outgoing) -> Queued:
    """Return the update that tells of ``request``."""
    if isinstance(request, native.Topic):
        return Queued(request.cmid, request.room, request.text, "topic")
    if isinstance(request, native.Fun):
        return Queued(request.cmid, request.to, request.line, "fun")
    return Queued(request.cmid, request.to, request.text, request.kind)


def typed(request: Outgoing) -> str:
    """Return the line a person would type in the target's room to make ``request``."""
    if isinstance(request, native.Fun):
        return request.line
    if isinstance(request, native.Topic):
        return f"/topic {request.text}"
    if request.kind == "me":
        return f"/me {request.text}"
    return "/" + request.text if request.text.startswith("/") else request.text
