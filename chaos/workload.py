"""A log at work on a recording disk, with a ledger of what it must hold. Everything follows from the chance given."""

import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw

from broker.log import Log, inbox_name
from chaos.disk import Disk, Image, read_image
from chaos.ledger import FILE, NOTHING, PEOPLE, ROOMS, Held, Kept, Ledger, OpenLog, Row, Trying

_FIRST_FORMAT: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE rooms (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, topic TEXT NOT NULL) STRICT;
CREATE TABLE messages (
    room INTEGER NOT NULL REFERENCES rooms (id), seq INTEGER NOT NULL, time INTEGER NOT NULL, sender BLOB NOT NULL,
    cmid TEXT, nick TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, extra TEXT, PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX messages_once ON messages (sender, cmid) WHERE cmid IS NOT NULL;
INSERT INTO meta VALUES ('epoch', '0123456789abcdef');
PRAGMA user_version = 1;
"""


class Workload:
    """A log at work, and the ledger that says what it must hold."""

    def __init__(self, disk: Disk, directory: Path, ledger: Ledger, rng: Random, open_log: OpenLog) -> None:
        self.disk = disk
        self.path = directory / FILE
        self.ledger = ledger
        self.rng = rng
        self.open_log = open_log
        self.log = self._open()
        self.number = sum(len(rows) for rows in ledger.rows.values()) * 1000

    def _open(self) -> Log:
        log = self.open_log(self.path, self.disk.name)
        log._db.pragma("wal_autocheckpoint", self.rng.choice([3, 10, 40, 1000]))
        log._db.pragma("cache_size", self.rng.choice([5, 2000]))  # a small one writes before the commit
        self.ledger.epoch = log.epoch
        self.disk.note(Held(self.ledger.now, log.epoch))
        return log

    def run(self, transactions: int) -> None:
        for _ in range(transactions):
            self._transact()
            chance = self.rng.random()
            if chance < 0.03:
                self.log.close()
                self.log = self._open()
            elif chance < 0.1:
                self._prune()
        self.log.close()

    def _transact(self) -> None:
        rng, log = self.rng, self.log
        rows: dict[str, list[Row]] = {}
        topics: dict[str, str] = {}
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            what = rng.random()
            if what < 0.15:
                self._retry()
            elif what < 0.3:
                sender, other = rng.sample(list(PEOPLE), 2)
                self._say(rows, inbox_name(PEOPLE[sender]), sender, "text", True)
                self._say(rows, inbox_name(PEOPLE[other]), sender, "text", False)
            else:
                kind = "topic" if what < 0.4 else "text"
                room = rng.choice(ROOMS)
                row = self._say(rows, room, rng.choice(list(PEOPLE)), kind, True)
                if kind == "topic":
                    topics[room] = row[6]
        if rng.random() < 0.1:
            log.rollback()
            return
        now = self.ledger.now
        after = dict(now)
        for room, new in rows.items():
            kept = now.get(room, NOTHING)
            after[room] = Kept(kept.pruned, kept.last + len(new), topics.get(room, kept.topic))
        self.disk.note(Trying(after))
        log.commit()
        self.disk.note(Held(after, log.epoch))
        self.ledger.now = after
        for room, new in rows.items():
            self.ledger.rows.setdefault(room, []).extend(new)

    def _say(self, rows: dict[str, list[Row]], room: str, sender: str, kind: Any, named: bool) -> Row:
        self.number += 1
        cmid = f"c{self.number}" if named else None
        text = f"{self.number} " + "grüße " * self.rng.choice([0, 1, 3, 300, 1500 if kind == "text" else 0])
        msg = self.log.append(room, PEOPLE[sender], cmid, self.number, sender, kind, text)
        row = (msg.seq, self.number, PEOPLE[sender], cmid, sender, kind, text, None)
        rows.setdefault(room, []).append(row)
        return row

    def _retry(self) -> None:
        """Ask for something said long ago, as a sender does whose acknowledgement was lost."""
        room = self.rng.choice(list(self.ledger.now) or [""])
        kept = self.ledger.now.get(room)
        if kept is None or kept.last == kept.pruned:
            return
        row = self.ledger.rows[room][self.rng.randrange(kept.pruned, kept.last)]
        if row[3] is not None:
            found = self.log.find(row[2], row[3])
            assert found is not None, f"{row[3]} is forgotten"
            assert (found.room, found.msg.seq, found.msg.text) == (room, row[0], row[6]), f"{row[3]} is another now"

    def _prune(self) -> None:
        """Remove the oldest of a room, as retention does."""
        room = self.rng.choice(ROOMS)
        kept = self.ledger.now.get(room)
        if kept is None:
            return
        keep = self.rng.choice([1, 3, 10, 50])
        removed = self.log.prune(room, keep, 0, self.rng.choice([1, 5, 250]))
        after = {**self.ledger.now, room: Kept(kept.pruned + removed, kept.last, kept.topic)}
        self.disk.note(Trying(after))
        self.log.commit()
        self.disk.note(Held(after, self.log.epoch))
        self.ledger.now = after


def first_format(ledger: Ledger, rng: Random) -> Image:
    """Return a log as the first version wrote it, and enter it in ``ledger``."""
    with tempfile.TemporaryDirectory() as directory:
        with closing(apsw.Connection(str(Path(directory, FILE)))) as db:
            db.pragma("journal_mode", "wal")
            db.execute(_FIRST_FORMAT)
            for id_, room in enumerate([*ROOMS, *map(inbox_name, PEOPLE.values())], 1):
                count = rng.choice([0, 1, 7, 60])
                rows: list[Row] = []
                for seq in range(1, count + 1):
                    text = f"{room} {seq} " + "alt " * rng.choice([0, 1, 500])
                    rows.append((seq, seq, PEOPLE["anna"], f"v1-{id_}-{seq}", "anna", "text", text, None))
                db.execute("INSERT INTO rooms VALUES (?, ?, ?)", (id_, room, f"about {room}"))
                db.executemany(f"INSERT INTO messages VALUES ({id_}, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                ledger.rows[room] = rows
                ledger.now = {**ledger.now, room: Kept(0, count, f"about {room}")}
        ledger.epoch = "0123456789abcdef"
        return read_image(Path(directory))
