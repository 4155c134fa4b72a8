"""`moot admin`: what a server admin does, from the shell of whoever runs the server. Talks to it through its socket."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from moot.config import data_directory

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from protocol import operator

F = TypeVar("F", bound=Callable[..., Any])

COMPLETED: Final = 200  # nicks that a shell is offered at most
COMPLETION_S: Final = 2.0  # a shell that completes waits no longer


class Failed(click.ClickException):
    """It did not work; the text is for people."""

    exit_code = 1


class Span(click.ParamType[int]):
    """A time span, as `10m` or `2d`, in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from protocol.durations import seconds

        if isinstance(value, int):
            return value
        if (found := seconds(str(value))) is None:
            self.fail(f"{value!r} is no time; write 90s, 10m, 3h, 2d or 4w", param, ctx)
        return found


class Line(click.ParamType[str]):
    """A text of one line, without what a terminal would obey."""

    name = "TEXT"

    def __init__(self, most: int, *, needed: bool = False) -> None:
        self._most = most
        self._needed = needed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from protocol.text import clean

        text = clean(str(value).encode(errors="surrogateescape").decode(errors="replace"), newlines=False).strip()
        if len(text) > self._most:
            self.fail(f"it has {len(text):,} characters; at most {self._most:,} are taken", param, ctx)
        if self._needed and not text:
            self.fail("it is empty", param, ctx)
        return text


def _asking(command: F) -> F:
    """Add what all commands have: which server."""
    help_ = "The server's data directory. [default: as for `moot serve`]"
    return click.option("--data", metavar="DIR", help=help_)(command)


def _listing(command: F) -> F:
    return _asking(click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")(command))


def _nicks(ctx: click.Context, _param: click.Parameter, start: str) -> "list[CompletionItem | str]":
    """Return who is here, for a shell that completes; nothing when that cannot be told at once."""
    from protocol.operator import UserList, Users

    try:
        listed = _asked(_socket(ctx.params.get("data")), Users(), UserList, limit_s=COMPLETION_S)
    except Exception:  # a shell in the middle of a line wants no traceback, whatever it is
        return []
    return [user.nick for user in listed.users if user.nick.lower().startswith(start.lower())][:COMPLETED]


nick_argument = click.argument("nick", type=Line(256, needed=True), shell_complete=_nicks)
reason_argument = click.argument("reason", nargs=-1, type=Line(400))


@click.group(name="admin", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def admin() -> None:
    """Do a server admin's work on the server that runs here.

    People, rooms, bans, announcements, accounts. It finds the server by its data directory and talks to it through a
    socket there, which is for its owner alone; no password is asked for.

    \b
    Examples:
      moot admin users
      moot admin ban spam --for 2d "buy a hat"
      moot admin stats --json --data /srv/moot
    """


@admin.command()
@_listing
def users(data: str | None, as_json: bool) -> int:
    """List who is here: nick, account, rooms, devices with their dialects and addresses."""
    from protocol.durations import shown
    from protocol.operator import UserList, Users

    found = _asked(_socket(data), Users(), UserList)
    if as_json:
        return _print_json(found)
    rows = [
        (
            user.nick + (" (server admin)" if user.admin else ""),
            user.account or "",
            " ".join(user.rooms),
            ", ".join(f"{dialect} {addr}" for dialect, addr in zip(user.dialects, user.addresses, strict=True)),
            _since(user.since),
            shown(user.idle),
            "lost the connection" if user.lingers else user.away or "",
        )
        for user in found.users
    ]
    _table(("nick", "account", "rooms", "devices", "here since", "idle", "away"), rows)
    return _end(len(rows), found.count, "nobody is here")


@admin.command()
@_listing
def rooms(data: str | None, as_json: bool) -> int:
    """List the rooms, fullest first, those with nobody in them too."""
    from protocol.operator import RoomList, Rooms

    found = _asked(_socket(data), Rooms(), RoomList)
    if as_json:
        return _print_json(found)
    rows = [
        (room.room, str(room.people), f"{room.messages:,}", room.owner or "", " ".join(room.flags), room.topic)
        for room in found.rooms
    ]
    _table(("room", "people", "messages", "owner", "modes", "topic"), rows, right=(1, 2))
    return _end(len(rows), found.count, "there are no rooms")


@admin.command()
@_listing
def stats(data: str | None, as_json: bool) -> int:
    """Say how much of everything there is: people, devices, rooms, messages, accounts, the log's size, uptime."""
    from protocol.durations import shown
    from protocol.operator import Statistics, Stats

    found = _asked(_socket(data), Stats(), Statistics)
    if as_json:
        return _print_json(found)
    devices = ", ".join(f"{count} {dialect}" for dialect, count in found.devices.items())
    rows = [
        ("people", f"{found.people:,}"),
        ("devices", f"{sum(found.devices.values()):,}" + (f" ({devices})" if devices else "")),
        ("rooms", f"{found.rooms:,} with people, {found.rooms_kept:,} with messages"),
        ("messages", f"{found.messages:,}"),
        ("accounts", f"{found.accounts:,}"),
        ("log", _bytes(found.log_bytes)),
        ("up", f"{shown(found.uptime)}, version {found.version}"),
        ("restarts", f"{found.restarts} of its processes since then"),
    ]
    _table(("", ""), rows)
    return 0


@admin.command()
@_asking
@nick_argument
@reason_argument
def kick(data: str | None, nick: str, reason: Sequence[str]) -> int:
    """Put somebody off the server. They may come back; `ban` keeps them out.

    \b
    Example:
      moot admin kick bob "sleep it off"
    """
    from protocol.moderation import Kick

    return _do(data, Kick(nick=nick, reason=_reason(reason)))


@admin.command()
@_asking
@click.option("--for", "for_", type=Span(), metavar="TIME", help="End it after that time, such as 10m or 2d.")
@click.argument("mask", type=Line(300, needed=True), shell_complete=_nicks)
@reason_argument
def ban(data: str | None, for_: int | None, mask: str, reason: Sequence[str]) -> int:
    """Keep somebody off the server, and put them off it.

    MASK is a nick, `nick!user@host` with * and ?, `account:NAME`, an address, or a range of addresses.

    \b
    Examples:
      moot admin ban bob --for 2d "buy a hat"
      moot admin ban bob 2d buy a hat
      moot admin ban 203.0.113.0/24
      moot admin ban account:eve
    """
    from protocol.durations import seconds
    from protocol.moderation import Ban

    if for_ is None and reason and (for_ := seconds(reason[0])) is not None:  # as people type it in the chat
        reason = reason[1:]
    return _do(data, Ban(mask=mask, seconds=for_, reason=_reason(reason)))


@admin.command()
@_asking
@click.argument("mask", type=Line(300, needed=True))
def unban(data: str | None, mask: str) -> int:
    """Take a ban back. MASK is as `moot admin bans` shows it, or a nick it is about."""
    from protocol.moderation import Unban

    return _do(data, Unban(mask=mask))


@admin.command()
@_listing
def bans(data: str | None, as_json: bool) -> int:
    """List who is banned from the server."""
    from protocol.operator import BanList, Bans

    found = _asked(_socket(data), Bans(), BanList)
    if as_json:
        return _print_json(found)
    rows = [
        (
            entry.mask,
            entry.by,
            _since(entry.at),
            _since(entry.until) if entry.until else "it is taken back",
            entry.reason,
        )
        for entry in found.bans
    ]
    _table(("mask", "by", "since", "until", "reason"), rows)
    return _end(len(rows), len(rows), "nobody is banned from the server")


@admin.command()
@_asking
@click.argument("text", nargs=-1, required=True, type=Line(2000))
def announce(data: str | None, text: Sequence[str]) -> int:
    """Tell something to everybody who is here, in whatever room.

    \b
    Example:
      moot admin announce "The server moves at noon; nothing is lost."
    """
    from protocol.moderation import Announce

    words = " ".join(text).strip()
    if not 0 < len(words) <= 2000:
        raise click.UsageError("an announcement has 1 to 2,000 characters")
    return _do(data, Announce(text=words))


@admin.command()
@_asking
def reload(data: str | None) -> int:
    """Have the server read its settings again, as `moot reload` does."""
    from moot.host import command
    from moot.running import Refused
    from protocol.operator import Ask

    try:
        return command(_socket(data), Ask("reload"))
    except Refused as error:
        raise Failed(str(error)) from error


@admin.command()
@_listing
def accounts(data: str | None, as_json: bool) -> int:
    """List the accounts."""
    from protocol.operator import AccountList, Accounts

    found = _asked(_socket(data), Accounts(), AccountList)
    if as_json:
        return _print_json(found)
    rows = [
        (account.account, _since(account.since), str(account.devices), "server admin" if account.admin else "")
        for account in found.accounts
    ]
    _table(("account", "registered", "devices", ""), rows, right=(2,))
    return _end(len(rows), found.count, "there are no accounts")


@admin.command()
@_asking
@nick_argument
def add(data: str | None, nick: str) -> int:
    """Make an account an admin of the server. NICK is registered: an admin must be able to prove who they are."""
    from protocol.operator import Admin

    return _do(data, Admin(account=nick))


@admin.command()
@_asking
@nick_argument
def remove(data: str | None, nick: str) -> int:
    """Let an account be an admin of the server no longer."""
    from protocol.operator import Admin

    return _do(data, Admin(account=nick, on=False))


@admin.command()
@_asking
@nick_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(data: str | None, nick: str, yes: bool) -> int:
    """Delete an account, whatever its password; its nick is free then. What it said stays."""
    from protocol.operator import Drop

    if not yes:
        click.confirm(f"Delete the account {nick} for good?", abort=True)
    return _do(data, Drop(account=nick))


@admin.command()
@_asking
@nick_argument
def password(data: str | None, nick: str) -> int:
    """Give an account another password, for somebody who has forgotten theirs. It is shown once; all are logged out."""
    from broker.credentials import Costs, made
    from moot.appointing import new_password
    from protocol.operator import Reset
    from protocol.settings import DEFAULTS

    new = new_password()
    costs = Costs(DEFAULTS.argon2_memory, DEFAULTS.argon2_passes, DEFAULTS.argon2_lanes, DEFAULTS.scram_iterations)
    kept = made(new, costs)  # with the server's own parameters when they log in
    assert kept.scram is not None, "it is on by default"
    scram = (kept.scram.salt, kept.scram.iterations, kept.scram.stored_key, kept.scram.server_key)
    code = _do(data, Reset(account=nick, password=kept.password, scram=scram))
    click.echo(f"It is: {new}")
    return code


# --- asking


def _socket(data: str | None) -> Path:
    if sys.platform == "win32":
        raise Failed("the server runs on Linux and macOS")
    return data_directory({"data": data} if data else {}, os.environ, None)


def _asked(directory: Path, order: "operator.Order", kind: Any, limit_s: float | None = None) -> Any:
    """Return what the server has found, an object of ``kind``. Raises `Failed`."""
    import msgspec

    answer = _answer(directory, order, limit_s)
    if answer.code:
        raise Failed(answer.text)
    try:
        return msgspec.json.decode(answer.found, type=kind)
    except msgspec.DecodeError as error:
        raise Failed(f"the server is of another version, and its answer is not understood: {error}") from error


def _do(data: str | None, order: "operator.Order") -> int:
    """Have the server do it; print what it says, and return the exit code. Raises `Failed`."""
    answer = _answer(_socket(data), order)
    if answer.code:
        raise Failed(answer.text)
    click.echo(f"{answer.text}.")
    return 0


def _answer(directory: Path, order: "operator.Order", limit_s: float | None = None) -> "operator.Answer":
    import msgspec

    from moot.admin import ask
    from moot.running import Refused
    from protocol.operator import Ask

    question = Ask("chat", order=msgspec.Raw(msgspec.json.encode(order)))
    try:
        *_, last = ask(directory, question, limit_s)
    except Refused as error:
        raise Failed(str(error)) from error
    return last


def _reason(words: Iterable[str]) -> str:
    reason = " ".join(words).strip()
    if len(reason) > 400:
        raise click.UsageError(f"the reason has {len(reason):,} characters; at most 400 are taken")
    return reason


# --- showing


def _print_json(found: Any) -> int:
    import msgspec

    click.echo(msgspec.json.encode(found).decode())
    return 0


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> None:
    """Print a table; columns in which nothing stands are left out. Into a pipe its lines are as long as they are."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    used = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    if not used:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(heads))
    right = set(right)
    for index in used:
        table.add_column(heads[index], justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[index]) for index in used))
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=100_000)
    with console.capture() as drawn:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _end(listed: int, count: int, none: str) -> int:
    """Say what the table does not."""
    if not count:
        click.echo(f"{none[0].upper()}{none[1:]}.")
    elif listed < count:
        click.echo(f"and {count - listed:,} more")
    return 0


def _since(ms: int) -> str:
    """Return a time of the log as this machine's clock shows it."""
    then = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    return then.strftime("%H:%M" if abs(time.time() - ms / 1000) < 12 * 3600 else "%Y-%m-%d %H:%M")


def _bytes(count: int) -> str:
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:,.1f} {unit}"
    return f"{count} bytes"
