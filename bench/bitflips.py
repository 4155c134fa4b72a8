"""How much damage an audit finds: one random bit flipped in each of many stored rows, and in the write-ahead log.

A log is written through the program's own `Log` and vacuumed, so that every byte of a cell belongs to a row. A flip
lies anywhere in a row's cell: lengths, column types, numbers, text, checksum, pointers to and contents of overflow
pages; not in the page number before a row in an inner page of the tree, which is no part of the row.
"""

import argparse
import collections
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import apsw

from broker.audit import Audit
from broker.btree import INDEX, Cell, Pages, Tree, page_bytes, record, roots, values
from broker.log import Extra, Log, inbox_name
from broker.walfile import FRAME, HEADER, WalFile

ROOMS = ("#tea", "#cake", "#long-names-are-rooms-too", inbox_name(b"a" * 16), inbox_name(b"b" * 16))


class Flip(NamedTuple):
    """What came of one flipped bit."""

    found: bool
    named: bool  # that row and no other


class Stored(NamedTuple):
    """Where a row lies in the file."""

    room: str
    seq: int
    spans: list[tuple[int, int]]  # first byte and the one after the last


def fill(log: Log, messages: int, rng: random.Random) -> None:
    """Write messages of every kind; a few are long enough to need pages of their own."""
    for number in range(messages):
        room = rng.choice(ROOMS)
        words = rng.choice((3, 3, 10, 10, 40, 600 if number % 40 == 0 else 20))
        text = " ".join(rng.choice(("tea", "cake", "żółć", "🦆", "moot")) for _ in range(words))
        extra = rng.choice((None, None, Extra(reply=number), Extra(to="bob", cmd="/x")))
        sender = rng.choice((b"a", b"b", b"c")) * 16
        cmid = None if room[0] == "~" and number % 2 else f"cmid-{number}"
        log.append(room, sender, cmid, 1_790_000_000_000 + number, "ann", "text", text, extra)
        if number % 20 == 19:
            log.commit()
    log.commit()


def stored_rows(path: Path) -> list[Stored]:
    """Find every message's bytes in a log without a write-ahead log."""
    found = []
    with path.open("rb") as file:
        pages = Pages(file, None, WalFile(), page_bytes(file.read(100)))
        tables = roots(pages)
        rooms = Tree(pages, tables["rooms"], table=True).entries()
        names = {entry.rowid: entry.values[1] for entry in rooms if entry.values is not None}
        tree = Tree(pages, tables["messages"], table=False)
        todo = [tables["messages"]]
        while todo:
            number = todo.pop()
            page = pages[number]
            cells, right = tree.cells(page, number)
            todo += [right, *(cell.child for cell in cells)] if INDEX[page[0]] else []
            for cell in cells:
                types, begin, _ = record(page, cell.begin)
                id_, seq = values(types[:2], page, begin)
                found.append(Stored(names[id_], seq, spans(pages, tree, number, cell)))
    return sorted(found)


def spans(pages: Pages, tree: Tree, number: int, cell: Cell) -> list[tuple[int, int]]:
    """Return where in the file the bytes of a cell lie, those on overflow pages too."""
    here = (number - 1) * pages.size
    local = tree.local(cell.length)
    end = cell.begin + local
    left = cell.length - local
    following = int.from_bytes(pages[number][end : end + 4], "big") if left else 0
    found = [(here + cell.at, here + end + (4 if left else 0))]
    while left > 0:
        there = (following - 1) * pages.size
        taken = min(left, pages.size - 4)
        found.append((there, there + 4 + taken))
        left -= taken
        following = int.from_bytes(pages[following][:4], "big")
    return found


def audited(path: Path) -> tuple[bool, set[tuple[str, int]]]:
    """Return whether anything is wrong, and every message that is named."""
    with Audit(path, live=False) as audit:
        for _ in audit.rows():
            pass
        audit.structure()
        named = {(each.room, seq) for each in audit.damage if each.first for seq in range(each.first, each.last + 1)}
        return bool(audit.damage), named


def flip(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def flip_rows(directory: Path, messages: int, flips: int, rng: random.Random) -> list[Flip]:
    """Write a log, and flip one bit in each of ``flips`` rows of it, in a fresh copy each time."""
    path = directory / "rows.db"
    log = Log(path)
    fill(log, messages, rng)
    log.close()
    connection = apsw.Connection(str(path))
    connection.execute("VACUUM").fetchall()
    connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    connection.close()
    assert audited(path) == (False, set())
    whole = path.read_bytes()
    stored = stored_rows(path)
    assert len(stored) == messages
    copy = directory / "flipped.db"
    results = []
    for row in rng.sample(stored, flips) if flips <= messages else rng.choices(stored, k=flips):
        places = [at for begin, end in row.spans for at in range(begin, end)]
        at, bit = rng.choice(places), rng.randrange(8)
        copy.write_bytes(flip(whole, at, bit))
        found, named = audited(copy)
        results.append(Flip(found, named == {(row.room, row.seq)}))
        if not results[-1].named:
            print(f"  {row.room} {row.seq}, byte {at}, bit {bit}: found {found}, named {sorted(named)[:5]}")
    return results


def flip_frames(directory: Path, flips: int, rng: random.Random) -> dict[str, list[Flip]]:
    """Flip bits of a write-ahead log, by where they lie; `named`: the right frame."""
    path, copy = directory / "frames.db", directory / "frames-flipped.db"
    log = Log(path)
    fill(log, 300, rng)
    whole = path.with_name("frames.db-wal").read_bytes()
    copy.write_bytes(path.read_bytes())
    log.close()
    size = FRAME.size + page_bytes(copy.read_bytes()[:100])
    last = (len(whole) - HEADER.size) // size
    results = collections.defaultdict(list)
    for _ in range(flips):
        number, bit = rng.randrange(last + 1), rng.randrange(8)  # half of them in headers, small as they are
        begin = HEADER.size + (number - 1) * size
        at = (
            rng.choice((rng.randrange(FRAME.size), rng.randrange(size))) + begin
            if number
            else rng.randrange(begin + size)
        )
        copy.with_name("frames-flipped.db-wal").write_bytes(flip(whole, at, bit))
        with Audit(copy, live=False) as audit:
            for _row in audit.rows():
                pass
            told = audit.wal.unfinished
            result = Flip(bool(audit.damage), audit.wal.damaged == [number])
        if number == last:
            results["the last frame, said to be unfinished"].append(Flip(told, told))
        else:
            place = "header" if number == 0 else "page" if (at - HEADER.size) % size >= FRAME.size else "frame header"
            results[place].append(result)
            if not result.named:
                print(f"  frame {number} of {last}, byte {at}, bit {bit}: {result}")
    return results


def line(what: str, results: list[Flip]) -> str:
    found, named = (sum(each[place] for each in results) for place in (0, 1))
    return f"{what:40} {len(results):6} {found:10} {named:18}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=1000, help="flips, each in another stored row")
    parser.add_argument("--frames", type=int, default=200, help="flips in a write-ahead log")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    rng = random.Random(options.seed)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        rows = flip_rows(Path(directory), options.messages, options.rows, rng)
        each_ms = (time.monotonic() - begin) * 1000 / max(1, len(rows))
        frames = flip_frames(Path(directory), options.frames, rng)
    print(f"{'one flipped bit in':40} {'flips':>6} {'detected':>10} {'named, alone':>18}")
    print(line(f"a stored row (of {options.messages})", rows))
    for place, results in sorted(frames.items()):
        print(line(f"the write-ahead log: {place}", results))
    print(f"an audit took {each_ms:.0f} ms")
    return 0 if all(each.found for each in [*rows, *(one for each in frames.values() for one in each)]) else 1


if __name__ == "__main__":
    sys.exit(main())
