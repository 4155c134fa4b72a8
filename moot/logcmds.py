"""The commands on the log file: check, backup, restore, export, import. They ask the broker nothing."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from moot.config import data_directory

if TYPE_CHECKING:
    from broker.audit import Audit

LOG_FILE: Final = "moot.db"
MAX_SHOWN: Final = 1000  # findings; --json has all

data_option = click.option(
    "--data",
    metavar="DIR",
    help="The server's data directory. [default: as for `moot serve`]",
)
file_argument = click.argument(
    "file", metavar="[FILE]", required=False, type=click.Path(path_type=Path, exists=True, readable=True)
)
force_option = click.option("--force", is_flag=True, help="Replace a file that is there.")


class Failed(click.ClickException):
    """It did not work; the text is for people."""

    exit_code = 1


class InboxOrRoom(click.ParamType[str]):
    """A room as the log calls it; the `#` may be left away."""

    name = "ROOM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from protocol.names import BadName, room

        if str(value).startswith(("~", "!#")):  # an inbox; what was done in a room
            return str(value)
        try:
            return room(value if value.startswith("#") else "#" + value)
        except BadName as error:
            self.fail(str(error), param, ctx)


room_option = click.option(
    "--room", "rooms", type=InboxOrRoom(), multiple=True, metavar="ROOM", help="Only this room; repeatable."
)


@click.command()
@file_argument
@data_option
@click.option(
    "--repair", metavar="NEW", type=click.Path(path_type=Path), help="Write everything that is sound into a new log."
)
@click.option("--cut", is_flag=True, help="With --repair: of each room only what lies before its first damage.")
@force_option
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
def check(file: Path | None, data: str | None, repair: Path | None, cut: bool, force: bool, as_json: bool) -> int:
    """Look for damage in a log: every message, every room, the file's structure.

    It only reads, also while the server runs. What is damaged is named by room and message number. Ends with 0 when
    all is sound and with 1 when anything is not.

    With --repair, what is sound is written into a new log NEW; the old one is not touched. Messages keep their
    numbers, damaged ones become gaps.

    \b
    Examples:
      moot check
      moot check --data /srv/moot --json
      moot check friday.db
      moot stop; moot check --repair sound.db; moot restore sound.db
    """
    if cut and repair is None:
        raise click.UsageError("--cut goes with --repair NEW")
    with _failing(), _opened(file, data) as audit:
        with _progress("checking") as audit.progress:
            if repair is None:
                for _ in audit.rows():
                    pass
            else:
                _repair(audit, repair, cut=cut, force=force)
        audit.structure()
        if as_json:
            click.echo(_as_json(audit, repair))
        else:
            _report(audit, repair)
        return 1 if audit.damage else 0


def _repair(audit: "Audit", new: Path, *, cut: bool, force: bool) -> None:
    from broker.archive import rewrite
    from broker.newlog import Writer, placed, verified

    with placed(new, replace=force, source=audit.path) as made:
        with contextlib.closing(Writer(made)) as writer:
            rewrite(audit, writer, cut=cut)
            writer.commit(alone=True)
        verified(made, f"what was written to {new}")


def _report(audit: "Audit", repaired: Path | None) -> None:
    for damage in audit.damage[:MAX_SHOWN]:
        click.echo(str(damage))
    if len(audit.damage) > MAX_SHOWN:
        click.echo(f"and {len(audit.damage) - MAX_SHOWN} more; --json names them all")
    for hole in audit.holes[:MAX_SHOWN]:
        click.echo(f"{hole} (this is no new damage)")
    for note in audit.notes:
        click.echo(f"note: {note}")
    size = audit.path.stat().st_size
    kept = f"{_counted(audit.messages, 'message')} in {_counted(len(audit.rooms), 'room')}"
    if not audit.damage:
        click.echo(f"{audit.path}: sound; {kept}, {size:,} bytes")
    else:
        click.echo(f"{audit.path}: DAMAGED; {kept} are sound")
    if repaired is not None:
        click.echo(f"{repaired}: what is sound; put it in place with: moot restore {repaired}")
    elif audit.damage:
        click.echo("`moot check --repair NEW` writes what is sound into a new log; a backup may have the rest")


def _as_json(audit: "Audit", repaired: Path | None) -> str:
    import msgspec

    found = {
        "log": str(audit.path),
        "sound": not audit.damage,
        "epoch": audit.epoch,
        "messages": audit.messages,
        "rooms": len(audit.rooms),
        "bytes": audit.path.stat().st_size,
        "damage": audit.damage,
        "left_out": audit.holes,
        "notes": audit.notes,
        "repaired": None if repaired is None else str(repaired),
    }
    return msgspec.json.encode(found).decode()


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@data_option
@click.option("--no-verify", is_flag=True, help="Do not check the copy; for a log that is known to be damaged.")
@force_option
def backup(file: Path, data: str | None, no_verify: bool, force: bool) -> int:
    """Copy the log of a server, running or not, into FILE.

    The copy is one file, of one moment, checked message by message and synced before it gets its name, and readable
    for you only. It has an epoch of its own: clients that come back to a restored server start anew. The server goes
    on writing meanwhile.

    \b
    Examples:
      moot backup friday.db
      moot backup /backup/moot-$(date +%F).db --data /srv/moot
    """
    from broker.newlog import copy, placed

    with _failing(), _reading(None, data) as (path, live):
        with placed(file, replace=force, source=path) as made:
            messages = copy(path, made, live=live, verify=not no_verify)
        count = "not verified" if messages is None else f"{_counted(messages, 'message')}, verified"
        click.echo(f"{file}: {file.stat().st_size:,} bytes, {count}")
    return 0


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@data_option
def restore(file: Path, data: str | None) -> int:
    """Put a backup in the place of a server's log; the server must not run.

    FILE is checked first and stays as it is. The log that was there is kept beside under a name with the time.

    \b
    Examples:
      moot stop && moot restore friday.db && moot serve
      moot restore friday.db --data /srv/moot
    """
    from broker.newlog import restored

    with _failing(), _alone(data) as path:
        had = path.exists()
        messages, aside = restored(file, path)
        kept = f"; what was there is kept as {aside}" if had else ""
        click.echo(f"{path}: {_counted(messages, 'message')}, verified{kept}")
    return 0


@click.command()
@file_argument
@data_option
@room_option
@click.option("--no-direct", is_flag=True, help="Leave out direct messages (the inboxes, rooms named ~ and a uid).")
@click.option(
    "--accounts",
    is_flag=True,
    help="With accounts (and the hashes of their passwords), rooms' roles and modes, bans: to move a server.",
)
def export(file: Path | None, data: str | None, rooms: tuple[str, ...], no_direct: bool, accounts: bool) -> int:
    """Write all messages to standard output, one JSON object a line; the server may run.

    Direct messages are among them unless --no-direct is given or rooms are named. Damaged messages are left out and
    named on standard error; then it ends with 1.

    \b
    Examples:
      moot export > everything.jsonl
      moot export --room '#tea' --no-direct friday.db | jq -r .text
      moot export --accounts --data /srv/old | moot import - --data /srv/new
    """
    from broker.archive import exported

    def wanted(name: str) -> bool:
        return name in rooms if rooms else not (no_direct and name.startswith("~"))

    if accounts and rooms:
        raise click.UsageError("--accounts goes with all rooms, not with --room")
    with _failing(), _opened(file, data) as audit:
        missing = set(rooms) - audit.names()
        if missing:
            raise Failed(f"there is no room {', '.join(sorted(missing))} in {audit.path}")
        output = sys.stdout.buffer
        for line in exported(audit, wanted, values=accounts):
            output.write(line)
        output.flush()
        for damage in audit.damage[:MAX_SHOWN]:
            click.echo(f"moot: {damage}", err=True)
        if audit.damage:
            raise Failed("what is damaged was left out; the rest is whole")
    return 0


@click.command("import")
@click.argument("file", metavar="FILE", type=click.File("rb"))
@data_option
def import_(file: IO[bytes], data: str | None) -> int:
    """Add the rooms of an export to the log of a server that does not run.

    Rooms, message numbers, times, authors and texts stay as they were. A room that is there already is not mixed with
    another: then nothing is imported, as after any line that is wrong. FILE may be - for standard input.

    \b
    Examples:
      moot import everything.jsonl --data /srv/new
      moot export --data /srv/old --room '#tea' | moot import - --data /srv/new
    """
    import apsw

    from broker.archive import Importer, lines_of
    from broker.newlog import Writer
    from broker.placing import remove

    with _failing(), _alone(data) as path:
        fresh = not path.exists()
        done = False
        try:
            with contextlib.closing(Writer(path)) as writer:
                Importer(writer).read(lines_of(file))
                writer.commit()
                done = True
        except apsw.Error as error:
            raise Failed(f"cannot write the log {path}: {error}; nothing was imported") from error
        finally:
            if fresh and not done:
                remove(path)
        also = f", and {_counted(writer.values, 'value')} beside them" if writer.values else ""
        added = f"{_counted(writer.messages, 'message')} in {_counted(writer.rooms, 'room')}{also}"
        click.echo(f"{path}: {added} were added")
    return 0


# --- which log, and who else has it


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    """Make one line of what cannot be done."""
    if sys.platform == "win32":
        raise Failed("the server, and its log, are on Linux and macOS")
    from broker.archive import ImportFailed
    from broker.audit import AuditError
    from broker.log import LogError
    from broker.newlog import Conflict, NewLogError
    from moot.datadir import StartError

    try:
        yield
    except (AuditError, NewLogError, ImportFailed, LogError, StartError, Conflict) as error:
        raise Failed(str(error)) from error


@contextlib.contextmanager
def _reading(file: Path | None, data: str | None) -> Iterator[tuple[Path, bool]]:
    """Yield the path of a log to read, and whether a server has it open; no server starts on it meanwhile."""
    import fcntl

    from broker.placing import waiting
    from moot.running import holder

    if file is not None and data is not None:
        raise click.UsageError("name either a FILE or --data DIR")
    path = file if file is not None and not file.is_dir() else (file or _directory(data)) / LOG_FILE
    if path.name == LOG_FILE and waiting(path) and holder(path.parent) is None:
        text = f"a restore of {path} was interrupted; start the server, which finishes it, or restore again"
        raise Failed(text)
    if not path.exists():
        raise Failed(f"there is no log {path}; name the data directory with --data DIR, or a file")
    with contextlib.ExitStack() as closing:
        live = path.name == LOG_FILE and holder(path.parent) is not None
        with contextlib.suppress(OSError):  # no server was ever there, or its files are another's
            if path.name == LOG_FILE and not live:
                lock = closing.enter_context((path.parent / "lock").open("rb"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    live = True
        yield path, live


@contextlib.contextmanager
def _opened(file: Path | None, data: str | None) -> Iterator["Audit"]:
    from broker.audit import Audit

    with _reading(file, data) as (path, live), Audit(path, live=live) as audit:
        yield audit


@contextlib.contextmanager
def _alone(data: str | None) -> Iterator[Path]:
    """Yield the path of the log of a data directory that is ours alone until the block ends."""
    from broker.placing import finish
    from moot.datadir import locked, prepare_directory

    os.umask(0o077)
    directory = prepare_directory(_directory(data))
    if (owner := directory.stat().st_uid) != os.geteuid():  # the server could not open what we make
        raise Failed(f"{directory} belongs to another user; do this as that user: sudo -u '#{owner}' moot …")
    with locked(directory):
        try:
            finish(directory / LOG_FILE)
        except OSError as error:
            text = f"a restore was interrupted, and cannot be finished: {error.strerror} ({error.filename})"
            raise Failed(text) from error
        yield directory / LOG_FILE


def _directory(data: str | None) -> Path:
    return data_directory({"data": data} if data else {}, os.environ)


@contextlib.contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows how far it is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(max(0, min(done, total) - bar.pos))

        yield show
        bar.finish()
        bar.render_progress()


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


COMMANDS: Final = (check, backup, restore, export, import_)
