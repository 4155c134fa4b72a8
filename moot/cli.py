"""The command line: reads words, calls the part that does it. The parts are imported when they are called for."""

import moot.quickstart  # noqa: F401, I001  # before msgspec

import os
import sys
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from client.address import Address as Target
from client.address import parse_address
from moot import __version__, admincmds, keycmds, logcmds
from moot.config import ConfigError, Wish, data_directory, load
from moot.flags import ServerCommand
from protocol.addresses import show
from protocol.native import DEFAULT_PORT

EPILOG: Final = """\b
Exit codes:
  0    done
  1    it did not work; one line says why and what to do
  2    wrong usage or configuration
  3    no server there, or it sent us away
  70   an error of moot's own; the traceback is in a file that is named
  130  interrupted with Ctrl+C"""

DEFAULT_COMMAND: Final = "host"


class Failed(click.ClickException):
    """It did not work; the text is for people."""

    exit_code = 1


class Program(click.Group):
    """A group whose options, when no command is named, are those of `moot host`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and not args:  # completion: a command's name may follow
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version", "-V")):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            found += self.commands[DEFAULT_COMMAND].shell_complete(ctx, incomplete)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            import difflib

            known = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], known, n=1)
            hint = f"did you mean {close[0]}" if close else f"there are {', '.join(known)}"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order people meet them


class Address(click.ParamType[tuple[Any, ...]]):
    """HOST or HOST:PORT, which becomes (host, port), or an invitation, which becomes an `Invitation`."""

    name = "HOST[:PORT]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        try:
            if ":" in value and "/" in value:
                from moot.invitation import is_invitation, parse_invitation

                if is_invitation(value):
                    return parse_invitation(value)
            return parse_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Utf8(click.ParamType[str]):
    """A text that can be sent: no bytes that were not UTF-8 (Python shows them as surrogates)."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is no UTF-8", param, ctx)
        return str(value)


class RoomName(Utf8):
    """A room; the `#` may be left away, since a shell takes it for a comment."""

    name = "ROOM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name = super().convert(value, param, ctx)
        name = name if name.startswith(("#", "@")) else "#" + name
        if len(name) < 2 or len(name) > 65 or name.split() != [name]:
            self.fail(f"{value!r} is no room; a name has 1 to 64 characters and no blanks, such as '#tea'", param, ctx)
        return name


class Spread(click.FloatRange):
    """A number within bounds; `nan`, which no bound stops, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if number != number:
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return number


nick_option = click.option(
    "--nick",
    type=Utf8(),
    metavar="NAME",
    envvar="MOOT_NICK",
    show_envvar=True,
    help="What others call you. [default: your login name]",
)
room_option = click.option(
    "--room",
    "rooms",
    type=RoomName(),
    multiple=True,
    metavar="ROOM",
    help="Enter this room; repeatable. [default: #lobby]",
)
plain_option = click.option(
    "--plain", is_flag=True, help="Line by line, no full screen; for screen readers and simple terminals."
)
HELP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Program, invoke_without_command=True, context_settings=HELP, epilog=EPILOG)
@click.version_option(__version__, "-V", "--version", message="moot %(version)s")
def program() -> None:
    """Chat that one command hosts and anybody joins.

    \b
    Examples:
      moot                          host a chat here and go into #lobby
      moot --nick ann --listen :7000
      moot join 192.168.1.5         join the chat that 192.168.1.5 hosts
      nc 192.168.1.5 6668           the same with nothing installed

    Without a command, moot hosts and joins: `moot --nick ann` is `moot host --nick ann`.
    """


@program.command(cls=ServerCommand)
@nick_option
@room_option
@plain_option
def host(flags: dict[str, Any], config: Path | None, nick: str | None, rooms: tuple[str, ...], plain: bool) -> int:
    """Start a server and go into it; the same as `moot` alone.

    When a server runs here already, it is joined. Without a terminal, the server runs in the foreground.

    \b
    Examples:
      moot
      moot host --nick ann --room '#tea'
      moot host --listen 0.0.0.0:7000 --data /srv/moot
    """
    _need_unix()
    from moot.host import host_and_join

    wish = Wish(flags, str(config.absolute()) if config else None)
    settings = wish.settings()
    return _server(lambda: host_and_join(wish, nick, rooms or (settings.lobby,), plain=plain))


@program.command(cls=ServerCommand)
@click.option(
    "--admin", type=Utf8(), metavar="NICK", help="Whose account is an admin of the server; it is made if need be."
)
def serve(flags: dict[str, Any], config: Path | None, admin: str | None) -> int:
    """Run a server in the foreground until Ctrl+C or SIGTERM; SIGHUP is `moot reload`.

    Every setting can be a flag, a variable (--max-line is MOOT_MAX_LINE), or a key in a TOML file (max_line); the
    first of these that has it counts.

    \b
    Examples:
      moot serve
      moot serve --admin ann
      moot serve --listen 0.0.0.0:7000 --listen '[::]:7000' --log-format json
      MOOT_WORKERS=2 moot serve --config /etc/moot.toml
    """
    _need_unix()
    from moot.host import serve_here

    wish = Wish(flags, str(config.absolute()) if config else None)
    wish.settings()  # what is wrong is said before anything starts
    return _server(lambda: serve_here(wish, admin))


@program.command(hidden=True)
def hosted() -> int:
    """Run the server of `moot host`: settings come from standard input, readiness goes to standard output."""
    from moot.host import serve_for_parent

    return serve_for_parent()


@program.command(cls=ServerCommand)
def stop(flags: dict[str, Any], config: Path | None) -> int:
    """Stop the server that runs on this machine.

    The server is the one that uses the data directory; name it as you did when starting it.

    \b
    Examples:
      moot stop
      moot stop --data /srv/moot
    """
    _need_unix()
    from moot.host import stop_server

    directory = data_directory(flags, os.environ, config)
    return _server(lambda: stop_server(directory))


@program.command(cls=ServerCommand)
@click.option("--spread", type=Spread(0, 3600), metavar="SECONDS", help="Send clients over within that time.")
def restart(flags: dict[str, Any], config: Path | None, spread: float | None) -> int:
    """Renew the processes of the server that runs here, while people talk on.

    New processes take the places of the old ones; clients come over to them by themselves, and people with nc may
    stay for a while. New code and new settings are taken up.

    \b
    Examples:
      moot restart
      moot restart --data /srv/moot --spread 60
    """
    _need_unix()
    from moot.host import command
    from protocol.operator import Ask

    directory = data_directory(flags, os.environ, config)
    return _server(lambda: command(directory, Ask("restart", spread)))


@program.command(cls=ServerCommand)
def reload(flags: dict[str, Any], config: Path | None) -> int:
    """Have the server that runs here read its settings again.

    It reads the same file, and keeps the flags and variables it was started with. Says of each changed setting
    whether it is taken up, or needs a restart.

    \b
    Examples:
      moot reload
      moot reload --data /srv/moot
    """
    _need_unix()
    from moot.host import command
    from protocol.operator import Ask

    directory = data_directory(flags, os.environ, config)
    return _server(lambda: command(directory, Ask("reload")))


@program.command()
@click.argument("where", metavar="[HOST[:PORT]]", default=("127.0.0.1", DEFAULT_PORT), type=Address())
@click.argument("port", metavar="[PORT]", required=False, type=click.IntRange(1, 65535))
@click.argument("name", metavar="[NICK]", required=False)
@nick_option
@room_option
@plain_option
def join(
    where: tuple[Any, ...], port: int | None, name: str | None, nick: str | None, rooms: tuple[str, ...], plain: bool
) -> int:
    """Join a chat.

    Without HOST, the one on this machine. HOST may be an invitation as a server prints it. When the output is no
    terminal, --plain is taken.

    \b
    Examples:
      moot join 192.168.1.5
      moot join example.org:7000 --nick ann --room '#tea'
      moot join 192.168.1.5 6668 ann
      moot join 'moot://192.168.1.5:6668/#tea?key=SHA256:...'
    """
    from moot.enter import enter

    address, room = _target(where, port)
    return enter(address, name or nick, rooms or (room or "#lobby",), plain=plain)


@program.command()
@click.argument("where", metavar="HOST[:PORT]", type=Address())
@click.argument("room", metavar="ROOM", type=RoomName())
@nick_option
def send(where: tuple[Any, ...], room: str, nick: str | None) -> int:
    """Say every line of standard input in a room.

    Ends with 0 only when the server has acknowledged every line. Quote the room ('#tea') or leave the # away.

    \b
    Examples:
      echo "the build is green" | moot send localhost '#builds' --nick ci
      tail -f app.log | moot send example.org:7000 logs
    """
    from client.send import run_send

    return run_send(_target(where)[0], room, nick)


@program.command()
@click.argument("where", metavar="HOST[:PORT]", type=Address())
@click.argument("room", metavar="ROOM", type=RoomName())
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as in docs/protocol.md.")
@click.option(
    "--since", metavar="all|SEQ|TIME", help="Start there: everything, after a message's number, or a time (ISO 8601)."
)
@click.option("--no-follow", is_flag=True, help="End after what there is instead of waiting for more.")
@nick_option
def tail(where: tuple[Any, ...], room: str, as_json: bool, since: str | None, no_follow: bool, nick: str | None) -> int:
    """Print a room's messages, and go on as more come.

    \b
    Examples:
      moot tail localhost '#lobby'
      moot tail localhost lobby --json --since all --no-follow > lobby.jsonl
      moot tail localhost '#builds' --since 2026-01-31T12:00
    """
    from client.tail import run_tail

    address, _room = _target(where)
    return run_tail(address, room, json=as_json, since=since, follow=not no_follow, nick=nick)


@program.command()
@click.argument("where", metavar="HOST[:PORT]", type=Address())
def forget(where: tuple[Any, ...]) -> int:
    """Forget the key of a server, so that the next one it shows is taken.

    For a server that was given a new key. Ask whoever runs it before: the next key may be somebody else's.

    \b
    Examples:
      moot forget example.org:7000
    """
    from client import trust

    server = Target(*(where[0] if len(where) == 3 else where))
    known = trust.default()
    try:
        found = known.forget(server)
    except OSError as error:
        raise Failed(f"cannot change {known.path}: {error.strerror}") from error
    if not found:
        raise Failed(f"no key of {server} is known; the known ones are in {known.path}")
    click.echo(f"The key of {server} is forgotten; the next one it shows is taken.")
    return 0


@program.command(cls=ServerCommand)
@click.option("--json", "as_json", is_flag=True, help="The findings as a JSON list.")
def doctor(flags: dict[str, Any], config: Path | None, as_json: bool) -> int:
    """Look at this machine and say what stands in moot's way, and what to do about it.

    Ends with 1 when something is broken. Give it the settings you serve with.

    \b
    Examples:
      moot doctor
      moot doctor --data /srv/moot --listen 0.0.0.0:7000
      moot doctor --json
    """
    from moot.doctor import run_doctor

    return run_doctor(load(flags, os.environ, config), as_json=as_json)


program.add_command(keycmds.key)
program.add_command(admincmds.admin)
for log_command in logcmds.COMMANDS:
    program.add_command(log_command)


@program.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the script that teaches a shell to complete moot's commands.

    \b
    Examples:
      eval "$(moot completion bash)"                                   now, in this shell
      moot completion bash >> ~/.bashrc                                for good
      moot completion zsh >> ~/.zshrc
      moot completion fish > ~/.config/fish/completions/moot.fish
    """
    from moot.completion import script

    click.echo(script(program, shell), nl=False)
    return 0


def _target(where: tuple[Any, ...], port: int | None = None) -> tuple[str, str]:
    """Return HOST:PORT, and the room of an invitation or nothing. An invitation's key is the only one taken there."""
    room = ""
    if len(where) == 3:
        from client import trust

        where, room, pin = where
        if pin:
            trust.default().invite(Target(where[0], port or where[1]), pin)
    return show(where[0], port or where[1]), room


def dispatch(argv: list[str]) -> int:
    """Run the command that ``argv`` names; return its exit code. What goes wrong is said in one line."""
    try:
        return program.main(argv, prog_name="moot", standalone_mode=False) or 0
    except ConfigError as error:
        click.echo(f"moot: {error}", err=True)
        return 2
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "moot"
        message = error.format_message()
        message = (message[0].lower() + message[1:]).removesuffix("?)").rstrip(".?")
        message = message.replace(". Did you", "; did you").replace(". (Did you mean one of: ", "; did you mean ")
        click.echo(f"moot: {message}; try `{command} --help`", err=True)
        return 2
    except click.Abort:
        return 130
    except click.ClickException as error:
        click.echo(f"moot: {error.format_message()}", err=True)
        return error.exit_code


def _server(do: Any) -> int:
    """Call ``do``; what a server cannot do becomes one line."""
    from moot.running import Refused

    try:
        return int(do())
    except Refused as error:
        raise Failed(str(error)) from error


def _need_unix() -> None:
    if sys.platform == "win32":
        raise Failed("the server runs on Linux and macOS; on Windows, join one with `moot join HOST`")
