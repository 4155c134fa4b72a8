"""The one table of chat commands, from which `/help`, completion and docs/commands.md are made.

Terminal client, plain client and the server (for people with `nc`) read a typed line through `parse`: it becomes
requests for the server, a `Local` for whoever shows the chat, or a `Problem` to be shown. Fun commands are not in the
table: the server lists them, and `parse` only recognizes their names.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from protocol import names, native
from protocol.account_commands import ACCOUNT_COMMANDS
from protocol.room_commands import ROOM_COMMANDS
from protocol.text import clean
from protocol.typed import NOWHERE as _NOWHERE
from protocol.typed import Command, Context, Local, NewCmid, Parsed, Problem
from protocol.typed import person as _person
from protocol.typed import quoted as _quoted
from protocol.typed import room as _room
from protocol.typed import split as _split

__all__ = ["COMMANDS", "TABLE", "Command", "Context", "Local", "Parsed", "Problem", "complete", "fun_name", "fun_table",
           "help_text", "markdown", "masked", "parse"]  # fmt: skip

_WIDTH: Final = 72  # cells of a paragraph in what `/help` shows
MAX_HISTORY: Final = 500  # messages one /history may ask for

COLORS: Final[Mapping[str, str]] = {  # CSS names
    "aqua": "#00FFFF",
    "black": "#000000",
    "blue": "#0000FF",
    "brown": "#A52A2A",
    "coral": "#FF7F50",
    "cyan": "#00FFFF",
    "fuchsia": "#FF00FF",
    "gold": "#FFD700",
    "gray": "#808080",
    "green": "#008000",
    "grey": "#808080",
    "indigo": "#4B0082",
    "lime": "#00FF00",
    "magenta": "#FF00FF",
    "maroon": "#800000",
    "navy": "#000080",
    "olive": "#808000",
    "orange": "#FFA500",
    "orchid": "#DA70D6",
    "pink": "#FFC0CB",
    "plum": "#DDA0DD",
    "purple": "#800080",
    "red": "#FF0000",
    "salmon": "#FA8072",
    "silver": "#C0C0C0",
    "skyblue": "#87CEEB",
    "teal": "#008080",
    "tomato": "#FF6347",
    "turquoise": "#40E0D0",
    "violet": "#EE82EE",
    "white": "#FFFFFF",
    "yellow": "#FFFF00",
}


def parse(line: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    """Return what a typed ``line`` (maybe of several lines) asks for; an empty list for a blank one. Never raises.

    ``new_cmid`` is called once for each message made.
    """
    if not line.startswith("/"):
        bare = line.strip().lower()
        if bare == "!clear":
            return Local("clear")
        if bare in _BARE_LINES and fun_name(line) in ctx.fun:
            return _fun(line, ctx, new_cmid)
        return _say(line, ctx, new_cmid) if bare else []
    if line.startswith("//"):
        return _say(line[1:], ctx, new_cmid)
    word, _, args = _split(line[1:])
    if command := TABLE.get(word.lower()):
        return command.handler(args, ctx, new_cmid)
    if fun_name(line) in ctx.fun:
        return _fun(line, ctx, new_cmid)
    return Problem(_unknown(word, ctx))


# --- fun commands, known by name only


_BARE_LINES: Final = {"cowsay -help": "cows", "emogi -help": "emoji"}  # with nothing else on the line
_FUN_NAME: Final = re.compile(r"/([A-Za-z0-9][A-Za-z0-9_-]{0,31})(?:\s.*|[!?].*|/)?", re.DOTALL)


def fun_name(line: str) -> str | None:
    """Return the name of the fun command that ``line`` would call if there is one of that name, in lower case.

    >>> fun_name("/cowsay -f tux hi"), fun_name("/cowsay?Hello/"), fun_name("/train/"), fun_name("cowsay -help")
    ('cowsay', 'cowsay', 'train', 'cows')
    """
    line = line.strip()
    if found := _FUN_NAME.fullmatch(line):
        return found[1].lower()
    return _BARE_LINES.get(" ".join(line.lower().split())) if len(line) < 40 else None


def fun_table(commands: Iterable[native.FunCommand]) -> dict[str, native.FunCommand]:
    """Return the server's fun commands by name and alias, for `Context.fun`. What the table below has, wins."""
    found: dict[str, native.FunCommand] = {}
    for command in commands:
        for name in (command.name, *command.aliases):
            if name not in TABLE:
                found.setdefault(name, command)
    return found


def _fun(line: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return [native.Fun(cmid=new_cmid(), to=ctx.room, line=line.strip())] if ctx.room else _NOWHERE


# --- handlers


def _usage(command: str, what: str) -> Problem:
    return Problem(f"{what} Type {TABLE[command].form}")


def _help(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return Local("help", args.removeprefix("/").lower())


def _online(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return [native.Who()]
    room = _room(args)
    return room if isinstance(room, Problem) else [native.Who(room=room)]


def _quit(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return [native.Quit(reason=args[: native.MAX_REMARK])]


def _nick(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return _usage("nick", f"You are {ctx.nick}." if ctx.nick else "A nick is missing.")
    nick = _person(args)
    return nick if isinstance(nick, Problem) else [native.Nick(nick=nick)]


def _me(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return _usage("me", "What you do is missing.")
    return [native.Send(cmid=new_cmid(), to=ctx.room, text=args, kind="me")] if ctx.room else _NOWHERE


def _say(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args.strip():
        return _usage("say", "The text is missing.")
    return [native.Send(cmid=new_cmid(), to=ctx.room, text=args)] if ctx.room else _NOWHERE


def _msg(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    to, _, text = _split(args)
    if not to:
        return _usage("msg", "To whom?")
    target = _room(to) if to.startswith("#") else _person(to.removeprefix("@").rstrip(":,"))
    if isinstance(target, Problem):
        return target
    if not target.startswith("#"):
        target = "@" + target
    if text:
        return [native.Send(cmid=new_cmid(), to=target, text=text)]
    return Local("open", target) if target.startswith("@") else _usage("msg", "The text is missing.")


def _reply(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if ctx.last_from is None:
        return Problem("Nobody has written to you alone yet, so there is nobody to answer. Type /msg NICK TEXT")
    if not args:
        return _usage("reply", f"The text for {ctx.last_from} is missing.")
    return [native.Send(cmid=new_cmid(), to="@" + ctx.last_from, text=args)]


def _join(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    wanted = args.replace(",", " ").split()
    if not wanted:
        return _usage("join", "Which room?")
    if len(wanted) == 1 and wanted[0].startswith("@"):
        return _msg(wanted[0], ctx, new_cmid)
    key = None
    if len(wanted) > 1 and wanted[-1].lower().startswith("key="):
        key = wanted.pop()[4:104] or None
    requests: list[native.Request] = []
    for text in wanted[:10]:  # more at once is a mistake, such as a sentence
        room = _room(text)
        if isinstance(room, Problem):
            return room
        requests.append(native.Join(room=room, key=key))
    return requests


def _leave(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    first, _, rest = _split(args)
    if first.startswith("#"):
        room = _room(first)
        return room if isinstance(room, Problem) else [native.Leave(room=room, reason=rest[: native.MAX_REMARK])]
    if ctx.room is None:
        return _usage("leave", "You are in no room.")
    if ctx.room.startswith("@"):
        return Local("close", ctx.room)
    return [native.Leave(room=ctx.room, reason=args[: native.MAX_REMARK])]


def _rooms(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return [native.Rooms()]


def _topic(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if ctx.room is None or not ctx.room.startswith("#"):
        return Problem("Only rooms have a topic, and you are in none now. Enter one with /join #room first.")
    if not args:
        return Local("topic", ctx.room)
    return [native.Topic(cmid=new_cmid(), room=ctx.room, text="" if args == "-" else args)]


def _whois(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return _usage("whois", "Whom do you want to know about?")
    nick = _person(args.removeprefix("@"))
    return nick if isinstance(nick, Problem) else [native.Whois(nick=nick)]


def _away(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return [native.Away(text=args or "away")]


def _back(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return [native.Away()]


def _ignore(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return Local("ignore")
    nick = _person(args.removeprefix("@"))
    if isinstance(nick, Problem):
        return nick
    if names.fold_nick(nick) == names.fold_nick(ctx.nick):
        return Problem("That is you, and you will always hear yourself. Type /ignore NICK with somebody else's nick.")
    return Local("ignore", nick)


def _unignore(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return _usage("unignore", "Whom do you want to hear again? /ignore alone lists who is ignored.")
    nick = _person(args.removeprefix("@"))
    return nick if isinstance(nick, Problem) else Local("unignore", nick)


def _color(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    wanted = args.lower()
    if wanted in ("off", "none", "default"):
        return [native.Color()]
    color = COLORS.get(wanted)
    if color is None and re.fullmatch(r"#?[0-9a-f]{6}", wanted, re.ASCII):
        color = "#" + wanted.removeprefix("#").upper()
    if color is None and re.fullmatch(r"#[0-9a-f]{3}", wanted, re.ASCII):
        color = "#" + "".join(digit * 2 for digit in wanted[1:]).upper()
    if color is None:
        what = f"{_quoted(args)} is no color I know." if args else "Which color?"
        return Problem(f"{what} Type /color #D333FF, or /color off, or one of: {', '.join(COLORS)}")
    return [native.Color(color=color)]


def _clear(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return Local("clear")


def _history(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if ctx.room is None:
        return _NOWHERE
    if args and not (re.fullmatch(r"[0-9]{1,9}", args) and 1 <= int(args) <= MAX_HISTORY):
        return _usage("history", f"{_quoted(args)} is not a number from 1 to {MAX_HISTORY}.")
    room = ctx.room if ctx.room.startswith("#") else native.INBOX
    return [native.History(room=room, limit=int(args))] if args else [native.History(room=room)]


def _time(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    return [native.Ping()]


def _motion(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if args.lower() in ("on", "off"):
        return Local("motion", args.lower())
    return _usage("motion", "On or off?")


# --- the table


COMMANDS: Final[tuple[Command, ...]] = (
    Command("help", "[COMMAND|accounts|order]", "Show the commands, or how to use one of them.", _help, ("h", "?")),
    Command("say", "TEXT", "Say something; //TEXT says a line that begins with a slash.", _say),
    Command("me", "TEXT", "Say what you do: /me waves.", _me),
    Command("msg", "NICK [TEXT]", "Write to one person; without a text, turn to them.", _msg, ("query", "w", "dm")),
    Command("reply", "TEXT", "Answer whoever wrote to you alone last.", _reply, ("r",)),
    Command("online", "[#ROOM]", "Show who is here, or who is in a room.", _online, ("who", "users")),
    Command("whois", "NICK", "Show what is known about somebody.", _whois),
    Command("rooms", "", "Show the rooms there are.", _rooms, ("list",)),
    Command("join", "#ROOM [key=KEY]", "Enter a room; it is made if there is none of that name.", _join, ("j",)),
    Command("leave", "[#ROOM] [REASON]", "Leave this room or another.", _leave, ("part",)),
    Command("topic", "[TEXT]", "Show or set what this room is about; - removes it.", _topic),
    Command("history", "[N]", f"Show the last N messages, at most {MAX_HISTORY}.", _history),
    Command("nick", "NAME", "Take another nick.", _nick),
    Command("color", "#RRGGBB|NAME|off", "Choose the color of your nick.", _color, ("colour",)),
    Command("away", "[TEXT]", "Tell others that you are away.", _away),
    Command("back", "", "Tell others that you are here again.", _back),
    Command("ignore", "[NICK]", "Hide what somebody says; without a nick, show who is ignored.", _ignore),
    Command("unignore", "NICK", "Show again what somebody says.", _unignore),
    Command("motion", "on|off", "Let pictures move, or stand still (terminal client).", _motion),
    *ACCOUNT_COMMANDS,
    *ROOM_COMMANDS,
    Command("clear", "", "Empty the screen; !clear does it too.", _clear),
    Command("time", "", "Show the server's time.", _time),
    Command("quit", "[REASON]", "Leave the chat.", _quit, ("exit", "q")),
)

_EVERYDAY: Final = frozenset({"react", "redact", "invite"})
TOPICS: Final[Mapping[str, tuple[str, tuple[Command, ...]]]] = {  # of what `/help` alone only names
    "accounts": ("Your own nick", ACCOUNT_COMMANDS),
    "order": ("Keeping order in rooms", tuple(c for c in ROOM_COMMANDS if c.name not in _EVERYDAY)),
}

TABLE: Final[Mapping[str, Command]] = {name: c for c in COMMANDS for name in (c.name, *c.aliases)}  # aliases too


def masked(line: str) -> str:
    """Return ``line`` as it may be remembered: without a password that stands in it."""
    word, _, rest = _split(line.removeprefix("/"))
    command = TABLE.get(word.lower()) if line.startswith("/") else None
    if command is None or command.open_words is None:
        return line
    kept = rest.split()[: command.open_words]
    return " ".join(["/" + word, *kept])


def _unknown(word: str, ctx: Context) -> str:
    """Return what to tell somebody who typed ``/word``, with the nearest command there is."""
    import difflib  # 9 ms to import, for a mistake

    known = [*TABLE, *ctx.fun]
    word = clean(word[:40], newlines=False)
    lower = word.lower()
    near = [name for name in known if lower and name.startswith(lower)]
    near = near or sorted(
        difflib.get_close_matches(lower, known, 3, cutoff=0.7), key=lambda name: abs(len(name) - len(lower))
    )  # letters that were mixed up rather than ones that are missing
    hint = f"Did you mean /{near[0]}?" if near else "/help lists the commands."
    return f"There is no command /{word}. {hint} To say it as it is, begin with //"


# --- what is made from the table


def help_text(ctx: Context, command: str | None = None) -> str:
    """Return the text `/help` shows: the commands, those of a topic, or one (name or alias, slash or not)."""
    if command:
        word = command.removeprefix("/").lower()
        if word in TOPICS:
            return "\n".join(_lines(TOPICS[word][1]))
        if known := TABLE.get(word):
            return _explain(known.form, known.help, known.aliases)
        if fun := ctx.fun.get(word):
            return _explain(fun.usage, fun.help, fun.aliases)
        return _unknown(word, ctx)
    from textwrap import wrap

    elsewhere = {c for _, commands in TOPICS.values() for c in commands}
    lines = _lines([c for c in COMMANDS if c not in elsewhere])
    for topic, (about, commands) in TOPICS.items():
        named = " ".join(f"/{c.name}" for c in commands)
        lines += ["", *wrap(f"{about} (/help {topic} explains them): {named}", _WIDTH)]
    if ctx.fun:
        fun_names = sorted({c.name for c in ctx.fun.values()})
        lines += ["", "For fun: " + " ".join(f"/{name}" for name in fun_names)]
    return "\n".join([*lines, "", "Anything else you type is said to the room. /help COMMAND says more."])


def _lines(commands: Iterable[Command]) -> list[str]:
    commands = list(commands)
    width = max(len(c.form) for c in commands)
    return [f"{c.form:<{width}}  {c.help}" for c in commands]


def _explain(usage: str, sentence: str, aliases: Iterable[str]) -> str:
    also = ", ".join(f"/{alias}" for alias in aliases)
    return f"{usage}\n{sentence}" + (f"\nAlso: {also}" if also else "")


def complete(line: str, ctx: Context | None = None) -> list[str]:
    """Return the commands, with their slash, that ``line`` (what stands before the cursor) may become, sorted.

    An alias is offered only when no name begins so. Empty when the line is no command or its first word is finished.
    """
    if not line.startswith("/") or line.startswith("//") or line != line.rstrip() or len(line.split()) != 1:
        return []
    word = line[1:].lower()
    found = {c.name for c in COMMANDS if c.name.startswith(word)}
    aliases = set(TABLE)
    if ctx is not None:
        found |= {c.name for c in ctx.fun.values() if c.name.startswith(word)}
        aliases |= set(ctx.fun)
    return sorted(f"/{name}" for name in found or {name for name in aliases if name.startswith(word)})


def markdown() -> str:
    """Return docs/commands.md."""
    lines = [
        "# Commands",
        "",
        "Made from `protocol/commands.py`; `python -m protocol.commands > docs/commands.md` writes it anew.",
        "The fun commands are in [funcmds.md](funcmds.md).",
        "",
        "What is in `[]` may be left out. A line that begins with no slash is said to the room; `//text` says `/text`.",
        "",
        "| command | also | what it does |",
        "|---|---|---|",
    ]
    for c in COMMANDS:
        also = " ".join(f"`/{alias}`" for alias in c.aliases)
        lines.append(f"| `{c.form.replace('|', chr(92) + '|')}` | {also} | {c.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
