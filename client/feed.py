"""A queue from the network to one reader that may be slow or missing. Asyncio, one loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

UNREAD: Final = 1000  # items kept before anybody reads; older ones are forgotten


class Feed(Generic[T]):
    """Items in order, for `async for`. Until the first reader comes only the newest `UNREAD` are kept."""

    def __init__(self, drained: Callable[[], None]) -> None:
        self._items: deque[T] = deque(maxlen=UNREAD)
        self._drained = drained  # called when an item was taken
        self._news = asyncio.Event()
        self._closed = False
        self._error: Exception | None = None
        self.claimed = False

    def __len__(self) -> int:
        return len(self._items)

    def claim(self) -> "Feed[T]":
        """Somebody reads from now on: everything is kept."""
        if not self.claimed:
            self.claimed = True
            self._items = deque(self._items)
        return self

    def put(self, item: T) -> None:
        self._items.append(item)
        self._news.set()

    def close(self, error: Exception | None = None) -> None:
        """Nothing more comes: the reader ends, or gets ``error``, after what is there."""
        self._closed = True
        self._error = self._error or error
        self._news.set()

    async def batch(self) -> list[T]:
        """Return all that waits, at least one item; an empty list at the end.

        Raises what `close` was given."""
        try:
            items = [await anext(self)]
        except StopAsyncIteration:
            return []
        items += self._items
        self._items.clear()
        self._drained()
        return items

    def __aiter__(self) -> "Feed[T]":
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        item = self._items.popleft()
        self._drained()
        return item
