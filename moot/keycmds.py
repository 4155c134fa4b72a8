"""`moot key`: keys that log in instead of a password. What it does is `client.keyring`'s."""

from typing import Any

import click


def _host(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    from client.address import parse_address
    from client.keyring import last_server

    try:
        return str(parse_address(value or last_server() or "127.0.0.1"))
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _options(function: Any) -> Any:
    nick = click.option("--nick", metavar="NAME", envvar="MOOT_NICK", help="Whose account. [default: the last one's]")
    host = click.option(
        "--host", metavar="HOST[:PORT]", callback=_host, help="Which server. [default: the last one, else this machine]"
    )
    return nick(host(function))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def key() -> None:
    """Let an Ed25519 key log you in instead of a password.

    \b
    Examples:
      moot key add                          make a key for the server you logged in to last
      moot key add ~/.ssh/id_ed25519.pub    or take one you have; its private half stays where it is
      moot key list --host example.org
      moot key remove SHA256:jJ0…
    """


@key.command()
@click.argument("file", metavar="[FILE]", default="")
@_options
def add(file: str, host: str, nick: str | None) -> int:
    """Add a key to your account: the one in FILE, else one that is made for this server."""
    from client.keyring import run_key

    return run_key(host, nick, "add", file)


@key.command(name="list")
@_options
def list_keys(host: str, nick: str | None) -> int:
    """Show the keys of your account."""
    from client.keyring import run_key

    return run_key(host, nick, "list", "")


@key.command()
@click.argument("fingerprint", metavar="SHA256:...")
@_options
def remove(fingerprint: str, host: str, nick: str | None) -> int:
    """Take a key off your account, by its fingerprint as list shows it."""
    from client.keyring import run_key

    return run_key(host, nick, "remove", fingerprint)
