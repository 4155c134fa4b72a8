"""Pages of messages: as many as fit a number of bytes. Pure."""

from typing import Final

from protocol.native import Msg

_OVERHEAD_BYTES: Final = 150  # of a message on the wire beside its text, about


def oldest(messages: list[Msg], max_bytes: int) -> list[Msg]:
    """Return the first of ``messages``, at least one if there are any, that have ``max_bytes`` or a little more."""
    left = max_bytes
    for count, msg in enumerate(messages):
        left -= _OVERHEAD_BYTES + len(msg.text) * (1 if msg.text.isascii() else 4)
        if left < 0:
            return messages[: max(1, count)]
    return messages


def newest(messages: list[Msg], max_bytes: int) -> list[Msg]:
    """Return the last of ``messages``, under the same rule, order kept."""
    return oldest(messages[::-1], max_bytes)[::-1]
