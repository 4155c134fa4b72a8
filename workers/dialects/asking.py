"""What a dialect for people keeps of a conversation: requests not answered yet, and what waits for an answer."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from msgspec.structs import replace

from protocol.native import Event, Request

MAX_HELD: Final = 16 * 1024  # bytes held back; more is refused, and said so

Item = TypeVar("Item")
Note = TypeVar("Note")


class Asking(Generic[Note]):
    """Requests with ids of ours, by which their answers are known; and those that the dialect makes by itself."""

    def __init__(self) -> None:
        self.own: list[Request] = []  # for `follow_up`
        self._asked: dict[int, Request | Note] = {}
        self._next_id = 1

    def __len__(self) -> int:
        """How many are not answered."""
        return len(self._asked)

    def ask(self, request: Request, note: Note | None = None) -> Request:
        """Return ``request`` with an id. ``note``, or else the request, is what its answer finds."""
        number = self._next_id
        self._next_id += 1
        self._asked[number] = request if note is None else note
        return replace(request, id=number)

    def about(self, event: Event) -> Request | Note | None:
        """Return what ``event`` answers."""
        number = getattr(event, "id", None)
        return self._asked.get(number) if isinstance(number, int) else None

    def answered(self, event: Event) -> Request | Note | None:
        """Return and forget what ``event`` answers."""
        number = getattr(event, "id", None)
        return self._asked.pop(number, None) if isinstance(number, int) else None

    def take(self) -> Sequence[Request]:
        """Return and forget what the dialect wants asked by itself."""
        if not self.own:
            return ()
        own, self.own = self.own, []
        return own


class Held(Generic[Item]):
    """What somebody sent while it could not be understood yet: the answer to something before it is missing."""

    def __init__(self, size: Callable[[Item], int]) -> None:
        """``size`` says about how many bytes an item takes."""
        self._size = size
        self._items: deque[Item] = deque()
        self.bytes = 0  # kept, about

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, item: Item) -> bool:
        """Keep ``item`` unless too much is kept; return whether it was the last that will be, which is said once."""
        if self.bytes >= MAX_HELD:
            return False
        self._items.append(item)
        self.bytes += self._size(item)
        return self.bytes >= MAX_HELD

    def next(self) -> Item:
        """Return and forget the oldest."""
        item = self._items.popleft()
        self.bytes -= self._size(item)
        return item

    def clear(self) -> None:
        """Forget all, and take no more: nobody will read it."""
        self._items.clear()
