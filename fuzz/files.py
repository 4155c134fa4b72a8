"""Targets that read files that others may have written or damaged: exports, the journal of a client, the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from broker.archive import End, Header, Importer, ImportFailed, Message, RoomLine, exported
from broker.audit import Audit
from broker.log import Log, LogError
from broker.newlog import Writer
from client.address import Address
from client.journal import Desk, open_journal
from client.outbox import Outgoing
from fuzz.source import Source
from fuzz.texts import assert_one_line
from protocol import native

_DESK: Final = Desk("chat", Address("host", 6668), "ann")
_SENT: Final[list[Outgoing]] = [native.Send(cmid=f"c{n}", to="#tea", text=f"m{n}" * 10) for n in range(8)]
_ROOMS: Final = ("#tea", "#dark", "~" + "00" * 16)


@contextmanager
def workplace() -> Iterator[Path]:
    """Yield a new directory, in memory where there is a place for that."""
    with TemporaryDirectory(prefix="moot-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as directory:
        yield Path(directory)


def damaged(source: Source, sound: bytes) -> bytes:
    """Return ``sound`` with a few bytes changed, or cut off."""
    changed = bytearray(sound)
    for _ in range(1 + source.below(4)):
        where = int.from_bytes(bytes(source.byte() for _ in range(3)), "big") % len(sound)
        if source.byte() < 16:
            del changed[where:]
            break
        if where < len(changed):
            changed[where] ^= source.byte()
    return bytes(changed)


def exported_lines(data: bytes) -> None:
    """Lines are refused in words, with nothing imported, or are a log that clients and another export can read."""
    source = Source(data)
    with workplace() as place:
        writer = Writer(place / "log.db")
        try:
            Importer(writer).read(_lines(source))
            writer.commit(alone=True)
        except ImportFailed as refusal:
            assert_one_line(str(refusal))
            return
        finally:
            writer.close()
        with Audit(place / "log.db", live=False) as audit:
            again = list(exported(audit, lambda _room: True))
            assert not audit.damage
        assert again[-1].startswith(b'{"line":"end"')
        log = Log(place / "log.db")
        for name in _ROOMS:
            for msg in log.after(name, 0, 500).messages:
                assert native.decode_event(native.encode(msg)) == msg
        log.close()


def _lines(source: Source) -> list[bytes]:
    """Return a header, rooms with messages of any kind, the raw payload perhaps, and an end that fits mostly."""
    lines: list[msgspec.Struct] = [Header(format=1)]
    rooms = messages = 0
    for name in _ROOMS[: 1 + source.below(3)]:
        room = RoomLine(room=name, pruned=source.below(3), topic=source.pick((None, source.text())))
        lines.append(room)
        rooms += 1
        seq = room.pruned
        for _ in range(source.below(5)):
            seq += 1 + source.below(2)
            made: Message = source.value(Message)
            lines.append(_as_of(made, name, seq, source))
            messages += 1
    end = End(rooms=rooms, messages=messages)
    return [*map(_line, lines), *source.payload.splitlines(keepends=True), _line(end)]


def _line(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _as_of(made: Message, room: str, seq: int, source: Source) -> Message:
    nick, sender = source.pick(("ann", made.nick)), f"{source.below(3):032x}"
    return msgspec.structs.replace(made, room=room, seq=seq, nick=nick, sender=sender)


def journal_file(data: bytes) -> None:
    """A damaged journal is set aside and said so, or gives back requests that can be sent; nothing raises.

    They may not be quite what was in it: its rows have no checksums.
    """
    source = Source(data)
    with workplace() as place:
        journal = open_journal(_DESK, place)
        path = next(path for path in place.rglob("chat-*") if path.suffix == ".0")
        journal.close()
        path.write_bytes(damaged(source, _journal()))
        journal = open_journal(_DESK, place)
        try:
            assert journal.pending == [] or journal.problem == ""
            assert all(isinstance(request, Outgoing) for request in journal.pending)
            assert_one_line(journal.problem)
            journal.record(_SENT[:1], [request.cmid for request in journal.pending], {_SENT[0].cmid: _SENT[0]})
        finally:
            journal.close()


@cache
def _journal() -> bytes:
    with workplace() as place:
        journal = open_journal(_DESK, place)
        journal.record(_SENT, [], {request.cmid: request for request in _SENT})
        journal.close()
        return next(path for path in place.rglob("chat-*") if path.suffix == ".0").read_bytes()


def log_file(data: bytes) -> None:
    """Whatever bytes of the log are damaged, a message that is served is the one that was written."""
    source = Source(data)
    sound, written = _log()
    with workplace() as place:
        (place / "moot.db").write_bytes(damaged(source, sound))
        try:
            log = Log(place / "moot.db")
        except LogError as refusal:
            assert_one_line(str(refusal))
            return
        try:
            for room in ("#a", "#b"):
                page = log.after(room, 0, 500)
                for msg in page.messages:
                    assert written[room, msg.seq] == msg
        except LogError as refusal:
            assert_one_line(str(refusal))
        finally:
            log.close()


@cache
def _log() -> tuple[bytes, dict[tuple[str, int], native.Msg]]:
    with workplace() as place:
        log = Log(place / "moot.db")
        written = {}
        for number in range(60):
            msg = log.append(
                f"#{'ab'[number % 2]}", b"s" * 16, f"c{number}", number, "ann", "text", f"text {number}" * 5
            )
            written[msg.room, msg.seq] = msg
        log.commit()
        log.close()
        return (place / "moot.db").read_bytes(), written
