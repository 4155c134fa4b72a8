"""The fun commands there are: how one is written, where they come from, and what bounds their output.

A fun command is a pure function ``(args, rng) -> Art | str``: no clock, no files, no network, no state. It says no by
raising `FunError` with a sentence for its caller. One that must know who called takes a third parameter, ``nick``.
"""

import contextlib
import importlib.metadata
import inspect
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from types import ModuleType
from typing import Final, cast

from funcmds import cells
from funcmds.spelling import parse
from protocol.ipc import Art
from protocol.native import FunCommand

ENTRY_POINTS: Final = "moot.funcmds"  # the group third-party commands come in by
MAX_WIDTH: Final = 60  # cells
MAX_HEIGHT: Final = 20  # lines
MAX_BYTES: Final = 4 * 1024  # of UTF-8, for everyone
MAX_PRIVATE_BYTES: Final = 16 * 1024  # of UTF-8, for the caller alone
MAX_ANIM_SECONDS: Final = 30.0
MAX_IMPORT_S: Final = 5.0  # for each plugin
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")

Plain = Callable[[str, Random], Art | str]
Personal = Callable[[str, Random, str], Art | str]


class FunError(Exception):
    """A fun command says no. The text is a sentence for the caller: what was wrong and what would work."""


@dataclass(frozen=True, slots=True)
class Command:
    """One fun command. Called like the function it was made from."""

    name: str  # lower case, as typed behind the slash
    draw: Plain | Personal
    usage: str  # "/roll [NdM]"
    help: str  # one sentence
    aliases: tuple[str, ...] = ()

    def __call__(self, args: str, rng: Random, nick: str = "somebody") -> Art:
        """Draw. ``nick`` is the caller's. Raises `FunError`."""
        if len(inspect.signature(self.draw).parameters) > 2:
            drawn = cast(Personal, self.draw)(args, rng, nick)
        else:
            drawn = cast(Plain, self.draw)(args, rng)
        return Art(drawn) if isinstance(drawn, str) else drawn

    def described(self) -> FunCommand:
        """Return what clients complete and explain it from."""
        return FunCommand(self.name, self.usage, self.help, list(self.aliases))


def funcmd(
    name: str, *, aliases: Iterable[str] = (), usage: str = "", help: str = ""
) -> Callable[[Plain | Personal], Command]:
    """Make a fun command of a function; its first docstring line is the help unless ``help`` is given.

    Raises `ValueError` for a name or alias that is not 1-32 of a-z, 0-9, `_` and `-`.
    """
    names = (name, *aliases)
    for each in names:
        if _NAME.fullmatch(each) is None:
            raise ValueError(f"a fun command's name is 1-32 of a-z 0-9 _ -, got {each!r}")

    def make(draw: Plain | Personal) -> Command:
        sentence = help or (inspect.getdoc(draw) or "").partition("\n")[0]
        return Command(name, draw, (usage or f"/{name}")[:100], sentence[:200], names[1:])

    return make


class _ImportTooLongError(BaseException):
    """Raised in the middle of an import. No `Exception`, so that an honest `except Exception` lets it through."""


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `_ImportTooLongError` in the body after ``seconds`` of wall clock, where signals allow it.

    That is in the main thread on Unix, and only while Python code runs. Code that catches everything goes on.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise _ImportTooLongError(f"its import took longer than {seconds:g} seconds")

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)  # of whoever had one


class Registry:
    """Commands by name and alias. `problems` says which ones could not be taken, one sentence each."""

    def __init__(self) -> None:
        self.commands: dict[str, Command] = {}  # by name
        self.problems: list[str] = []
        self._by_name: dict[str, Command] = {}  # by name and alias

    def add(self, command: Command, origin: str = "built-in") -> None:
        """Take one command. A name that is taken is a problem, not an error: the first one keeps it."""
        taken = [name for name in (command.name, *command.aliases) if name in self._by_name]
        if taken:
            self.problems.append(f"/{taken[0]} of {origin} is left out: there is a command of that name already")
            return
        self.commands[command.name] = command
        for name in (command.name, *command.aliases):
            self._by_name[name] = command

    def add_module(self, module: ModuleType, origin: str = "built-in") -> None:
        """Take all commands a module defines or imports, in its order."""
        for member in vars(module).values():
            if isinstance(member, Command):
                self.add(member, origin)

    def add_plugins(self) -> None:
        """Import and take third-party commands. A plugin that breaks, in whatever way, is a problem and no more."""
        for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
            origin = f"plugin {point.name} ({point.value})"
            try:
                with _alarm(MAX_IMPORT_S):
                    found = point.load()
            except (Exception, SystemExit, _ImportTooLongError) as why:
                self.problems.append(f"{origin} is left out: {_reason(why)}")
                continue
            if isinstance(found, ModuleType):
                self.add_module(found, origin)
            elif isinstance(found, Command):
                self.add(found, origin)
            else:
                self.problems.append(f"{origin} is left out: it is neither a module nor made by @funcmd")

    def names(self) -> set[str]:
        """Return all names and aliases, for `spelling.is_fun`."""
        return set(self._by_name)

    def catalogue(self) -> list[FunCommand]:
        """Return the commands for people, sorted by name."""
        return [self.commands[name].described() for name in sorted(self.commands)]

    def render(self, line: str, rng: Random, nick: str = "somebody", max_input: int = 200) -> Art:
        """Run the command ``line`` calls and bound its output. Raises `FunError`, or what a broken command raises."""
        if len(line) > max_input:
            raise FunError(f"that is {len(line)} characters; a fun command has at most {max_input}")
        call = parse(line)
        if call is None:
            raise FunError("a fun command begins with a slash, like /cowsay hello")
        name, args = call
        command = self._by_name.get(name)
        if command is None:
            raise FunError(f"there is no fun command /{name}")
        return bounded(command(cells.clean(args), rng, nick))


def _reason(why: BaseException) -> str:
    text = str(why)[:200]
    return text if isinstance(why, _ImportTooLongError) else f"{type(why).__name__}: {text}"


def bounded(art: Art) -> Art:
    """Return ``art`` cleaned and cut to what may be sent, with `…` where something is missing.

    A picture has at most 60x20 cells; all art at most 4 KiB, or 16 KiB when private, and never more than 16 KiB before
    it is cut. Raises `FunError` above that.
    """
    limit = MAX_PRIVATE_BYTES if art.private else MAX_BYTES
    raw = len(art.text.encode("utf-8", "surrogatepass"))
    if raw > MAX_PRIVATE_BYTES:  # before the work of cleaning, cutting and measuring, some of it outside the cage
        raise FunError(f"that came out as {raw:,} bytes; at most {limit:,} can be sent")
    lines = cells.clean(art.text).rstrip().lstrip("\n").split("\n")
    if not art.private:
        if len(lines) > MAX_HEIGHT:
            lines = [*lines[: MAX_HEIGHT - 1], f"… ({len(lines) - MAX_HEIGHT + 1} more lines)"]
        if art.kind == "fun":
            lines = [cells.clip(line.rstrip(), MAX_WIDTH) for line in lines]
    text = "\n".join(lines)
    size = len(text.encode())
    if size > limit:
        raise FunError(f"that came out as {size:,} bytes; at most {limit:,} can be sent")
    if not text:
        raise FunError("that came out empty")
    if art.kind not in ("fun", "text", "me"):
        raise FunError(f"it answered with art of the unknown kind {art.kind[:20]!r}")
    if art.anim is not None and not (0 < art.anim.duration <= MAX_ANIM_SECONDS and len(art.anim.name) <= 32):
        raise FunError(f"its animation must last at most {MAX_ANIM_SECONDS:.0f} seconds")
    return Art(text, art.kind, art.private, art.anim)


def load(plugins: bool = True) -> Registry:
    """Return the built-in commands and, unless told otherwise, the installed third-party ones."""
    from funcmds import banner, cows, emojilist, pictures, toys

    registry = Registry()
    for module in (cows, pictures, emojilist, toys, banner):
        registry.add_module(module)
    if plugins:
        registry.add_plugins()
    return registry
