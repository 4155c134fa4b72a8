"""What was sent before, to be called back with Up and Down. Knows no keys and no widgets."""

from typing import Final

KEPT: Final = 200  # lines


class InputHistory:
    """Lines in the order they were sent, and where in them the person is."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._at = 0  # index into `_lines`; its length means the line being written
        self._draft = ""

    def add(self, line: str) -> None:
        """Remember ``line`` as the newest and go back to a fresh line."""
        if line.strip() and (not self._lines or self._lines[-1] != line):
            self._lines.append(line)
            del self._lines[:-KEPT]
        self._at = len(self._lines)
        self._draft = ""

    def older(self, current: str) -> str | None:
        """Return the line before, or None at the oldest. ``current`` is kept: as the draft if it is the newest."""
        if self._at == 0:
            return None
        self._keep(current)
        self._at -= 1
        return self._lines[self._at]

    def newer(self, current: str) -> str | None:
        """Return the line after, the draft at the end, or None when there already."""
        if self._at >= len(self._lines):
            return None
        self._keep(current)
        self._at += 1
        return self._draft if self._at == len(self._lines) else self._lines[self._at]

    def _keep(self, current: str) -> None:
        if self._at == len(self._lines):
            self._draft = current
