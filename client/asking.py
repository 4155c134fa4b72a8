"""Requests on the wire, by whom they were made, and which answer is whose. Sans-IO; one connection after another."""

from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from protocol import native

By = Literal["app", "session", "outbox"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request without an answer. `by`: "app" (its answer is reported), "session" (it asked by itself), "outbox"."""

    number: int
    request: native.Request
    by: By


class Asking:
    """See the module. Ids go on from one connection to the next."""

    def __init__(self) -> None:
        self._asked: dict[int, Asked] = {}  # on this connection
        self._next_id = 1
        self._signal: int | None = None  # the last request that is answered by nothing
        self._out = bytearray()

    def __len__(self) -> int:
        """How many are not answered."""
        return len(self._asked)

    def number(self) -> int:
        """Return an id that no request has."""
        number, self._next_id = self._next_id, self._next_id + 1
        return number

    def ask(self, request: native.Request, by: By) -> int:
        """Put ``request`` on the wire; return its id."""
        number = self.number()
        request = replace(request, id=number)
        self._asked[number] = Asked(number, request, by)
        self._out += native.encode(request)
        return number

    def signal(self, request: native.Request) -> None:
        """Put on the wire what is answered by nothing, or not at all; only the last of these is waited for."""
        if self._signal is not None:
            self._asked.pop(self._signal, None)
        self._signal = self.ask(request, "session")

    def about(self, event: native.Event) -> Asked | None:
        """Return what ``event`` answers."""
        number = getattr(event, "id", None)
        return self._asked.get(number) if isinstance(number, int) else None

    def answered(self, event: native.Event) -> Asked | None:
        """Return and forget what ``event`` answers."""
        number = getattr(event, "id", None)
        return self._asked.pop(number, None) if isinstance(number, int) else None

    def joins(self) -> set[str]:
        """Return the rooms that we have asked to enter."""
        return {asked.request.room for asked in self._asked.values() if isinstance(asked.request, native.Join)}

    def outgoing(self) -> bytes:
        """Return and forget what is to be written."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def lost(self) -> list[Asked]:
        """Return and forget what no answer will come to."""
        lost, self._asked, self._signal = list(self._asked.values()), {}, None
        return lost
