"""SQLite's write-ahead log as bytes: which frames count, and damage that SQLite itself would not mention. Read only.

On a start after a crash SQLite takes frames up to the first whose checksum is wrong, and silently drops the rest: right
for a torn end, a silent loss when a bit flipped in the middle. Here frames behind a damaged one are found and used. A
frame's checksum is seeded with that of the frame before (https://www.sqlite.org/fileformat2.html#walformat).
"""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

HEADER: Final = struct.Struct(">8I")  # magic, version, page size, checkpoint, salt, salt, checksum, checksum
FRAME: Final = struct.Struct(">6I")  # page, pages in the file after a commit or 0, salt, salt, checksum, checksum
MAGIC: Final = 0x377F0682  # its lowest bit set: checksums over big-endian words
MENDED: Final = 8  # damaged frames in a row whose page number is looked for; each costs some 10 ms
_MASK: Final = 0xFFFFFFFF

Sum = tuple[int, int]


@dataclass(slots=True)
class WalFile:
    """What a write-ahead log holds up to its last commit."""

    page_bytes: int = 0
    salts: tuple[int, int] = (0, 0)
    pages: dict[int, int] = field(default_factory=dict)
    """Page number -> offset of its newest frame."""
    page_count: int = 0
    """Of the whole log after the last commit; 0: no commit here."""
    damaged: list[int] = field(default_factory=list)
    """Numbers, from 1, of damaged frames that a commit follows; 0 is the header."""
    dropped: int = 0
    """Sound frames behind the first damaged one; SQLite would drop them."""
    unfinished: bool = False
    """After the last commit lie frames that were begun and are not whole: a crash in mid-commit, or damage to it."""


def checksum(seed: Sum, content: bytes, order: str) -> Sum:
    """Return SQLite's checksum of ``content``, a multiple of 8 bytes; ``order`` is struct's of its words."""
    one, two = seed
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for even, odd in zip(words, words, strict=True):
        one = (one + even + two) & _MASK
        two = (two + odd + one) & _MASK
    return one, two


def commits_behind(file: BinaryIO, frames: int) -> int:
    """Return how many transactions end behind frame number ``frames``; 0 when the header is damaged.

    Each commit is synced before the next one begins, so after a crash or a power loss there is at most one. A head that
    a power loss left half written, over older bytes, is none: it tells nothing of pages and their number.
    """
    head = file.read(HEADER.size)
    if len(head) < HEADER.size or not header_is_sound(head):
        return 0
    magic, _version, size, _checkpoint, *salts, one, two = HEADER.unpack(head)
    order = ">" if magic & 1 else "<"
    size += FRAME.size
    if frames:
        file.seek(HEADER.size + (frames - 1) * size)
        last = file.read(FRAME.size)
        if len(last) < FRAME.size:  # SQLite may still count what a new beginning has cut off
            return 0
        *_, one, two = FRAME.unpack(last)
    commits = 0
    file.seek(HEADER.size + frames * size)
    while len(frame := file.read(size)) == size:
        _page, count, *found, next_one, next_two = FRAME.unpack_from(frame)
        if count and found == salts:
            commits += _is_commit((one, two), frame, (next_one, next_two), order)
        one, two = next_one, next_two
    return commits


def _is_commit(seed: Sum, frame: bytes, stored: Sum, order: str) -> bool:
    """Return whether a frame with a number of pages in its head ended a transaction, though it may be damaged.

    ``seed``: the sum that stands in the frame before.
    """
    if checksum(seed, frame[:8] + frame[FRAME.size :], order) == stored:
        return True
    page, count = struct.unpack_from(">2I", frame)
    if not 0 < page <= count < 1 << 24:
        return False
    # What the sum says the head was, going backwards. If that makes sense, the head is what is wrong, not the content.
    page, count = _head_from_sum(seed, frame[FRAME.size :], stored, order)
    return count > 0 or not 0 < page < 1 << 24


def _head_from_sum(seed: Sum, content: bytes, stored: Sum, order: str) -> tuple[int, int]:
    """Return the page number and commit size with which a frame's sum would be right."""
    one, two = stored
    words = reversed(struct.unpack(f"{order}{len(content) // 4}I", content))
    for odd, even in zip(words, words, strict=True):
        two = (two - odd - one) & _MASK
        one = (one - even - two) & _MASK
    odd = (two - seed[1] - one) & _MASK
    even = (one - seed[0] - seed[1]) & _MASK
    page, count = struct.unpack(">2I", struct.pack(f"{order}2I", even, odd))
    return page, count


def header_is_sound(head: bytes) -> bool:
    """Return whether a write-ahead log that begins with ``head`` has nothing behind it, or its header is sound."""
    if len(head) < HEADER.size:
        return True
    magic, *_, one, two = HEADER.unpack(head[: HEADER.size])
    return magic & ~1 == MAGIC and checksum((0, 0), head[:24], ">" if magic & 1 else "<") == (one, two)


def holds_more(file: BinaryIO, log: BinaryIO, page_bytes: int) -> bool:
    """Return whether a write-ahead log with a damaged header has commits that are not in the main file ``log``.

    Before the header is written anew, all behind it was written to the main file and synced. So a power loss that tore
    the header has cost nothing, and a bit flipped in it has, unless the same is true.
    """
    found = scan(file, page_bytes)
    for page, offset in found.pages.items():
        file.seek(offset + FRAME.size)
        log.seek((page - 1) * found.page_bytes)
        if file.read(found.page_bytes) != log.read(found.page_bytes):
            return True
    return False


def scan(file: BinaryIO, page_bytes: int) -> WalFile:
    """Read a whole write-ahead log. ``page_bytes``: of the log's pages, for a damaged header."""
    file.seek(0)
    head = file.read(HEADER.size)
    found = WalFile(page_bytes)
    if len(head) < HEADER.size:
        return found
    magic, _version, size, _checkpoint, *salts, one, two = HEADER.unpack(head)
    order = ">" if magic & 1 else "<"
    computed = checksum((0, 0), head[:24], order)
    sound = magic & ~1 == MAGIC and computed == (one, two)
    if sound:
        found.page_bytes = size
        found.salts = (salts[0], salts[1])
    first = file.read(FRAME.size)
    if len(first) < FRAME.size:
        return found
    if not sound:  # then a frame tells the salts; what follows shows whether any of it is worth having
        found.salts = FRAME.unpack(first)[2:4]
        found.damaged.append(0)
        order = "<" if magic & ~1 != MAGIC else order
    file.seek(HEADER.size)
    _frames(file, found, [(one, two)] if sound else [(one, two), computed], order)
    if found.page_count == 0:
        found.damaged.clear()
    return found


def _frames(file: BinaryIO, found: WalFile, seeds: list[Sum], order: str) -> None:
    """Read the frames; ``seeds``: what the first one's checksum may be seeded with."""
    suspects: list[int] = []  # not as they should be, since the last commit
    pages: dict[int, int] = {}  # of the transaction being read
    sound, size = 0, found.page_bytes
    begin = file.tell()
    count_all = (file.seek(0, 2) - begin) // (FRAME.size + size)  # a server may add more all the time
    file.seek(begin)
    for number in range(1, count_all + 1):
        frame = file.read(FRAME.size + size)
        if len(frame) < FRAME.size + size:
            break
        offset = HEADER.size + (number - 1) * len(frame)
        page, count, *salts, one, two = FRAME.unpack_from(frame)
        ours = tuple(salts) == found.salts
        content = frame[:8] + frame[FRAME.size :]
        # A frame with other salts is left over from before the last reset, unless its sum shows that it is ours.
        computed = [checksum(seed, content, order) for seed in seeds] if ours or not suspects else []
        if (one, two) in computed and not ours:
            suspects.append(number)
        if (one, two) not in computed:
            if ours and len(suspects) < MENDED:
                page, count = _mended(frame, seeds, (one, two), order) or (page, count)
            suspects.append(number)
            seeds = [(one, two), *computed[:2]]
            if 0 < page < 1 << 31:
                pages[page] = offset
            found.unfinished |= ours
            continue
        seeds = [(one, two)]
        pages[page] = offset
        sound += bool(suspects or found.damaged)
        if count:
            found.pages.update(pages)
            found.damaged += suspects
            found.page_count, found.unfinished = count, False
            found.dropped = sound
            pages.clear()
            suspects.clear()


def _mended(frame: bytes, seeds: list[Sum], stored: Sum, order: str) -> tuple[int, int] | None:
    """Return the page number and commit size of a frame in whose first eight bytes one bit flipped; None: elsewhere."""
    begin = int.from_bytes(frame[:8], "big")
    for bit in range(64):
        head = (begin ^ 1 << bit).to_bytes(8, "big")
        if any(checksum(seed, head + frame[FRAME.size :], order) == stored for seed in seeds):
            page, count = struct.unpack(">2I", head)
            return page, count
    return None
