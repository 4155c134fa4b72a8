"""What a typed line is made into, and the parts that handlers of commands share. `protocol.commands` has the table."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from protocol import names, native
from protocol.text import clean


@dataclass(frozen=True, slots=True)
class Context:
    """Where and by whom a line was typed."""

    room: str | None  # "#tea", "@bob" for direct messages with bob, or None: nowhere
    nick: str = ""
    last_from: str | None = None  # nick of who last wrote to us directly
    fun: Mapping[str, native.FunCommand] = field(default_factory=dict)  # by name and alias: `fun_table`


@dataclass(frozen=True, slots=True)
class Local:
    """Something only the program that shows the chat can do.

    | name | args |
    |---|---|
    | help | a command's name, or "" |
    | clear | "": empty the screen |
    | ignore | a nick, or "" for the list of ignored nicks |
    | unignore | a nick |
    | open | "@nick": show the direct messages with somebody |
    | close | "@nick": no longer show them |
    | topic | "#room": show its topic |
    | motion | "on" or "off": animations |
    | register | "": ask for a password without showing it, then `Register` |
    | login | a nick, or "" for one's own: ask for its password, then log in |
    | password | "": ask for the old password and the new one |
    | drop | "": ask for the password, then delete the account |
    | react | a number and an emoji: `room_commands.about` the messages shown, the last being 1 |
    | redact | a number (0: one's own last) and maybe a reason: the same |
    | key | a file with a public key, or "" for the usual one: read it, then `Key` |
    """

    name: str
    args: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """The line cannot be done. `text` says what happened, what was expected, what to do."""

    text: str


NewCmid = Callable[[], str]
Parsed = list[native.Request] | Local | Problem
Handler = Callable[[str, Context, NewCmid], Parsed]


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table."""

    name: str
    usage: str  # what follows the name: upper case is to be filled in, [] may be left out
    help: str  # one sentence
    handler: Handler
    aliases: tuple[str, ...] = ()
    open_words: int | None = None  # so many words after the name may be seen, the rest is a secret; None: all may

    @property
    def form(self) -> str:
        """The whole as it is typed: "/nick NAME"."""
        return f"/{self.name} {self.usage}".rstrip()


NOWHERE: Final = Problem("You are in no room. Enter one with /join #lobby, or write to one person with /msg NICK TEXT.")


def split(text: str) -> tuple[str, str, str]:
    """Return the first word, the white space after it and the rest, its end stripped."""
    found = re.match(r"(\S*)(\s*)(.*)", text, re.DOTALL)
    assert found is not None  # it matches anything
    return found[1], found[2], found[3].rstrip()


def quoted(text: str) -> str:
    """Return ``text`` in quotes, harmless and short, for a sentence."""
    text = clean(text[:200], newlines=False)
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"


def room(text: str) -> str | Problem:
    """Return a room's name; people may forget the #."""
    try:
        return names.room(text if text.startswith("#") else "#" + text)
    except names.BadName as no:
        return Problem(str(no))


def person(text: str) -> str | Problem:
    """Return a nick."""
    try:
        return names.nick(text)
    except names.BadName as no:
        return Problem(str(no))
