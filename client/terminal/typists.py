"""Who is typing where, and when to tell that one types oneself. Knows the time it is told, and no widgets."""

from typing import Final

SEEN_MS: Final = 6_000  # after their last sign people are no longer typing (IRCv3 typing)
TOLD_MS: Final = 3_000  # between two signs of one's own
MAX_VIEWS: Final = 200
MAX_TYPISTS: Final = 20  # of one view that are remembered
MAX_NAMED: Final = 3  # more are "several people"


class Typists:
    """The others."""

    def __init__(self) -> None:
        self._until: dict[str, dict[str, int]] = {}  # by view, by nick: milliseconds since 1970

    def note(self, view: str, nick: str, state: str, now: int) -> None:
        """``nick`` gave a sign."""
        here = self._until.get(view, {})
        here.pop(nick, None)
        if state == "active" and len(here) < MAX_TYPISTS and (view in self._until or len(self._until) < MAX_VIEWS):
            here[nick] = now + SEEN_MS
            self._until[view] = here
        elif not here:
            self._until.pop(view, None)

    def stop(self, view: str, nick: str) -> None:
        """They said it, or are gone."""
        self.note(view, nick, "done", 0)

    def names(self, view: str, now: int) -> list[str]:
        """Return who is typing in ``view``."""
        here = self._until.get(view, {})
        for nick in [nick for nick, until in here.items() if until <= now]:
            self.stop(view, nick)
        return list(here)

    def __bool__(self) -> bool:
        return bool(self._until)


class OwnTyping:
    """Oneself: a sign at most every `TOLD_MS`, and one at the end when nothing was said."""

    def __init__(self) -> None:
        self._told: tuple[str, int] | None = None  # the view, and when

    def typed(self, view: str, text: str, now: int) -> str | None:
        """Return the state to tell to ``view``, in whose line ``text`` stands now; None: nothing is to be told."""
        speaking = bool(text.strip()) and (not text.startswith("/") or text.startswith("//"))
        if not speaking:
            was, self._told = self._told, None
            return "done" if was is not None and was[0] == view else None
        if self._told is not None and self._told[0] == view and now - self._told[1] < TOLD_MS:
            return None
        self._told = view, now
        return "active"

    def said(self) -> None:
        """What was typed is said: that ends it."""
        self._told = None


def sentence(names: list[str]) -> str:
    """Return "ann, bob are typing…"."""
    if len(names) > MAX_NAMED:
        return "several people are typing…"
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} typing…" if names else ""
