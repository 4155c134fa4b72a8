"""What the server remembers beside messages, by key, as part of the log's transaction: accounts, policies of rooms.

Knows which keys the transaction under way has written, and of those written last what they should be. The rows
themselves are `broker.meta`'s. Keys of the server have a `/`: `account/ann`; those of the log itself have none.
"""

import logging
from typing import Final

import apsw

from broker import meta

log = logging.getLogger("moot.broker")

RECENT: Final = 256  # values written last, of which `missing` looks whether they are there
MAX_KEY: Final = 400  # characters
MAX_VALUE: Final = 1024 * 1024  # characters
_FORGET: Final = "DELETE FROM meta WHERE key = ?"

Statement = tuple[str, tuple[str] | tuple[str, str, bytes]]


class Values:
    """See the module. Reads with the connection it is given; what is to be written it returns as a statement."""

    def __init__(self) -> None:
        self.written = 0
        """Grows with each value that is written or forgotten, rolled back or not."""
        self._fresh: dict[str, str | None] = {}  # written in this transaction; None: forgotten
        self._recent: dict[str, str | None] = {}  # committed last
        self._mended: dict[str, str] = {}  # damaged on disk, to be written with the next transaction

    @property
    def pending(self) -> bool:
        """Whether this transaction has written any."""
        return bool(self._fresh)

    def recall(self, db: apsw.Connection, key: str) -> str | None:
        """Return a value; None: there is none. Raises `meta.Spoilt`, `apsw.Error`."""
        if self._mended and key in self._mended:
            return self._mended[key]
        found = meta.fetch(db, key)
        return None if found is None else self._mend(key, *found)

    def under(self, db: apsw.Connection, prefix: str, limit: int = -1) -> list[tuple[str, str]]:
        """Return the values whose keys begin with ``prefix``, by key, but the spoilt ones. ``limit``: see `meta.under`.

        Raises `apsw.Error`.
        """
        values: list[tuple[str, str]] = []
        for key, found in meta.under(db, prefix, limit):
            if key in self._mended:
                values.append((key, self._mended[key]))
            elif found is None:
                log.error("what the log has under %r is damaged; `moot check --repair` says more", key)
            else:
                values.append((key, self._mend(key, *found)))
        return values

    def _mend(self, key: str, value: str, as_written: bool) -> str:
        if not as_written:
            self._mended[key] = value
        return value

    def remember(self, key: str, value: str) -> Statement:
        """Return what writes a value."""
        assert len(key) <= MAX_KEY, "the caller bounds its keys"
        assert len(value) <= MAX_VALUE, "the caller bounds its values"
        self._note(key, value)
        return meta.PUT, meta.row(key, value)

    def forget(self, key: str) -> Statement:
        """Return what removes a value."""
        self._note(key, None)
        return _FORGET, (key,)

    def _note(self, key: str, value: str | None) -> None:
        self.written += 1
        self._fresh[key] = value
        self._mended.pop(key, None)

    def mended(self) -> list[Statement]:
        """Return what writes the damaged values that were read, as they should be."""
        return [(meta.PUT, meta.row(key, value)) for key, value in self._mended.items()]

    def committed(self) -> None:
        """What was written counts."""
        self._mended.clear()
        if not self._fresh:
            return
        for key, value in self._fresh.items():
            self._recent.pop(key, None)
            self._recent[key] = value
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        self._fresh.clear()

    def rolled_back(self) -> None:
        """What was written is not."""
        self._fresh.clear()

    def missing(self, db: apsw.Connection) -> str | None:
        """Return a key whose committed value is not there; None: those written last are. Raises `apsw.Error`."""
        for key, value in self._recent.items():
            try:
                found = meta.fetch(db, key)
            except meta.Spoilt:
                return key
            if (None if found is None else found[0]) != value:
                return key
        return None
