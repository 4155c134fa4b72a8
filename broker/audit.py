"""Opens a log for reading only and finds all damage in it. Knows no command line and changes no file.

The messages are read page by page (`broker.btree`), through the write-ahead log (`broker.walfile`), and verified one by
one (`broker.verify`); SQLite's own integrity check says what is wrong beside them, as in the index.

While no server has the log, SQLite reads it without locks, with its index of the write-ahead log in memory: so no file
is made, and nothing is recovered. While one has it, SQLite reads as any other reader, and holds a read transaction.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import apsw

from broker import chain, meta, walfile
from broker.btree import Entry, Malformed, NotText, Pages, Tree, orphans, page_bytes, roots
from broker.schema import VERSION
from broker.verify import Damage, Found, Room, Row, Verifier, is_message
from broker.walfile import WalFile

MAX_COMPLAINTS: Final = 100  # of SQLite
_RESCANS: Final = 5  # of the write-ahead log, while a server writes it

Progress = Callable[[int, int], None]
"""Called with pages read and pages in all, now and then."""


class AuditError(Exception):
    """The log cannot be read at all; the text says why and what to do."""


class Audit:
    """A log opened for reading. `damage` and `holes` are complete when `rows` has ended."""

    def __init__(self, path: Path, *, live: bool) -> None:
        """Open it. ``live``: a server has it open. Raises `AuditError`."""
        self.path = path
        self.live = live
        self.progress: Progress = lambda done, total: None
        self._closing = contextlib.ExitStack()
        self.notes: list[str] = []
        """What is worth knowing and is no damage."""
        self._general: list[Damage] = []
        self.messages = 0
        """Sound ones so far."""
        self.values: dict[str, str] = {}
        """What the log and the server remember, by key: sound, or mended."""
        self.epoch = ""
        """The log's; "" when it is damaged."""
        try:
            self._open()
        except OSError as error:
            self.close()
            raise AuditError(f"cannot read the log {path}: {error.strerror}") from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        file = self._closing.enter_context(self.path.open("rb"))
        head = file.read(100)
        if not head:
            raise AuditError(f"the log {self.path} is empty; there is nothing to read")
        size = page_bytes(head)
        self.connection = connect(self.path, live=self.live)
        self._closing.callback(self.connection.close)
        if self.live:
            try:  # from here on no page that we read can change
                self.connection.execute("BEGIN")
                self.connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
            except apsw.Error as error:
                self._general.append(Damage(f"SQLite cannot read the log: {error}"))
        wal_file, self.wal = self._scan(size)
        self.pages = Pages(file, wal_file, self.wal, size)
        self.rooms: dict[int, Room] = {}
        self._raw: list[bytes] = []
        self.verifier = Verifier(self.rooms, lambda: self._raw)
        if self.wal.damaged:
            shown = ", ".join(str(number) if number else "its header" for number in self.wal.damaged[:10])
            self._general.append(
                Damage(
                    f"the write-ahead log is damaged (frame {shown}): at the next start SQLite would silently drop "
                    f"{self.wal.dropped} sound frames behind it"
                )
            )
        if self.wal.unfinished and not self.live:
            self.notes.append(
                "the write-ahead log ends with a transaction that is not whole: a crash cut it off before it was "
                "acknowledged, or its last frame is damaged"
            )
        self._tables = roots(self.pages)
        if self.version() == 1:
            raise AuditError(
                f"the log {self.path} has format 1, which had no checksums; start a server with it once, which brings "
                f"it to format {VERSION} and keeps a copy of before"
            )
        self._read_meta()
        self._read_rooms()

    def _scan(self, size: int) -> tuple[BinaryIO | None, WalFile]:
        path = self.path.with_name(self.path.name + "-wal")
        try:
            file = self._closing.enter_context(path.open("rb"))
        except FileNotFoundError:
            return None, WalFile(size)
        found = walfile.scan(file, size)
        for _ in range(_RESCANS if self.live else 0):
            if not found.damaged:
                break
            before, found = found, walfile.scan(file, size)  # a frame may have been read while it was written
            if found.salts == before.salts and found.damaged == before.damaged:
                break
        return file, found

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> "Audit":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def damage(self) -> list[Damage]:
        return [*self.verifier.damage, *self._general]

    def add(self, damage: Damage) -> None:
        """Add what a reader of the rows found wrong with them."""
        self._general.append(damage)

    @property
    def holes(self) -> list[Damage]:
        return self.verifier.holes

    def version(self) -> int:
        """Return the format's version; damage to the file's header makes it any number."""
        try:
            return int.from_bytes(self.pages[1][60:64], "big")
        except Malformed:
            return 0

    def names(self) -> set[str]:
        """Return the names of the rooms, as far as they can be read."""
        return {room.name for room in self.rooms.values()}

    def rows(self) -> Iterator[Row | Room]:
        """Yield every sound message by room and seq, and each room without any; find all damage on the way.

        Raises `AuditError` for a log of another format, `OSError`.
        """
        root = self._tables.get("messages")
        if root is None:
            self._general.append(Damage("the schema is damaged: it has no table of messages"))
        for start in [root] if root is not None else [number for _, number in orphans(self.pages, is_message)]:
            tree = Tree(self.pages, start, table=False, fits=is_message)
            yield from self._rows_of(tree)
            for number in tree.lost:
                self._general.append(Damage(f"page {number} should hold messages and does not"))
        yield from self.verifier.finish()
        if self.version() != VERSION:
            if not self.messages:
                raise AuditError(
                    f"{self.path} is no log of moot, or nothing of it can be read: its format should be {VERSION} "
                    f"and is said to be {self.version()}"
                )
            self._general.append(Damage(f"its header says format {self.version()}, but it has format {VERSION}"))

    def _rows_of(self, tree: Tree) -> Iterator[Row]:
        done = 0
        for entry in tree.entries():
            if not self._raw or self._raw[-1] is not tree.last_page:
                self._raw = [*self._raw[-2:], tree.last_page]
                done += 1
                if done % 256 == 0:
                    self.progress(done, self.pages.count)
            row = self.verifier.take(Found(entry.page, entry.values, entry.whole))
            if row is not None:
                self.messages += 1
                yield row

    def _read_meta(self) -> None:
        root = self._tables.get("meta")
        if root is None:
            self._general.append(Damage("the schema is damaged: it has no table of what the log knows of itself"))
        starts = [root] if root is not None else [number for _, number in orphans(self.pages, _is_value)]
        mended: dict[str, str] = {}
        for start in starts:
            tree = Tree(self.pages, start, table=False, fits=_is_value)
            for entry in tree.entries():
                match entry.values:
                    case (str(key), str(value), bytes(stored)) if chain.of_value(key, value.encode()) == stored:
                        self.values[key] = value
                    case _:
                        self._mend_value(entry, mended)
            for number in tree.lost:
                self._general.append(Damage(f"page {number} should hold what the server remembers and does not"))
        self.values = mended | self.values  # what was written anew counts, whatever is left under a damaged key
        self.epoch = self.values.get("epoch", "") if "epoch" not in mended else ""

    def _mend_value(self, entry: Entry, mended: dict[str, str]) -> None:
        """Name the damage; add to ``mended`` what the entry was, if that can be told."""
        raw = [
            value.encode() if isinstance(value, str) else getattr(value, "raw", value) for value in entry.values or ()
        ]
        found = meta.mended(*raw) if len(raw) == 3 else None
        if found is None or "/" not in found[0]:
            self._general.append(Damage("an entry of what the log knows of itself is damaged"))
        if found is not None:
            mended[found[0]] = found[1]
            if "/" in found[0]:
                self._general.append(
                    Damage(f"one bit of what is kept under {found[0]!r} is damaged; a repair mends it")
                )

    def _read_rooms(self) -> None:
        root = self._tables.get("rooms")
        names = self._names()
        if root is None:
            self._general.append(Damage("the schema is damaged: it has no table of rooms"))
        tree = Tree(self.pages, root or 0, table=True)
        for entry in tree.entries() if root is not None else ():
            room = room_of(entry, names.get(entry.rowid))
            if room.id in self.rooms:
                self._general.append(Damage("a second entry has its number", self.rooms[room.id].name))
                continue
            self.rooms[room.id] = room
            if not room.sound:
                self._general.append(Damage("its entry among the rooms is damaged", room.name))
            elif not entry.whole:
                self._general.append(Damage("the length of its entry among the rooms is damaged", room.name))
        known = {room.name for room in self.rooms.values()}
        for id_, name in names.items():
            if id_ not in self.rooms and name not in known:
                self.rooms[id_] = Room(id_, name, base=chain.start(name), sound=False)
                self._general.append(Damage("its entry among the rooms is missing", name))
        for room in self.rooms.values():
            room.origins = chain.origins_in(self.values.get(chain.ORIGINS + room.name, "[]"))
        for number in tree.lost:
            self._general.append(Damage(f"page {number} should hold rooms and does not"))

    def _names(self) -> dict[int, str]:
        """Return the rooms' names by number as the index of names has them."""
        root = self._tables.get("sqlite_autoindex_rooms_1")
        entries = Tree(self.pages, root, table=False).entries() if root else iter(())
        found = [entry.values for entry in entries if entry.values is not None]
        return {each[1]: each[0] for each in found if [type(value) for value in each] == [str, int]}

    def structure(self) -> None:
        """Have SQLite check the file's structure and its indexes; what it finds is added to the damage."""
        try:
            self.connection.execute("PRAGMA cell_size_check=ON").fetchall()
            found = self.connection.execute(f"PRAGMA integrity_check({MAX_COMPLAINTS})").fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            self._general.append(Damage(f"SQLite: {error}"))
            return
        lines = [line for (text,) in found for line in str(text).splitlines()]
        self._general += [Damage(f"SQLite: {line}") for line in lines if line != "ok" and not line.startswith("***")]


def _is_value(values: tuple[Any, ...]) -> bool:
    """Tell a record of `meta` from those of the other tables, by its form."""
    return len(values) == 3 and all(isinstance(text, str) for text in values[:2]) and isinstance(values[2], bytes)


def connect(path: Path, *, live: bool) -> apsw.Connection:
    """Open a log for reading with SQLite. Raises `AuditError`.

    ``live``: a server has it open. Otherwise nobody may write it meanwhile, and no file is made or changed.
    """
    wal = path.with_name(path.name + "-wal")
    flags = apsw.SQLITE_OPEN_READONLY
    try:
        if live:
            connection = apsw.Connection(str(path), flags=flags)
            connection.set_busy_timeout(5000)
        elif wal.exists() and wal.stat().st_size > 0:
            connection = apsw.Connection(str(path), flags=flags, vfs="unix-none")
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()  # keeps the index of the -wal in memory
        else:
            uri = path.absolute().as_uri() + "?immutable=1"
            connection = apsw.Connection(uri, flags=flags | apsw.SQLITE_OPEN_URI)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    except (apsw.Error, OSError) as error:
        raise AuditError(f"cannot read the log {path}: {error}") from error
    return connection


def room_of(entry: Entry, name: str | None = None) -> Room:
    """Return a row of `rooms`; where its sum is wrong, mended if one bit of it flipped, else as far as it tells.

    ``name``: what it is called elsewhere in the file.
    """
    match entry.values:
        case (None, *columns, bytes(stored)) if len(columns) == 6:
            for values, sound in _readings(columns):
                found = _room_sum(values)
                if found == stored or (sound and found is not None and chain.one_bit_apart(found, stored)):
                    known, topic, pruned, base, last, head = values
                    return Room(entry.rowid, known, topic, pruned, base, last, head, sound=found == stored and sound)
    known = name or f"#lost-{entry.rowid}"
    return Room(entry.rowid, known, base=chain.start(known), sound=False)


def _readings(columns: list[Any]) -> Iterator[tuple[list[Any], bool]]:
    """Yield what a row of `rooms` may have been: itself, and itself with any one bit changed."""
    yield columns, True
    for place, value in enumerate(columns):
        for changed in _flipped(value):
            yield [*columns[:place], changed, *columns[place + 1 :]], False


def _flipped(value: Any) -> Iterator[Any]:
    match value:
        case int():
            yield from (value ^ (1 << bit) for bit in range(63))
        case bytes():
            yield from chain.one_bit_off(value)
        case str() | NotText():
            for raw in _flipped(value.encode() if isinstance(value, str) else value.raw):
                with contextlib.suppress(UnicodeDecodeError):
                    yield raw.decode()


def _room_sum(columns: list[Any]) -> bytes | None:
    try:
        return chain.of_room(*columns)
    except (TypeError, ValueError, OverflowError):
        return None
