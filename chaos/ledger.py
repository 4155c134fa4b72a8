"""What a log must hold after a power loss: a ledger kept apart from it, and the comparison.

Reads the log's file past the log too, with every checksum made again. Knows no disks and no chance.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

from broker import chain
from broker.log import Log, LogError
from chaos.disk import Image, write_image

FILE: Final = "moot.db"
PEOPLE: Final = {name: name.encode() * 4 for name in ("anna", "bert", "cleo")}
ROOMS: Final = ("#tea", "#cake", "#späti")

OpenLog = Callable[[Path, str | None], Log]
Row = chain.Columns


@dataclass(frozen=True, slots=True)
class Kept:
    """One room at one moment."""

    pruned: int
    last: int
    topic: str


NOTHING: Final = Kept(0, 0, "")
Moment = dict[str, Kept]  # never changed in place


@dataclass(frozen=True, slots=True)
class Trying:
    """Noted before a commit: this is what will be there if it succeeds."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class Held:
    """Noted when the log has promised this: senders have been answered."""

    moment: Moment
    epoch: str


@dataclass(slots=True)
class Ledger:
    """What the log was given, apart from the log. A room's rows are in order from seq 1, pruned ones too."""

    now: Moment = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    epoch: str = ""

    def at(self, moment: Moment) -> "Ledger":
        """Return the ledger of a log that goes on from ``moment``: what came later is not there."""
        return Ledger(moment, {room: self.rows[room][: kept.last] for room, kept in moment.items()}, self.epoch)

    def expected(self, moment: Moment) -> dict[str, list[Row]]:
        return {room: self.rows[room][kept.pruned : kept.last] for room, kept in moment.items() if kept.last}


@dataclass(slots=True)
class Tally:
    """What came of some losses."""

    losses: int = 0
    rows: int = 0  # acknowledged ones, looked for after a loss
    lost: int = 0  # of those, not found as they were
    corrupt: int = 0  # logs that did not open, or were wrong in any other way
    problems: list[str] = field(default_factory=list)  # the first of them

    def report(self, problem: str) -> None:
        if len(self.problems) < 20:
            self.problems.append(problem)


def stored(path: Path) -> dict[str, tuple[Kept, list[Row]]]:
    """Return what is in a log's file, read past the log, every checksum made again. Raises ValueError or apsw.Error."""
    found = {}
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        if (verdict := db.pragma("integrity_check")) != "ok":
            raise ValueError(f"SQLite finds: {verdict}")
        rooms: list[Any] = db.execute("SELECT * FROM rooms").fetchall()
        for id_, name, topic, pruned, base, last, head, total in rooms:
            if chain.of_room(name, topic, pruned, base, last, head) != total:
                raise ValueError(f"{name}: the sum of the room is wrong")
            rows: list[Row] = []
            before, at = base, pruned
            query = (
                "SELECT seq, time, sender, cmid, nick, kind, text, extra, sum FROM messages WHERE room = ? ORDER BY seq"
            )
            for *columns, sum_ in db.execute(query, (id_,)):
                row: Row = tuple(columns)
                before, at = chain.link(before, row), at + 1
                if row[0] != at or sum_ != before:
                    raise ValueError(f"{name}: {row[0]} stands where {at} should, or its sum is wrong")
                rows.append(row)
            if (at, before) != (last, head):
                raise ValueError(f"{name}: it ends at {at} and should at {last}, or its last sum is wrong")
            found[name] = Kept(pruned, last, topic), rows
    return found


class Inspector:
    """Opens what losses leave and compares it with the ledger."""

    def __init__(self, directory: Path, tally: Tally, open_log: OpenLog) -> None:
        self.path = directory / FILE
        self.tally = tally
        self.open_log = open_log

    def inspect(self, image: Image, ledger: Ledger, held: Held, trying: Trying | None, where: str) -> Moment | None:
        """Return which of the allowed moments was found, None when none was."""
        tally = self.tally
        tally.losses += 1
        expected = ledger.expected(held.moment)
        acknowledged = sum(len(rows) for rows in expected.values())
        tally.rows += acknowledged
        write_image(image, self.path.parent)
        try:
            log = self.open_log(self.path, None)
        except LogError as err:
            tally.corrupt += 1
            tally.lost += acknowledged
            tally.report(f"{where}: {err}")
            return None
        try:
            return self._compare(log, ledger, held, trying, where)
        except (ValueError, LogError, apsw.Error, AssertionError) as err:
            tally.corrupt += 1
            tally.report(f"{where}: {err}")
            return None
        finally:
            log.close()

    def _compare(self, log: Log, ledger: Ledger, held: Held, trying: Trying | None, where: str) -> Moment | None:
        found = stored(self.path)
        rows = {room: rows for room, (_, rows) in found.items() if rows}
        heads = {room: kept for room, (kept, _) in found.items()}
        for moment in (held.moment, trying.moment if trying else held.moment):
            wanted = {room: rows for room, rows in ledger.expected(moment).items() if rows}
            if rows == wanted and all(heads.get(room, NOTHING) == kept for room, kept in moment.items()):
                break
        else:
            self._count_lost(rows, ledger.expected(held.moment), where)
            return None
        if held.moment and held.epoch and log.epoch != held.epoch:
            raise ValueError(f"the epoch {held.epoch} became {log.epoch}")
        for room, kept in moment.items():
            served = [
                (msg.seq, msg.time, msg.nick, msg.text) for msg in log.after(room, kept.pruned, kept.last).messages
            ]
            if served != [(row[0], row[1], row[4], row[6]) for row in ledger.rows[room][kept.pruned : kept.last]]:
                raise ValueError(f"{room}: something else is served than is stored")
        self._go_on(log, ledger, moment)
        return moment

    def _count_lost(self, rows: dict[str, list[Row]], wanted: dict[str, list[Row]], where: str) -> None:
        missing = [(room, row[0]) for room, many in wanted.items() for row in many if row not in rows.get(room, [])]
        self.tally.lost += len(missing)
        if missing:
            self.tally.report(f"{where}: lost {missing[:5]}")
        else:
            self.tally.corrupt += 1
            self.tally.report(f"{where}: there is more than was said, or only a part of a transaction")

    def _go_on(self, log: Log, ledger: Ledger, moment: Moment) -> None:
        """It works as before: the next seqs are the next, and what is retried is found."""
        for room in ROOMS:
            kept = moment.get(room, NOTHING)
            if kept.last > kept.pruned:
                row = ledger.rows[room][kept.last - 1]
                again = log.find(row[2], row[3] or "")
                assert again is not None, f"{room} {row[0]} is not found by its cmid"
                assert again.msg.seq == row[0], f"{room} {row[0]} is found as {again.msg.seq}"
            msg = log.append(room, PEOPLE["cleo"], f"on-{room[1:3]}", 1, "cleo", "text", "on")
            assert msg.seq == kept.last + 1, f"{room} goes on at {msg.seq} after {kept.last}"
        log.commit()
        for room, (kept, rows) in stored(self.path).items():
            assert room not in ROOMS or rows[-1][6] == "on", f"{room} ends at {kept.last} with {rows[-1]}"
