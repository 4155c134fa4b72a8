"""What the log knows of itself beside messages: its epoch, and what the server remembers. Knows no meaning of it.

Every value has a checksum of its own. One flipped bit in a value, its key or its checksum costs nothing.
"""

import secrets
from typing import Any, Final

import apsw

from broker import chain

TABLE: Final = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, sum BLOB NOT NULL) STRICT, WITHOUT ROWID"
PUT: Final = (
    "INSERT INTO meta VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, sum = excluded.sum"
)


def row(key: str, value: str) -> tuple[str, str, bytes]:
    """Return what `PUT` writes."""
    return key, value, chain.of_value(key, value.encode())


def put(db: apsw.Connection, key: str, value: str) -> None:
    """Keep a value. Raises `apsw.Error`."""
    db.execute(PUT, row(key, value))


def get(db: apsw.Connection, key: str) -> str | None:
    """Return a value as it was written; None when it is not there, or too damaged to tell. Raises `apsw.Error`."""
    # A row whose key is damaged counts last: if there is another one, that was written later.
    query = "SELECT CAST(value AS BLOB), CAST(sum AS BLOB) FROM meta ORDER BY CAST(key AS BLOB) <> CAST(? AS BLOB)"
    rows: list[Any] = db.execute(query, (key,)).fetchall()
    for raw, stored in rows:
        if isinstance(raw, bytes) and isinstance(stored, bytes):
            if chain.one_bit_apart(chain.of_value(key, raw), stored):
                return raw.decode()
            for value in (raw, *chain.one_bit_off(raw)):
                if chain.of_value(key, value) == stored:
                    return value.decode()
    return None


def renew_epoch(db: apsw.Connection) -> str:
    """Give the log another epoch, so that every client begins anew, and return it. Raises `apsw.Error`."""
    epoch = secrets.token_hex(8)
    put(db, "epoch", epoch)
    return epoch
