"""What was typed and is not yet acknowledged, on disk, with the token that makes a resent message the same message.

Owns the files under the state directory. Knows no sessions, sockets or screens.

One small SQLite file for each client that runs, open and locked for as long as it does: a file that can be locked
belongs to nobody who lives. SQLite gives what such a file needs: checksums of what is appended, a lock that ends with
its owner, on every platform. Messages are deleted when they are acknowledged, and their bytes overwritten; the token
stays, so that the same nick on this machine is the same person next time.
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import apsw
import msgspec

from client.address import Address
from client.outbox import Outgoing
from protocol import native
from protocol.names import fold_nick
from protocol.text import clean

MAX_SLOTS: Final = 64  # clients of one nick on one server at the same time that keep a journal
MAX_DAMAGED: Final = 100  # files set aside; more are not kept apart
OWN_WAIT_MS: Final = 200  # another client may be looking whether anything is left over in our file
LOSS: Final = "should this program die before it is sent, it is lost"
FORMAT: Final = 1  # `user_version` of the files
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
SCHEMA: Final = f"""
CREATE TABLE owner (program TEXT, server TEXT, room TEXT, nick TEXT, token TEXT);
CREATE TABLE outbox (number INTEGER PRIMARY KEY, cmid TEXT UNIQUE, request BLOB);
PRAGMA user_version = {FORMAT};
"""

_request: msgspec.json.Decoder[Outgoing] = msgspec.json.Decoder(Outgoing)


class Desk(msgspec.Struct, frozen=True):
    """Whose journal: the program, where it speaks, and as whom."""

    program: Literal["chat", "send"]
    server: Address
    nick: str  # as asked for
    room: str = ""  # of a "send"


_DAMAGE: Final = (apsw.NotADBError, apsw.CorruptError, apsw.SQLError, msgspec.DecodeError, TypeError, ValueError)


class Damaged(Exception):
    """The file is none of ours any more."""


class Newer(Exception):
    """The file is of a newer program, which can read it."""


class Journal:
    """One file, or none: then nothing is kept. Made by `open_journal` and `leftovers`."""

    def __init__(self, desk: Desk, problem: str = "") -> None:
        self.desk = desk
        self.problem = problem  # for people: what is wrong, and what of it; "" when all is well
        self.safe = False  # what is in the outbox is on disk
        self.token = secrets.token_urlsafe(24)
        self.nick = desk.nick  # the one it had last
        self.pending: list[Outgoing] = []  # what was not acknowledged when it was opened, oldest first
        self._db: apsw.Connection | None = None

    def record(self, new: Sequence[Outgoing], done: Sequence[str], outbox: Mapping[str, Outgoing]) -> str:
        """Add ``new``, synced when this returns, and take away ``done`` (cmids). ``outbox`` is all there is then.

        Returns what people should know, mostly nothing. A failure is told once; the next call tries to write all.
        """
        if self._db is None:
            return ""
        try:
            self._db.pragma("synchronous", "full" if new or not self.safe else "normal")
            with self._db:
                if not self.safe:
                    self._db.execute("DELETE FROM outbox")
                    new = list(outbox.values())
                else:
                    self._db.executemany("DELETE FROM outbox WHERE cmid = ?", [(cmid,) for cmid in done])
                rows = [(request.cmid, native.encode(request)) for request in new]
                self._db.executemany("INSERT INTO outbox (cmid, request) VALUES (?, ?)", rows)
        except apsw.Error as error:
            told, self.safe = not self.safe, False
            self.problem = f"what you say cannot be kept on disk ({_why(error)}); {LOSS}"
            return "" if told else self.problem
        if self.safe:
            return ""
        self.safe, self.problem = True, ""
        return "what you say is kept on disk again"

    def named(self, nick: str) -> None:
        """Remember the nick the server knows us by; failing that is no harm."""
        if nick != self.nick and self._db is not None:
            self.nick = nick
            with contextlib.suppress(apsw.Error):
                self._db.pragma("synchronous", "normal")
                self._db.execute("UPDATE owner SET nick = ?", (nick,))

    def close(self) -> None:
        """Let go of the file: whoever comes next takes over what is in it."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(apsw.Error):
                db.close()

    def _open(self, path: Path, wait_ms: int, *, make: bool) -> None:
        """Open and lock ``path``; with ``make``, make it if it is not there, and write whose it is into an empty one.

        Raises `apsw.BusyError` when somebody has it, `Newer`, `Damaged`, other `apsw.Error`, and OSError.
        """
        if make:
            # O_EXCL: closing a handle of a file that is there would drop every POSIX lock that this process has on it.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.set_busy_timeout(wait_ms)
            for name, value in (("locking_mode", "exclusive"), ("journal_mode", "wal"), ("secure_delete", "on")):
                db.pragma(name, value)
            db.pragma("fullfsync", True)  # macOS: sync means to the platter
            self._load(db, make)
        except BaseException as error:
            with contextlib.suppress(apsw.Error):
                db.close()
            if isinstance(error, _DAMAGE):
                raise Damaged(str(error)) from error
            raise
        self._db, self.safe = db, True

    def _load(self, db: apsw.Connection, make: bool) -> None:
        version = db.pragma("user_version")
        if version == 0 and not make:
            return  # its maker was killed, or is about to write into it
        if version == 0:
            db.pragma("synchronous", "full")
            with db:
                db.execute(SCHEMA)
                owner = (self.desk.program, _folder(self.desk.server), self.desk.room, self.nick, self.token)
                db.execute("INSERT INTO owner VALUES (?, ?, ?, ?, ?)", owner)
            return
        if version > FORMAT:
            raise Newer
        if version != FORMAT:
            raise Damaged(f"its format is {version}, this program writes {FORMAT}")
        if (found := db.pragma("quick_check")) != "ok":
            raise Damaged(str(found))
        program, server, room, nick, token = db.execute("SELECT * FROM owner").get
        if not (server == _folder(self.desk.server) and program in ("chat", "send") and 16 <= len(token) <= 128):
            raise Damaged("it does not say whose it is")
        self.desk = Desk(program, self.desk.server, nick, room)
        self.nick, self.token = nick, token
        rows = db.execute("SELECT request FROM outbox ORDER BY number")
        self.pending = [_request.decode(request) for (request,) in rows]


def open_journal(desk: Desk, root: Path | None = None) -> Journal:
    """Return the journal of ``desk``, with what is left of the last client there. Never raises for the file's sake.

    ``root``: the directory of all journals, by default `default_root`. Each client that runs at the same time gets
    another one.
    """
    problem = ""
    for slot in range(MAX_SLOTS):
        journal = Journal(desk)
        try:
            path = _place(desk, root) / f"{_name(desk)}.{slot}"
            for _ in range(2):
                try:
                    journal._open(path, 0 if slot else OWN_WAIT_MS, make=True)
                    journal.problem = problem
                    return journal
                except Damaged as error:
                    problem = _set_aside(path, error)
        except apsw.BusyError:
            continue
        except Newer:
            problem = f"what a newer moot has not sent yet is kept in {path}; start that one to send it"
        except (apsw.Error, OSError) as error:
            return Journal(desk, f"what you say cannot be kept on disk ({_why(error)}); {LOSS}")
    return Journal(desk, f"{MAX_SLOTS} programs keep what they say as {desk.nick} on this machine already; {LOSS}")


def leftovers(desk: Desk, root: Path | None = None) -> tuple[list[Journal], list[str]]:
    """Return the journals at ``desk``'s server with messages whose client is gone, oldest first, and problems.

    A "send" looks for those of its room alone, a "chat" for all. The caller closes them.
    """
    found: list[Journal] = []
    problems: list[str] = []
    for path in _files(desk, root):
        journal = Journal(desk)
        try:
            journal._open(path, 0, make=False)
        except Damaged as error:
            with contextlib.suppress(OSError):
                problems.append(_set_aside(path, error))
        except (apsw.Error, OSError, Newer):
            continue  # somebody's, or not readable: whoever opens it as their own says so
        else:
            if journal.pending and (desk.program == "chat" or journal.desk.room == desk.room):
                found.append(journal)
            else:
                journal.close()
    return found, problems


def default_root() -> Path:
    """Return the directory of the journals: `~/.local/state/moot/outbox` on Linux."""
    from platformdirs import user_state_path

    return user_state_path("moot", appauthor=False) / "outbox"


def _place(desk: Desk, root: Path | None) -> Path:
    """Return the directory for the server, made so that nobody else can look into it."""
    place = (root or default_root()) / _folder(desk.server)
    place.parent.parent.parent.mkdir(parents=True, exist_ok=True)
    for directory in (place.parent.parent, place.parent, place):
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            _sync(directory.parent)
    return place


def _sync(directory: Path) -> None:
    """Make a new name in ``directory`` outlive a power cut. Windows has no such call and needs none."""
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _folder(server: Address) -> str:
    """Return a name for ``server`` that every file system takes. All names of this machine are one."""
    host = "localhost" if server.host.lower() in LOOPBACK else server.host.lower()
    safe = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in host)[:100]
    return f"{safe}_{server.port}"


def _name(desk: Desk) -> str:
    key = f"{fold_nick(desk.nick)}\n{desk.room}".encode()
    return f"{desk.program}-{hashlib.blake2b(key, digest_size=8).hexdigest()}"


def _files(desk: Desk, root: Path | None) -> Iterator[Path]:
    """Yield the journals of a server that ``desk`` may take over, the one longest untouched first."""
    place = (root or default_root()) / _folder(desk.server)
    programs = ("chat-", "send-") if desk.program == "chat" else ("send-",)
    try:
        entries = [
            e for e in os.scandir(place) if e.name.startswith(programs) and e.name.rpartition(".")[2].isdecimal()
        ]
        entries.sort(key=lambda entry: entry.stat().st_mtime)
    except OSError:
        return
    yield from (Path(entry.path) for entry in entries)


def _set_aside(path: Path, why: Exception) -> str:
    """Move a damaged file away, with what SQLite keeps beside it; return a sentence about it. Raises OSError."""
    number = next(n for n in range(MAX_DAMAGED) if n == MAX_DAMAGED - 1 or not Path(f"{path}-damaged-{n}").exists())
    aside = Path(f"{path}-damaged-{number}")
    os.replace(path, aside)
    with contextlib.suppress(FileNotFoundError):
        os.replace(f"{path}-wal", f"{aside}-wal")
    what = clean(str(why), newlines=False)  # SQLite says what is wrong in several lines
    return f"the file of unsent messages was damaged ({what}) and is now {aside}; what it held is not sent"


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
