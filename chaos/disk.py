"""A disk that remembers what was synced: a layer under SQLite that records, and what a power loss leaves of it.

Reads and writes go to real files through SQLite's own layer (its locks and shared memory too), so a log on a `Disk`
runs as always. Beside that every write, truncation, sync and change of the directory is kept in `Disk.ops`. `Platter`
replays any first part of them and makes up what could be on the disk then, as pessimistic as SQLite lets a file system
be (https://www.sqlite.org/atomiccommit.html, section 2): what a sync covered is there; of the rest any 512-byte sectors
are, torn ones too, and a file that grew may hold garbage where it grew. Names are as safe as the last sync of the
directory. Knows nothing of logs and messages.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import apsw

SECTOR_BYTES: Final = 512
_NEW: Final = apsw.SQLITE_OPEN_CREATE
_JOURNALS: Final = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Write:
    file: int  # number of the file, whatever name it has
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    file: int
    directory: bool = False  # its directory is synced as well
    failed: bool = False  # an error was returned: what it should have written may be there or not, for ever


@dataclass(frozen=True, slots=True)
class Name:
    """A directory entry is made, or (None) removed."""

    name: str
    file: int | None
    synced: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something that whoever uses the disk wants to find again in the record."""

    what: object


Op = Write | Truncate | Sync | Name | Note
Image = dict[str, bytes]
"""The files of a directory, by name."""


class Disk(apsw.VFS):
    """The layer for one directory. Give `name` to SQLite; `close` when its connections are closed."""

    def __init__(self, directory: Path, platter: "Platter | None" = None) -> None:
        """``platter``: how much of ``directory`` is synced, as an earlier disk left it. None: all of it is."""
        self.name = f"disk-{next(_numbers)}"
        self.ops: list[Op] = []
        self.failing: set[str] = set()  # of "write" and "sync": these return errors as long as they are in here
        self.watch: Callable[[], None] | None = None  # called before each write, truncation and sync
        self.platter = Platter(read_image(directory)) if platter is None else platter
        """The disk before the first of `ops`; its user applies them."""
        self._files = self.platter.names  # as they are now, to the running program
        self._next = itertools.count(self.platter.files)
        super().__init__(self.name, "")

    def note(self, what: object) -> None:
        """Put ``what`` into the record, after everything that was done so far."""
        self.ops.append(Note(what))

    def touch(self, op: Op) -> None:
        """Enter ``op``, which is about to be done."""
        if self.watch is not None:
            self.watch()
        self.ops.append(op)

    def close(self) -> None:
        self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:
            return apsw.VFSFile("", name, flags)  # a temporary file: nothing of it matters
        short = Path(path).name
        existed = Path(path).exists()
        file = _File(self, name, flags)
        if short not in self._files or not existed:
            self._files[short] = next(self._next)
            self.ops.append(Name(short, self._files[short]))
        file.number = self._files[short]
        file.syncs_directory = bool(flags[0] & _NEW and flags[0] & _JOURNALS)
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._files.pop(Path(filename).name, None)
        self.ops.append(Name(Path(filename).name, None, syncdir))


class _File(apsw.VFSFile):
    """One open file."""

    number: int
    syncs_directory: bool  # with its first sync, as SQLite's own layer does for a new journal

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if "write" in self._disk.failing:
            raise apsw.FullError("no space left on the device")
        self._disk.touch(Write(self.number, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.touch(Truncate(self.number, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        if "sync" in self._disk.failing:
            self._disk.touch(Sync(self.number, failed=True))
            raise apsw.IOError("the device did not take it")
        self._disk.touch(Sync(self.number, self.syncs_directory))
        self.syncs_directory = False


class Platter:
    """What is on the disk for sure, and what is on its way there. Files have numbers, from 0."""

    def __init__(self, image: Image) -> None:
        self._sure = {number: bytearray(data) for number, data in enumerate(image.values())}
        self._names = {name: number for number, name in enumerate(image)}
        self.files = len(image)  # that there ever were
        self._pending: dict[int, list[Write | Truncate]] = {}
        self._renamed: list[Name] = []

    @property
    def names(self) -> dict[str, int]:
        """The files as a running program sees them."""
        names = dict(self._names)
        for op in self._renamed:
            _rename(names, op)
        return names

    def apply(self, op: Op, rng: Random) -> None:
        """Go on by one op; ``rng`` decides what a failed sync leaves."""
        match op:
            case Write(file=file) | Truncate(file=file):
                self._pending.setdefault(file, []).append(op)
            case Sync(file=file, failed=True):
                self._sure[file] = self._survivor(file, rng)
                self._pending.pop(file, None)
            case Sync(file=file):
                content = self._sure.setdefault(file, bytearray())
                for done in self._pending.pop(file, ()):
                    _carry_out(content, done)
                if op.directory:
                    self._sync_names(self._renamed)
            case Name():
                self._renamed.append(op)
                if op.file is not None:
                    self.files = max(self.files, op.file + 1)
                if op.synced:
                    self._sync_names(self._renamed)
            case Note():
                pass

    def lose(self, rng: Random) -> Image:
        """Return the directory as the power loss leaves it, one of the many ways it may. `apply` can go on after."""
        names = dict(self._names)
        for op in self._renamed:
            if rng.random() < 0.5:
                _rename(names, op)
        return {name: bytes(self._survivor(file, rng)) for name, file in names.items()}

    def _sync_names(self, ops: list[Name]) -> None:
        for op in ops:
            _rename(self._names, op)
        self._renamed = []

    def _survivor(self, file: int, rng: Random) -> bytearray:
        """Return a file with some of what is pending: nothing, all, its first part, or any of its sectors."""
        content = bytearray(self._sure.get(file, b""))
        pending = self._pending.get(file, [])
        if not pending:
            return content
        filler = rng.choice([b"\0", b"\xff", b"\x5a"])
        how = rng.choice(["nothing", "all", "first", "some", "most"])
        first = rng.randrange(len(pending) + 1)
        odds = {"nothing": 0.0, "all": 1.0, "first": 1.0, "some": 0.5, "most": 0.9}[how]
        for op in pending[:first] if how == "first" else pending:
            for piece in _pieces(op):
                if rng.random() < odds:
                    _carry_out(content, piece, filler)
                elif how != "nothing" and isinstance(piece, Write) and rng.random() < 0.2:
                    _carry_out(content, _torn(piece, rng), filler)
        if rng.random() < 0.3:  # the size went to disk before the content did
            reached = max((op.at + len(op.data) for op in pending if isinstance(op, Write)), default=0)
            content.extend(filler * (reached - len(content)))
        return content


def read_image(directory: Path) -> Image:
    """Return the files in ``directory``, but for SQLite's shared memory, which is on no disk."""
    return {
        file.name: file.read_bytes()
        for file in sorted(directory.iterdir())
        if file.is_file() and not file.name.endswith("-shm")
    }


def write_image(image: Image, directory: Path) -> None:
    """Make the files of ``directory`` those of ``image``."""
    for file in directory.iterdir():
        if file.name not in image:
            file.unlink()
    for name, data in image.items():
        (directory / name).write_bytes(data)


def _rename(names: dict[str, int], op: Name) -> None:
    if op.file is None:
        names.pop(op.name, None)
    else:
        names[op.name] = op.file


def _carry_out(content: bytearray, op: Write | Truncate, filler: bytes = b"\0") -> None:
    if isinstance(op, Truncate):
        if op.size <= len(content):
            del content[op.size :]
        else:
            content.extend(filler * (op.size - len(content)))
        return
    content.extend(filler * (op.at - len(content)))
    content[op.at : op.at + len(op.data)] = op.data


def _pieces(op: Write | Truncate) -> list[Write | Truncate]:
    """Cut a write where sectors end."""
    if isinstance(op, Truncate):
        return [op]
    end = op.at + len(op.data)
    edges = [op.at, *range((op.at // SECTOR_BYTES + 1) * SECTOR_BYTES, end, SECTOR_BYTES), end]
    return [Write(op.file, a, op.data[a - op.at : b - op.at]) for a, b in itertools.pairwise(edges)]


def _torn(op: Write, rng: Random) -> Write:
    """Return the first or the last part of a sector's write: sectors are written from one end to the other."""
    cut = rng.randrange(len(op.data) + 1)
    if rng.random() < 0.5:
        return Write(op.file, op.at, op.data[:cut])
    return Write(op.file, op.at + cut, op.data[cut:])
