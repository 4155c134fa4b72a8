"""What the log knows of itself beside messages: its epoch, and what the server remembers. Knows no meaning of it.

Every value has a checksum of its own. One flipped bit in a value or its checksum costs nothing, nor does one in a key
of the log's own values. Keys of what the server remembers have a `/`, and are mended when the log is opened.
"""

import logging
import secrets
from itertools import pairwise
from typing import Any, Final

import apsw

from broker import chain

log = logging.getLogger("moot.broker")

TABLE: Final = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, sum BLOB NOT NULL) STRICT, WITHOUT ROWID"
PUT: Final = (
    "INSERT INTO meta VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, sum = excluded.sum"
)
MENDED_BYTES: Final = 16 * 1024  # of a value that is tried with each of its bits flipped; 130,000 sums, 0.3 s


class Spoilt(Exception):
    """A value is there, and so damaged that nobody can tell what it was."""

    def __init__(self, key: str) -> None:
        super().__init__(f"what the log has under {key!r} is damaged")
        self.key = key


def row(key: str, value: str) -> tuple[str, str, bytes]:
    """Return what `PUT` writes."""
    return key, value, chain.of_value(key, value.encode())


def put(db: apsw.Connection, key: str, value: str) -> None:
    """Keep a value. Raises `apsw.Error`."""
    db.execute(PUT, row(key, value))


def get(db: apsw.Connection, key: str) -> str | None:
    """Return a value of the log's own; None when it is not there, or too damaged to tell. Raises `apsw.Error`.

    Looks through all keys when there is none, for one that a flipped bit changed.
    """
    query = "SELECT CAST(key AS BLOB), CAST(value AS BLOB), CAST(sum AS BLOB) FROM meta"
    for where, arg in ((" WHERE key = ?", key), (" WHERE length(CAST(key AS BLOB)) = ?", len(key.encode()))):
        rows: list[Any] = db.execute(query + where, (arg,)).fetchall()
        for found, raw, stored in rows:
            if found == key.encode() or (isinstance(found, bytes) and chain.one_bit_apart(found, key.encode())):
                value = sound(key, raw, stored)
                if value is not None:
                    return value[0]
    return None


def fetch(db: apsw.Connection, key: str) -> tuple[str, bool] | None:
    """Return a value by its key, and whether it lies there as it was written; None when it is not there.

    Raises `Spoilt` when it is there and cannot be told any more, `apsw.Error`.
    """
    query = "SELECT CAST(value AS BLOB), CAST(sum AS BLOB) FROM meta WHERE key = ?"
    found = db.execute(query, (key,)).fetchall()
    if not found:
        return None
    value = sound(key, *found[0])
    if value is None:
        raise Spoilt(key)
    return value


def under(db: apsw.Connection, prefix: str, limit: int = -1) -> list[tuple[str, tuple[str, bool] | None]]:
    """Return what `fetch` returns of every key that begins with ``prefix``, by key; None: it cannot be told any more.

    ``limit``: the first that many; negative: all. Raises `apsw.Error`.
    """
    query = "SELECT CAST(key AS BLOB), CAST(value AS BLOB), CAST(sum AS BLOB) FROM meta WHERE key >= ? AND key < ?"
    above = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    found: list[Any] = db.execute(query + " ORDER BY key LIMIT ?", (prefix, above, limit)).fetchall()
    keys = [(raw_key.decode(errors="replace"), raw, stored) for raw_key, raw, stored in found]
    return [(key, sound(key, raw, stored)) for key, raw, stored in keys]


def count(db: apsw.Connection, prefix: str) -> int:
    """Return how many keys begin with ``prefix``. Raises `apsw.Error`."""
    above = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    found: int = db.execute("SELECT COUNT(*) FROM meta WHERE key >= ? AND key < ?", (prefix, above)).get
    return found


def sound(key: str, raw: Any, stored: Any) -> tuple[str, bool] | None:
    """Return a value, and whether it is as it was written; one flipped bit in it or in its sum is mended.

    None: it cannot be told any more.
    """
    if not isinstance(raw, bytes) or not isinstance(stored, bytes):
        return None
    found = chain.of_value(key, raw)
    if found == stored:
        return raw.decode(), True
    if chain.one_bit_apart(found, stored):
        return raw.decode(), False
    for value in chain.one_bit_off(raw) if len(raw) <= MENDED_BYTES else ():
        if chain.of_value(key, value) == stored:
            return value.decode(), False
    return None


def mended(key: Any, value: Any, stored: Any) -> tuple[str, str] | None:
    """Return what a row was before one bit of it flipped: key and value; None: more than that is wrong.

    ``key``, ``value``: bytes. ``stored``: the sum.
    """
    if not all(isinstance(part, bytes) for part in (key, value, stored)) or len(key) + len(value) > MENDED_BYTES:
        return None
    flipped_keys = [raw.decode() for raw in chain.one_bit_off(key) if _is_text(raw)]
    for name in ([key.decode()] if _is_text(key) else []) + flipped_keys:
        found = chain.of_value(name, value)
        if found == stored or (name.encode() == key and chain.one_bit_apart(found, stored)):
            return (name, value.decode()) if _is_text(value) else None
    if _is_text(key):
        for raw in chain.one_bit_off(value):
            if chain.of_value(key.decode(), raw) == stored and _is_text(raw):
                return key.decode(), raw.decode()
    return None


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def mend(db: apsw.Connection) -> None:
    """Write the table anew if a key in it is damaged, for then SQLite may not find others either. Raises `apsw.Error`.

    Values of `read/`, of which there are very many, are not looked at for that, only the order of their keys.
    """
    keys: list[Any] = [key for (key,) in db.execute("SELECT CAST(key AS BLOB) FROM meta").fetchall()]
    query = "SELECT CAST(key AS BLOB), CAST(value AS BLOB), CAST(sum AS BLOB) FROM meta"
    few: list[Any] = db.execute(query + " WHERE key NOT BETWEEN 'read/' AND 'read0'").fetchall()
    if all(one < other for one, other in pairwise(keys)) and all(_has_its_key(*row) for row in few):
        return
    rows: dict[bytes, tuple[Any, ...]] = {}
    astray: list[tuple[str, str]] = []
    every: list[Any] = db.execute(query).fetchall()
    for raw_key, raw, stored in every:
        found = None if _has_its_key(raw_key, raw, stored) else mended(raw_key, raw, stored)
        if found is None:
            rows[raw_key] = (raw_key, raw, stored)
        else:
            astray.append(found)
    log.error("of what the log remembers %d keys were damaged; they are mended", len(astray))
    with db:
        db.execute(TABLE.replace("TABLE meta", "TABLE meta_mended", 1))
        put_as_is = "INSERT INTO meta_mended VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?)"
        db.executemany(put_as_is, list(rows.values()))
        db.executemany(
            "INSERT OR IGNORE INTO meta_mended VALUES (?, ?, ?)",
            [row(key, value) for key, value in astray if key.encode() not in rows],
        )
        db.execute("DROP TABLE meta; ALTER TABLE meta_mended RENAME TO meta")


def _has_its_key(key: Any, value: Any, stored: Any) -> bool:
    """Tell whether a row lies under its own key; its value may be damaged."""
    if not isinstance(key, bytes) or not _is_text(key):
        return False
    name = key.decode()
    if isinstance(value, bytes) and (chain.of_value(name, value) == stored or sound(name, value, stored) is not None):
        return True
    return mended(key, value, stored) is None


def renew_epoch(db: apsw.Connection) -> str:
    """Give the log another epoch, so that every client begins anew, and return it. Raises `apsw.Error`."""
    epoch = secrets.token_hex(8)
    put(db, "epoch", epoch)
    return epoch
