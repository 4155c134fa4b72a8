"""The server's own log: one line an event on standard error, as text for people or JSON for machines."""

import logging
import sys
import time
from typing import Literal

import msgspec

from protocol.text import clean


class _Text(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = clean(record.message, newlines=False)  # names and reasons come from the network
        return super().formatMessage(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "source": record.name,
            "pid": record.process,
            "message": record.getMessage().encode(errors="backslashreplace").decode(),  # no half surrogate pairs
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def setup(style: Literal["text", "json"], level: int = logging.INFO) -> None:
    """Send this process's log to standard error; later calls replace the earlier set-up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
