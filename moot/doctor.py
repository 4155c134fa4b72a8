"""Look at the machine and say what stands in moot's way: one finding a matter, each with what to do about it."""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

import click

from protocol.settings import Settings

Level = Literal["ok", "warning", "problem"]
SLOW_SYNC_MS: Final = 20.0
MEMORY_FILE_SYSTEMS: Final = ("tmpfs", "ramfs")
# Two connections that write or checkpoint at once can corrupt a WAL database before this version.
SQLITE_SAFE: Final = (3, 51, 3)
MARKS: Final = {"ok": "  ok     ", "warning": "  warning", "problem": "  PROBLEM"}


class Finding(NamedTuple):
    """What was found about one matter. `remedy` is empty when all is well."""

    matter: str  # "open files"
    level: Level
    text: str
    remedy: str = ""


def run_doctor(settings: Settings, *, as_json: bool = False) -> int:
    """Print all findings; return 1 when one of them is a problem, else 0."""
    findings = examine(settings)
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding.level]}  {finding.matter}: {finding.text}")
            if finding.remedy:
                click.echo(f"           -> {finding.remedy}")
    return int(any(finding.level == "problem" for finding in findings))


def examine(settings: Settings) -> list[Finding]:
    """Return all findings. A check that itself fails is a finding too."""
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("Python", lambda: [python(sys.version_info[:3])]),
        ("terminal", lambda: terminal(dict(os.environ), shutil.get_terminal_size(), sys.stdout.isatty())),
    ]
    if sys.platform != "win32":  # the server's matters
        checks[1:1] = [
            ("SQLite", lambda: [sqlite(_sqlite_version())]),
            ("disk", lambda: disk(Path(settings.data))),
            ("open files", lambda: [open_files()]),
            ("port", lambda: ports(settings)),
            ("certificate", lambda: [certificate(settings)]),
            ("libseccomp", lambda: [seccomp(sys.platform)]),
            ("sandbox", lambda: [sandbox(settings)]),
        ]
    findings = []
    for matter, check in checks:
        try:
            findings += check()
        except Exception as error:  # one broken check must not hide the others
            findings.append(Finding(matter, "problem", f"the check failed: {error!r}", "please report this"))
    return findings


def python(version: tuple[int, ...]) -> Finding:
    text = ".".join(map(str, version))
    if version < (3, 11):
        return Finding("Python", "problem", text, "install Python 3.11 or newer")
    return Finding("Python", "ok", f"{text} at {sys.executable}")


def _sqlite_version() -> str:
    import apsw

    return apsw.sqlite_lib_version()


def sqlite(version: str) -> Finding:
    if tuple(int(part) for part in version.split(".")[:3]) < SQLITE_SAFE:
        remedy = "upgrade the package apsw: pip install -U apsw"
        return Finding("SQLite", "problem", f"{version} can corrupt a database that two connections use", remedy)
    return Finding("SQLite", "ok", f"{version}, from the package apsw")


def disk(data: Path) -> list[Finding]:
    """Try the data directory, or the nearest directory above it that exists."""
    place = data
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        took_ms = sync_time_ms(place)
    except OSError as error:
        text = f"cannot write to {place}: {error.strerror}"
        return [Finding("disk", "problem", text, "choose another directory with --data DIR")]
    kind = file_system(place)
    where = f"{data} ({kind})" if kind else str(data)
    text = f"{where}: a synced write takes {took_ms:.2f} ms"
    if kind in MEMORY_FILE_SYSTEMS:
        return [
            Finding("disk", "warning", text, "this is memory: history is gone after a reboot; use --data DIR on a disk")
        ]
    if kind == "overlay":
        return [
            Finding("disk", "warning", text, "this goes with its container; mount a volume and name it with --data DIR")
        ]
    if took_ms > SLOW_SYNC_MS:
        return [Finding("disk", "warning", text, "every message waits for that; put --data DIR on a faster disk")]
    return [Finding("disk", "ok", text)]


def sync_time_ms(place: Path, rounds: int = 9) -> float:
    """Return the median time of a 4 KiB write with fsync in ``place``, in milliseconds. Raises OSError."""
    times = []
    with tempfile.NamedTemporaryFile(dir=place, prefix=".moot-doctor-") as file:
        for _ in range(rounds):
            start = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[rounds // 2] * 1000


def file_system(place: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that ``place`` is on, such as "ext4"; "" when it cannot be known."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(errors="replace")
        except OSError:
            return ""
    path, best, kind = str(place.resolve()), "", ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        mount = fields[1].replace("\\040", " ")
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):  # of two on one place the later one counts
            best, kind = mount, fields[2]
    return kind


def open_files() -> Finding:
    import resource

    from moot.openfiles import SPARE, complaint, raise_limit

    limit = raise_limit()
    if trouble := complaint(limit):
        return Finding("open files", "problem", trouble, "ulimit -n 4096")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    people = limit - SPARE
    text = f"{limit}, enough for about {people} people on each worker"
    if limit < 4096 and hard != resource.RLIM_INFINITY:
        return Finding("open files", "warning", text, "raise the hard limit, such as LimitNOFILE=65536 in systemd")
    return Finding("open files", "ok", text)


def ports(settings: Settings) -> list[Finding]:
    """Try every address to listen on."""
    from moot.addresses import dialable, split
    from moot.probe import is_moot
    from moot.sockets import ListenError, bind
    from protocol.settings import DEFAULTS

    findings = []
    optional = frozenset(DEFAULTS.listen)
    for address in settings.listen:
        host, port = split(address)
        try:
            bind([address], 1).close()
        except ListenError as error:
            if port and is_moot(dialable(host), port):
                text = f"{address}: a moot server runs there already"
                findings.append(Finding("port", "ok", text, "`moot join` goes into it, `moot stop` stops it"))
            elif address in optional and ":" in host and settings.listen == DEFAULTS.listen:
                findings.append(Finding("port", "ok", f"{address}: this machine has no IPv6, moot does without"))
            else:
                what, _, remedy = str(error).rpartition("; ")
                findings.append(Finding("port", "problem", what or str(error), remedy))
        else:
            findings.append(Finding("port", "ok", f"{address} is free"))
    return findings


def certificate(settings: Settings) -> Finding:
    """Say what a server with these settings would show to clients."""
    import datetime

    from moot.certificate import CertificateError, complaint, load

    try:
        found = load(settings, Path(settings.data))
    except CertificateError as error:
        what, _, remedy = str(error).partition("; ")
        return Finding("certificate", "problem", what, remedy)
    if found is None:
        return Finding("certificate", "ok", "the first start makes a key")
    if trouble := complaint(found, datetime.datetime.now(datetime.UTC)):
        what, _, remedy = trouble.partition("; ")
        return Finding("certificate", "warning", what, remedy)
    return Finding("certificate", "ok", f"the server's key is {found.pin}")


def seccomp(platform: str) -> Finding:
    import ctypes.util

    if platform != "linux":
        return Finding("libseccomp", "ok", "exists on Linux only; the sandbox uses its other layers")
    if ctypes.util.find_library("seccomp") is None:
        remedy = "install it: apt-get install libseccomp2 (Debian, Ubuntu), dnf install libseccomp (Fedora)"
        return Finding("libseccomp", "warning", "not found; fun commands are caged by fewer layers", remedy)
    return Finding("libseccomp", "ok", "found")


def sandbox(settings: Settings) -> Finding:
    """Say which layers cage the fun commands here."""
    from funcmds.sandbox import layers

    text = layers(settings).removeprefix("sandbox layers: ")
    if "not here: " not in text:
        return Finding("sandbox", "ok", text)
    remedy = (
        "the missing layers need a newer kernel or libseccomp; until then, install no fun commands you do not trust"
    )
    return Finding("sandbox", "problem" if text.startswith("none") else "warning", text, remedy)


def terminal(env: dict[str, str], size: os.terminal_size, is_terminal: bool) -> list[Finding]:
    """Judge the terminal by what it says of itself."""
    if not is_terminal:
        return [Finding("terminal", "ok", "the output is no terminal; `moot join` will be line by line")]
    term = env.get("TERM", "")
    findings = []
    if term in ("", "dumb") and sys.platform != "win32":
        findings.append(
            Finding("terminal", "warning", f"TERM is {term or 'not set'}", "set TERM=xterm-256color, or use --plain")
        )
    charset = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    if "utf" not in charset.lower() and sys.platform != "win32":
        remedy = "export LC_ALL=C.UTF-8, or emoji and frames may look broken"
        findings.append(Finding("locale", "warning", f"{charset or 'none'} is not UTF-8", remedy))
    columns, lines = size
    if columns < 40 or lines < 10:
        remedy = "enlarge the window to at least 40x10, or use --plain"
        findings.append(Finding("terminal size", "warning", f"{columns}x{lines}", remedy))
    if "NO_COLOR" in env:
        colours = "no colours, as NO_COLOR asks"
    elif env.get("COLORTERM") in ("truecolor", "24bit"):
        colours = "16 million colours"
    else:
        colours = "256 colours" if "256" in term else "few colours; TERM=xterm-256color may give more"
    inside = ", inside tmux" if env.get("TMUX") else ", inside screen" if env.get("STY") else ""
    findings.append(Finding("terminal", "ok", f"{term or sys.platform} {columns}x{lines}{inside}, {colours}"))
    return findings
