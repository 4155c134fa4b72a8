"""One view: a room, or the direct messages with one person, as this person sees it. Knows no widgets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from client.terminal.entries import Entry, Fold, Hole, Post
from client.terminal.folding import Step

KEPT: Final = 2_000  # entries of a view that is being followed; older ones can be loaded again
MAX_REACTIONS: Final = 100  # remembered of one message
KEPT_AT_MOST: Final = 10_000  # entries even while scrolled up
_SLACK: Final = 200  # entries over the limit before the oldest are let go, all at once


@dataclass(slots=True, eq=False)
class View:
    """See the module."""

    name: str  # "#room" or "@nick"
    room: str  # what the server calls it: "#room" or "@"
    entries: list[Entry] = field(default_factory=list)
    pending: dict[str, Post] = field(default_factory=dict)  # ours without an answer yet, by cmid
    oldest: int = 0  # seq of the oldest message shown; 0: none was
    newest: int = 0
    more: bool = True  # the server has older ones
    loading: bool = False
    unread: int = 0
    mentions: int = 0
    marker: Entry | None = None  # "new messages" stands before this one
    following: bool = True  # the newest line is in sight
    below: int = 0  # messages that came while it was not
    changed: int = 0  # index of the first entry that is to be laid out anew
    dropped: int = 0  # entries let go in front since the view was laid out
    generation: int = 0  # grows with every change
    draft: str = ""  # what was typed here and not sent
    unread_from: int = 0  # seq of the first unread message while `unread` is not 0
    posts: dict[int, Post] = field(default_factory=dict)  # those of `entries`, by seq
    reactions: dict[int, list[tuple[str, str]]] = field(default_factory=dict)  # by seq: emoji and nick, oldest first

    @property
    def direct(self) -> bool:
        """Is it a conversation with one person?"""
        return self.name.startswith("@")

    @property
    def peer(self) -> str:
        """With whom; "" in a room."""
        return self.name[1:] if self.direct else ""

    def touch(self, index: int) -> None:
        """Note that entries from ``index`` on changed."""
        self.changed = min(self.changed, index)
        self.generation += 1

    def append(self, entry: Entry) -> None:
        """Put ``entry`` last, and let the oldest go when there are too many."""
        self.touch(len(self.entries))
        self.entries.append(entry)
        if isinstance(entry, Post | Hole) and entry.seq:
            self.newest = max(self.newest, _last(entry))
            self.oldest = self.oldest or entry.seq
            self._note(entry)
        limit = KEPT if self.following else KEPT_AT_MOST
        if len(self.entries) > limit + _SLACK:
            self._forget(len(self.entries) - limit)

    def prepend(self, posts: Sequence[Post | Hole]) -> int:
        """Put older messages, oldest first, before all others, but not those already shown; return how many."""
        fresh = [post for post in posts if not self.oldest or post.seq < self.oldest]
        if fresh:
            self.entries[:0] = fresh
            self.oldest = fresh[0].seq
            self.newest = max(self.newest, _last(fresh[-1]))
            self.touch(0)
            for entry in fresh:
                self._note(entry)
        return len(fresh)

    def _note(self, entry: Post | Hole) -> None:
        """Find ``entry`` by its seq from now on; let the message it is about show it."""
        if not isinstance(entry, Post):
            return
        self.posts[entry.seq] = entry
        if not entry.aside or not entry.reply:
            return
        about = self.posts.get(entry.reply)
        if entry.kind == "redact":
            if about is not None:
                about.take_back()
            self.reactions.pop(entry.reply, None)
        else:
            given = self.reactions.setdefault(entry.reply, [])
            if len(given) < MAX_REACTIONS and (entry.text, entry.nick) not in given:
                given.append((entry.text, entry.nick))
        if about is not None:
            self.touch(self.entries.index(about))

    def moved(self, step: Step, time: int) -> None:
        """Note a join, leave or rename."""
        if self.entries and isinstance(last := self.entries[-1], Fold):
            last.add(step, time)
            self.touch(len(self.entries) - 1)
        else:
            fold = Fold(time)
            fold.add(step, time)
            self.append(fold)

    def clear(self) -> None:
        """Show nothing; what was can be loaded again."""
        self.entries.clear()
        self.posts.clear()
        self.reactions.clear()
        self.oldest = self.newest + 1 if self.newest else 0
        self.more = self.newest > 0
        self.marker, self.below, self.following = None, 0, True
        self.touch(0)

    def reset(self) -> None:
        """Forget everything: the room's log is another one."""
        self.clear()
        self.oldest = self.newest = 0
        self.unread = self.mentions = 0
        self.more = True

    def read(self) -> None:
        """The person has seen the view: counts go back to nothing. The marker stays where it is."""
        self.unread = self.mentions = 0

    def unmark(self) -> None:
        """Take the "new messages" line away."""
        if self.marker is not None:
            self.touch(self.entries.index(self.marker) if self.marker in self.entries else 0)
            self.marker = None

    def find(self, seq: int) -> Post | None:
        """Return the message of that seq, if it is shown."""
        return self.posts.get(seq)

    def read_to(self, seq: int) -> None:
        """Up to ``seq`` it was read, on whatever device."""
        if not self.unread or seq < self.unread_from:
            return
        rest = [e for e in self.entries if isinstance(e, Post) and e.seq > seq and not e.own and not e.aside]
        self.unread, self.mentions = len(rest), sum(post.mention for post in rest)
        self.unread_from = rest[0].seq if rest else 0
        self.generation += 1

    def _forget(self, count: int) -> None:
        for entry in self.entries[:count]:
            if isinstance(entry, Post):
                self.posts.pop(entry.seq, None)
                self.reactions.pop(entry.reply if entry.aside and entry.reply else entry.seq, None)
        del self.entries[:count]
        self.oldest = next((e.seq for e in self.entries if isinstance(e, Post | Hole)), self.newest + 1)
        self.more = True
        self.dropped += count
        self.changed = max(0, self.changed - count)
        self.generation += 1


def _last(entry: Post | Hole) -> int:
    return entry.last if isinstance(entry, Hole) else entry.seq
