"""What a view shows, one object each: messages, folded joins and leaves, notes from this program or the server."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from client.lines import missing
from client.sequence import in_order
from client.terminal.folding import Step, fold
from protocol import native
from protocol.text import clean

MAX_STEPS: Final = 500  # remembered of one fold
Tone = Literal["info", "error", "art"]


@dataclass(slots=True, eq=False)
class Post:
    """A message. Text and nick are clean: safe to draw."""

    seq: int  # 0: not on the server yet
    time: int  # milliseconds since 1970, UTC
    nick: str
    text: str  # kind react: the emoji; redact: the reason
    kind: str = "text"
    cmd: str = ""  # kind fun: what was typed
    reply: int | None = None
    own: bool = False
    mention: bool = False  # it names us, or was sent to us alone
    played: bool = False  # its animation was seen; the still is not needed
    redacted: bool = False  # taken back: there is no text any more
    version: int = 0  # grows when it must be drawn anew

    @property
    def aside(self) -> bool:
        """Is it about another message, and says nothing itself?"""
        return self.kind in ("react", "redact")

    def take_back(self) -> None:
        """Forget what it said."""
        self.text = self.cmd = ""
        self.redacted, self.mention = True, False
        self.version += 1


@dataclass(slots=True, eq=False)
class Fold:
    """Joins, leaves and renames with nothing between them."""

    time: int  # of the newest
    steps: list[Step] = field(default_factory=list)
    version: int = 0

    def add(self, step: Step, time: int) -> None:
        """Take one more in."""
        self.steps.append(step)
        del self.steps[:-MAX_STEPS]
        self.time = time
        self.version += 1

    @property
    def text(self) -> str:
        """What it all amounts to."""
        return fold(self.steps)


@dataclass(slots=True, eq=False)
class Note:
    """Something said to this person alone. Tone `art` keeps its lines as they are if they fit."""

    time: int
    text: str
    tone: Tone = "info"
    version: int = 0


@dataclass(slots=True, eq=False)
class Hole:
    """Messages that the server will never send: no longer kept, or damaged."""

    time: int  # of what is beside it
    seq: int  # the first of them
    last: int
    version: int = 0

    @property
    def text(self) -> str:
        """What to say about it."""
        return missing(self.seq, self.last)


Entry = Post | Fold | Note | Hole


def post_of(msg: native.Msg, me: str, *, direct: bool = False) -> Post:
    """Return ``msg`` as it is shown to ``me``."""
    nick = clean(msg.nick, newlines=False)
    own = msg.own or nick.casefold() == me.casefold()
    text = clean(msg.text)
    return Post(
        seq=msg.seq,
        time=msg.time,
        nick=nick,
        text=text,
        kind=msg.kind,
        cmd=clean(msg.cmd or "", newlines=False),
        reply=msg.reply,
        own=own,
        mention=not own
        and not msg.redacted
        and msg.kind not in ("react", "redact", "topic")
        and (direct or names(text, me)),
        redacted=msg.redacted,
    )


def entries_of(
    messages: Iterable[native.Msg], gaps: Iterable[native.Gap], me: str, now: int, *, direct: bool = False
) -> list[Post | Hole]:
    """Return what a page of the log shows, oldest first. ``now`` is for a page without messages."""
    items = list(in_order(messages, gaps))
    time = next((item.time for item in items if isinstance(item, native.Msg)), now)
    found: list[Post | Hole] = []
    for item in items:
        if isinstance(item, native.Msg):
            time = item.time
            found.append(post_of(item, me, direct=direct))
        else:
            found.append(Hole(time, *item))
    return found


def names(text: str, nick: str) -> bool:
    """Tell whether ``text`` has ``nick`` as a word of its own, in whatever case."""
    return next(spots(text, nick), None) is not None


def spots(text: str, nick: str) -> Iterator[tuple[int, int]]:
    """Yield where in ``text`` the word ``nick`` stands, as slices."""
    if not nick:
        return
    folded, wanted = text.lower(), nick.lower()
    if len(folded) != len(text):  # a few characters grow in lower case; slices would be off
        folded = text
    at = folded.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not _in_word(text, at - 1) and not _in_word(text, end):
            yield at, end
        at = folded.find(wanted, end)


def _in_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] in "_")
