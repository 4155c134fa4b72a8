"""Find a room by a few of its letters. Pure."""

from collections.abc import Sequence


def rank(wanted: str, names: Sequence[str]) -> list[str]:
    """Return the names that have the letters of ``wanted`` in order, the best first; all of them for "".

    A name that begins so is better than one with the letters together, and that better than letters here and there.
    """
    letters = wanted.strip().casefold()
    if not letters:
        return list(names)
    scored = [(score, i) for i, name in enumerate(names) if (score := _score(letters, name.casefold())) is not None]
    return [names[i] for _, i in sorted(scored)]


def _score(letters: str, name: str) -> tuple[int, int] | None:
    bare = name.lstrip("#@")
    if name.startswith(letters) or bare.startswith(letters):
        return 0, len(name)
    if letters in name:
        return 1, name.index(letters)
    at, gaps = 0, 0
    for letter in letters:
        found = name.find(letter, at)
        if found < 0:
            return None
        gaps += found - at
        at = found + 1
    return 2, gaps
