"""Messages of several lines that a client sends as one batch (IRCv3 draft/multiline).

The lines of an open batch are gathered here and cost nothing until it is whole; how many there may be is bounded. What
comes of a batch that failed is thrown away up to its end, so that no part of it is said.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from protocol import native
from protocol.native import Tags
from workers.dialects.irc import messages
from workers.dialects.irc.caps import MULTILINE_LINES
from workers.dialects.irc.lines import clip
from workers.dialects.irc.speech import CONCAT
from workers.dialects.irc.turns import Turn

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc

CAP: Final = "draft/multiline"
_MAX_REF: Final = 64  # characters of a batch's name
_MEANWHILE: Final = frozenset({"PING", "PONG", "QUIT"})  # which programs send by themselves, whatever is open


@dataclass(slots=True)
class Open:
    """A batch whose end has not come."""

    ref: str
    target: str
    label: str
    tags: Tags
    lines: list[tuple[str, bool]] = field(default_factory=list)  # text, and whether it goes on with the one before
    size: int = 0  # bytes, those of line feeds included

    def text(self) -> str:
        joined = "".join(("" if goes_on else "\n") + text for text, goes_on in self.lines)
        return joined[1:]


def batch(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> None:
    """BATCH: begin or end one."""
    sign, ref = params[0][:1], params[0][1:]
    if not {CAP, "batch"} <= irc.caps:
        irc.reply(turn, "421", turn.command)
    elif sign == "-" and ref == irc.failed_batch:
        irc.failed_batch = ""
    elif sign == "-" and irc.multiline is not None and ref == irc.multiline.ref:
        whole, irc.multiline = irc.multiline, None
        turn.label, turn.tags = whole.label, whole.tags
        _close(irc, turn, whole)
    elif irc.multiline is not None:
        fail(irc, turn, "MULTILINE_INVALID", "one batch at a time; this one and the open one are given up")
        irc.failed_batch = ref if sign == "+" else irc.failed_batch
    elif sign != "+" or not 0 < len(ref) <= _MAX_REF or params[1:2] != (CAP,) or len(params) < 3:
        fail(irc, turn, "MULTILINE_INVALID", f"expected BATCH +name {CAP} target, and BATCH -name at its end")
        irc.failed_batch = ref if sign == "+" else irc.failed_batch
    else:
        irc.multiline = Open(ref, params[2], turn.label, messages.given_tags(irc, turn))
        irc.failed_batch, turn.label = "", ""  # the answer comes at the end


def gathers(irc: "Irc", turn: Turn, params: tuple[str, ...]) -> bool:
    """Take a command that is part of a batch, or may not come while one is open; tell whether it was that."""
    ref, opened = turn.tags.get("batch"), irc.multiline
    if CAP not in irc.caps or turn.command == "BATCH" or (opened is None and ref is None):
        return False
    if opened is None or (ref is not None and ref == irc.failed_batch):
        if ref != irc.failed_batch:
            fail(irc, turn, "MULTILINE_INVALID", f"there is no open batch {clip(ref or '', _MAX_REF)}")
        else:
            irc.also(native.Ping())  # it costs a little, like everything that keeps us busy
        turn.label = ""
        return True
    if ref is None and turn.command in _MEANWHILE:
        return False
    if turn.command != "PRIVMSG" or ref != opened.ref or len(params) < 2:
        fail(irc, turn, "MULTILINE_INVALID", "only PRIVMSG of this batch may come while it is open; it is given up")
        return True
    turn.label = ""  # the one of the batch counts
    _add(irc, turn, opened, params[0], params[1], goes_on=CONCAT in turn.tags)
    return True


def _add(irc: "Irc", turn: Turn, opened: Open, target: str, text: str, *, goes_on: bool) -> None:
    size = opened.size + len(text.encode()) + (bool(opened.lines) and not goes_on)
    limit = irc.settings.max_text
    if target != opened.target:
        fail(irc, turn, "MULTILINE_INVALID_TARGET", opened.target, target, "Invalid multiline target")
    elif goes_on and not text:
        fail(irc, turn, "MULTILINE_INVALID", f"a line with {CONCAT} may not be blank")
    elif size > limit:
        fail(irc, turn, "MULTILINE_MAX_BYTES", str(limit), "Multiline batch max-bytes exceeded")
    elif len(opened.lines) >= MULTILINE_LINES:
        fail(irc, turn, "MULTILINE_MAX_LINES", str(MULTILINE_LINES), "Multiline batch max-lines exceeded")
    else:
        opened.lines.append((text, goes_on))
        opened.size = size


def _close(irc: "Irc", turn: Turn, whole: Open) -> None:
    if not any(text for text, _goes_on in whole.lines):
        fail(irc, turn, "MULTILINE_INVALID", "there is nothing in this batch but blank lines")
        irc.failed_batch = ""
    else:
        messages.say(irc, turn, whole.target, whole.text())


def fail(irc: "Irc", turn: Turn, code: str, *params: str) -> None:
    """Give up what is open, and say why with the label that it had."""
    if irc.multiline is not None:
        turn.label = turn.label or irc.multiline.label
        irc.failed_batch, irc.multiline = irc.multiline.ref, None
    irc.locally(turn, lambda turn: irc.say(turn, "FAIL", "BATCH", code, *params))
