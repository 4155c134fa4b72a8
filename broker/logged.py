"""What the log gives beside messages, and what it raises. Knows no files."""

from dataclasses import dataclass

from protocol.native import Msg
from protocol.text import clean


class LogError(Exception):
    """The log cannot be opened, read or written; the text says why, for an operator."""

    def __init__(self, text: str) -> None:
        super().__init__(clean(text, newlines=False))  # SQLite quotes from a damaged file what is there


class LogLost(LogError):
    """What was acknowledged is not in the log any more. Nothing more may be written."""


class Damaged(Exception):
    """What was asked for is there, but is not as it was written."""

    def __init__(self, room: str, seq: int) -> None:
        super().__init__(f"message {seq} of room {room} is damaged in the server's log")
        self.room, self.seq = room, seq  # the log's name


@dataclass(frozen=True, slots=True)
class Stored:
    """What a retry is answered from."""

    room: str  # the log's name
    msg: Msg


@dataclass(frozen=True, slots=True)
class Said:
    """Whose a message is."""

    sender: bytes  # uid
    msg: Msg  # masked if it was taken back
    peer: bytes | None  # of one's own direct message: whose inbox has the other copy


def inbox_name(uid: bytes) -> str:
    """Return the log's name for the direct messages of ``uid``."""
    return "~" + uid.hex()
