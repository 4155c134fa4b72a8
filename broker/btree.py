"""SQLite's file format, read without SQLite: pages, records, and the entries of a b-tree in order. Knows no tables.

SQLite stops at the first page it finds malformed, and finds a row only where its key belongs. This reader goes around
what is damaged and hands out every entry that is physically there, so that one bad byte costs one row. It reads
through the write-ahead log and never writes. https://www.sqlite.org/fileformat2.html
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from broker.walfile import FRAME, WalFile

MAGIC: Final = b"SQLite format 3\0"
PAGE_BYTES: Final = 4096  # SQLite's default; taken when the header of the file is damaged
INDEX: Final = {2: True, 10: False}  # types of pages of an index or a table WITHOUT ROWID -> interior or not
TABLE: Final = {5: True, 13: False}
_MAX_DEPTH: Final = 20
_SIZES: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)  # bytes of a value by its serial type

Key = tuple[Any, ...]


class Malformed(Exception):
    """It cannot be read as what it should be."""


@dataclass(frozen=True, slots=True)
class NotText:
    """A text that cannot be decoded."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a b-tree, damaged or not, in the place where it was found."""

    page: int
    rowid: int  # 0 in an index
    values: tuple[Any, ...] | None  # `NotText` for text that is not UTF-8; None: no record can be read there
    whole: bool  # its length is as the page says


class Pages:
    """The pages of a log as of its last commit.

    While a server writes, the caller holds a read transaction from before the construction: then no page can change
    under us, and a write-ahead log that begins anew is wholly in the file.
    """

    def __init__(self, file: BinaryIO, wal_file: BinaryIO | None, wal: WalFile, page_bytes: int) -> None:
        self._file = file
        self._wal_file = wal_file
        self._wal = wal
        self.size = page_bytes
        file.seek(0, 2)
        self.count = wal.page_count or file.tell() // page_bytes

    def __getitem__(self, number: int) -> bytes:
        """Return a page. Raises `Malformed`, `OSError`."""
        if not 1 <= number <= self.count:
            raise Malformed(f"there is no page {number}")
        offset = self._wal.pages.get(number)
        if offset is not None and self._wal_file is not None:
            self._wal_file.seek(offset)
            frame = self._wal_file.read(FRAME.size + self.size)
            if len(frame) == FRAME.size + self.size and (self._is_ours(frame) or offset in self._suspect):
                return frame[FRAME.size :]
        self._file.seek((number - 1) * self.size)
        page = self._file.read(self.size)
        if len(page) < self.size:
            raise Malformed(f"page {number} is cut short")
        return page

    def _is_ours(self, frame: bytes) -> bool:
        return tuple(FRAME.unpack_from(frame)[2:4]) == self._wal.salts

    @property
    def _suspect(self) -> set[int]:
        return {32 + (number - 1) * (FRAME.size + self.size) for number in self._wal.damaged}


def page_bytes(head: bytes) -> int:
    """Return the page size that the first bytes of a log name, the usual one when they are damaged."""
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    return size if head[:16] == MAGIC and size >= 512 and size & (size - 1) == 0 else PAGE_BYTES


def varint(content: bytes, at: int) -> tuple[int, int]:
    """Return the number at ``at`` and where it ends. Raises `IndexError`."""
    value = 0
    for index in range(at, at + 8):
        byte = content[index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    return value << 8 | content[at + 8], at + 9


def record(content: bytes, at: int = 0) -> tuple[list[int], int, int]:
    """Return the serial types of the record at ``at``, where its values begin, and its length. Raises `IndexError`."""
    size, begin = varint(content, at)
    end = at + size
    types = []
    total = size
    while begin < end:
        kind = content[begin]
        if kind < 0x80:
            begin += 1
        else:
            kind, begin = varint(content, begin)
        types.append(kind)
        total += (kind - 12) >> 1 if kind >= 12 else _SIZES[kind]
    return types, begin, total


def values(types: list[int], content: bytes, at: int) -> tuple[Any, ...]:
    """Return the values of a record; ``content`` is long enough."""
    found: list[Any] = []
    for kind in types:
        if kind >= 12:
            size = (kind - 12) >> 1
            raw = content[at : at + size]
            if kind & 1:
                try:
                    found.append(raw.decode())
                except UnicodeDecodeError:
                    found.append(NotText(raw))
            else:
                found.append(raw)
        elif kind in (8, 9):
            size = 0
            found.append(kind - 8)
        elif kind == 7:
            size = 8
            found.append(struct.unpack(">d", content[at : at + 8])[0])
        else:
            size = _SIZES[kind]
            found.append(int.from_bytes(content[at : at + size], "big", signed=True) if size else None)
        at += size
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cell:
    """Where an entry lies in its page. ``begin`` is the first byte of its record; 0: the cell is not to be found."""

    at: int  # first byte, the child's number not counted
    child: int  # page of the entries before it; 0 in a leaf
    rowid: int
    begin: int
    length: int  # of the record, as the cell says


class Tree:
    """The b-tree whose root is ``root``, of an index or of a table.

    ``fits``: tells a record of this tree from others. With it, a page that does not belong where a pointer says is not
    taken, and pages that nothing points to any more are found and put in their place by their keys.
    """

    def __init__(self, pages: Pages, root: int, *, table: bool, fits: Callable[[Key], bool] | None = None) -> None:
        self._pages = pages
        self._fits = fits
        self._orphans: list[tuple[Key, int]] | None = None  # first key and page, ascending; None: not looked for yet
        self._root = root
        self._kinds = TABLE if table else INDEX
        usable = pages.size
        self._most = usable - 35 if table else (usable - 12) * 64 // 255 - 23
        self._least = (usable - 12) * 32 // 255 - 23
        self._seen = bytearray(pages.count // 8 + 1)
        self.lost: list[int] = []
        """Pages that should hold entries of this tree and do not."""
        self.last_page = b""
        """The page from which an entry was handed out last."""

    def entries(self) -> Iterator[Entry]:
        """Yield every entry in the order of the tree; raises nothing that damage can cause."""
        return self._walk(self._root, 0, (), ())

    def _walk(self, number: int, depth: int, low: Key, high: Key) -> Iterator[Entry]:
        """``low`` and ``high``: keys between which those of this page must be; (): not known."""
        page = self._page(number)
        if page is None or not self._belongs(page, number, low, high):
            # A wrong pointer leaves its page without one. Where there is none such, a key beside the pointer is wrong.
            instead = self._between(low, high)
            if page is None or instead:
                self.lost.append(number)
                for other, content in instead:
                    yield from self._page_entries(content, other, depth, low, high)
                return
        yield from self._page_entries(page, number, depth, low, high)

    def _page_entries(self, page: bytes, number: int, depth: int, low: Key, high: Key) -> Iterator[Entry]:
        if depth > _MAX_DEPTH:
            return
        self._seen[number >> 3] |= 1 << (number & 7)
        interior = self._kinds[page[_start(number)]]
        cells, right = self.cells(page, number)
        for cell in cells:
            if interior and self._kinds is INDEX:
                key = self._key(page, number, cell)
                yield from self._walk(cell.child, depth + 1, low, key or high)
                low = key or low
            elif interior:
                yield from self._walk(cell.child, depth + 1, (), ())
            if not interior or self._kinds is INDEX:
                self.last_page = page
                yield self._entry(page, number, cell)
        if interior:
            yield from self._walk(right, depth + 1, low, high)

    def _page(self, number: int) -> bytes | None:
        """Return a page that can be one of this tree and was not walked yet."""
        if not 1 <= number <= self._pages.count or self._seen[number >> 3] >> (number & 7) & 1:
            return None
        try:
            page = self._pages[number]
        except (Malformed, OSError):
            return None
        return page if page[_start(number)] in self._kinds else None

    def _key(self, page: bytes, number: int, cell: Cell) -> Key:
        """Return the first two values of an entry, () when they are not to be had."""
        found = self._entry(page, number, cell).values
        return found[:2] if found is not None and self._fits is not None and self._fits(found) else ()

    def _belongs(self, page: bytes, number: int, low: Key, high: Key) -> bool:
        """Return whether any of three keys of the page is where it must be; a single one may be damaged."""
        if self._fits is None or number == self._root:
            return True
        cells, _right = self.cells(page, number)
        few = [cells[0], cells[len(cells) // 2], cells[-1]] if cells else []
        keys = [key for cell in few if (key := self._key(page, number, cell))]
        return not few or any((not low or low < key) and (not high or key < high) for key in keys)

    def _between(self, low: Key, high: Key) -> list[tuple[int, bytes]]:
        """Return the pages without a pointer whose keys are in this range."""
        if self._fits is None:
            return []
        if self._orphans is None:
            self._orphans = orphans(self._pages, self._fits)
        fitting = [number for key, number in self._orphans if (not low or low < key) and (not high or key < high)]
        pages = [(number, page) for number in fitting if (page := self._page(number)) is not None]
        return [(number, page) for number, page in pages if self._belongs(page, number, low, high)]

    def cells(self, page: bytes, number: int) -> tuple[list[Cell], int]:
        """Return the cells of a page of this tree, and the page of the entries after them (of a leaf: any number)."""
        start = _start(number)
        interior = self._kinds[page[start]]
        count, right = struct.unpack_from(">3xH3xI", page, start)
        first = start + (12 if interior else 8)
        count = min(count, (len(page) - first) // 2)
        return [self._cell(page, at, interior) for at in struct.unpack_from(f">{count}H", page, first)], right

    def _cell(self, page: bytes, at: int, interior: bool) -> Cell:
        child = rowid = length = 0
        try:
            if interior:
                (child,) = struct.unpack_from(">I", page, at)
                at += 4
            begin = at
            if not interior or self._kinds is INDEX:
                length, at = varint(page, at)
            if self._kinds is TABLE:
                rowid, at = varint(page, at)
        except (IndexError, struct.error):
            return Cell(at, child, rowid, 0, 0)
        return Cell(begin, child, rowid, at, length)

    def _entry(self, page: bytes, number: int, cell: Cell) -> Entry:
        """Read what a cell holds. The record itself says its length too; where the cell disagrees, it is not whole."""
        nothing = Entry(number, cell.rowid, None, whole=False)
        if cell.begin == 0:
            return nothing
        try:
            types, begin, length = record(page, cell.begin)
            content = page
            if length > self._most:
                content, begin = self._joined(page, cell.begin, length), begin - cell.begin
            elif cell.begin + length > len(page):
                return nothing
            return Entry(number, cell.rowid, values(types, content, begin), whole=length == cell.length)
        except (IndexError, Malformed, OSError):
            return nothing

    def _joined(self, page: bytes, begin: int, length: int) -> bytes:
        """Return a record of which only the first part lies in its cell. Raises `Malformed`, `OSError`."""
        parts = [page[begin : begin + self.local(length)]]
        left = length - len(parts[0])
        at = begin + len(parts[0])
        if left > self._pages.count * self._pages.size or at + 4 > len(page):
            raise Malformed("a record longer than the log")
        following = int.from_bytes(page[at : at + 4], "big")
        while left > 0:
            more = self._pages[following]
            parts.append(more[4 : 4 + left])
            left -= len(parts[-1])  # a page is never empty
            following = int.from_bytes(more[:4], "big")
        return b"".join(parts)

    def local(self, length: int) -> int:
        """Return how many bytes of a record of ``length`` bytes lie in its cell; the rest is on overflow pages."""
        if length <= self._most:
            return length
        kept = self._least + (length - self._least) % (self._pages.size - 4)
        return kept if kept <= self._most else self._least


def _start(number: int) -> int:
    """Return where the b-tree begins in a page: the first page begins with the header of the file."""
    return 100 if number == 1 else 0


def roots(pages: Pages) -> dict[str, int]:
    """Return the root pages of the tables and indexes that can be read from the schema, by name."""
    found = {}
    for entry in Tree(pages, 1, table=True).entries():
        match entry.values:
            case ("table" | "index", str(name), _, int(root), *_):
                found[name] = root
    return found


def orphans(pages: Pages, fits: Callable[[Key], bool]) -> list[tuple[Key, int]]:
    """Return the index pages with records as ``fits`` says that no other such page points to, by their first key.

    Without damage that is the root of one tree, and pages no longer in use.
    """
    children: set[int] = set()
    found: list[tuple[Key, int]] = []
    tree = Tree(pages, 0, table=False, fits=fits)
    for number in range(2, pages.count + 1):
        page = tree._page(number)
        if page is None:
            continue
        interior = INDEX[page[0]]
        cells, right = tree.cells(page, number)
        first = next(filter(None, (tree._key(page, number, cell) for cell in cells)), None)
        if first is not None:
            found.append((first, number))
            children.update([right, *(cell.child for cell in cells)] if interior else [])
    return sorted(each for each in found if each[1] not in children)
