"""Invitations, keys and certificates as people meet them: the real server and the real client."""

import os
import pty
import re
import subprocess
from pathlib import Path

import pexpect

from moot.certificate import make
from protocol.pins import pin_of
from tests.moot.program import MOOT, moot
from tests.server import LIMIT_S, Server, serving, until
from tests.tls import dialled


def talk(where: str, *, words: str = "hi\n") -> subprocess.CompletedProcess[str]:
    """Join ``where``, say something, leave."""
    command = [*MOOT, "join", where, "--nick", "ann", "--plain"]
    return subprocess.run(command, input=words, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def known() -> list[str]:
    """Return the servers known, from the file in the state directory."""
    path = Path(os.environ["XDG_STATE_HOME"]) / "moot" / "known_servers"
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text().splitlines()[1:]


def printed_invitation(server: Server) -> str:
    return str(until(lambda: re.search(r"moot join '(moot://\S+)'", server.log), "the invitation")[1])


def test_join_uses_tls_and_stops_at_a_changed_key_until_it_is_told_to_forget(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text(make())
    with serving(tmp_path / "data", "--workers", "1", "--cert", str(cert), "--plaintext", "none") as server:
        where = f"127.0.0.1:{server.port}"
        with dialled(server.port) as line:
            before = pin_of(line.getpeercert(binary_form=True) or b"")
        done = talk(where)
        assert (done.returncode, "ann: hi" in done.stdout) == (0, True)
        assert known() == [f"localhost:{server.port} {before}"]

        cert.write_text(make())
        assert moot("reload", "--data", server.data).returncode == 0
        with dialled(server.port) as line:
            after = pin_of(line.getpeercert(binary_form=True) or b"")
        for stopped in (talk(where), moot("send", where, "tea"), moot("tail", where, "tea", "--no-follow")):
            assert stopped.returncode == 3
            for part in ("its key has changed", before, after, f"moot forget {where}"):
                assert part in stopped.stderr
        assert moot("forget", where).stdout == f"The key of {where} is forgotten; the next one it shows is taken.\n"
        assert talk(where).returncode == 0
        assert known() == [f"localhost:{server.port} {after}"]
        assert moot("forget", "example.org").returncode == 1


def test_an_invitation_leads_into_its_room_and_pins_the_key(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--lobby", "#tea") as server:
        invitation = printed_invitation(server)
        assert invitation.startswith(f"moot://127.0.0.1:{server.port}/#tea?key=SHA256:")
        done = talk(invitation)
        assert (done.returncode, "You are in #tea" in done.stdout) == (0, True)
        pin = invitation.partition("=")[2]
        assert known() == [f"localhost:{server.port} {pin}"]
        assert moot("tail", invitation, "tea", "--no-follow").returncode == 0

        wrong = invitation[:-6] + "AAAAA" + invitation[-1]
        assert moot("forget", invitation).returncode == 0
        for _ in range(2):  # nothing of it is remembered
            stopped = talk(wrong)
            assert stopped.returncode == 3
            assert "its key has changed" in stopped.stderr
        assert known() == []
        assert talk(invitation).returncode == 0
        contradicting = talk(wrong)
        assert contradicting.returncode == 3
        assert "names a key that it did not have before" in contradicting.stderr
        nonsense = talk("moot://127.0.0.1/#tea?key=SHA256:abc")
        assert nonsense.returncode == 2
        assert "is no key; expected SHA256: and 43 letters and digits" in nonsense.stderr


def test_a_terminal_is_shown_the_invitation_as_a_picture(tmp_path: Path) -> None:
    """Only when others can reach the server: 0.0.0.0 is listened on for a moment, on a free port."""
    ours, theirs = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 100, 0, 0))
    command = [*MOOT, "serve", "--listen", "0.0.0.0:0", "--data", str(tmp_path / "data"), "--workers", "1"]
    env = {**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1", "COLUMNS": "100", "LINES": "60"}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env) as server:
        os.close(theirs)
        shown = b""
        try:
            while shown.count("▄▄▄▄▄".encode()) < 3:  # the three eyes of a QR code
                shown += os.read(ours, 1 << 16)
                if b"On this machine" in shown and b"key=" in shown:  # a machine without a network
                    break
        finally:
            server.terminate()
            os.close(ours)
    assert b"moot join 'moot://" in shown


def test_the_full_screen_client_stops_at_a_changed_key_and_leaves_what_to_do_on_the_screen(tmp_path: Path) -> None:
    other = "SHA256:LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
    with serving(tmp_path / "data", "--workers", "1") as server:
        where = f"127.0.0.1:{server.port}"
        assert talk(where).returncode == 0
        (line,) = known()
        file = Path(os.environ["XDG_STATE_HOME"]) / "moot" / "known_servers"
        file.write_text(line.replace(line.split()[1], other) + "\n")
        screen = pexpect.spawn(
            MOOT[0], [*MOOT[1:], "join", where], dimensions=(40, 120), timeout=LIMIT_S, encoding="utf-8"
        )
        shown = screen.read()
        assert screen.wait() == 3
        last = " ".join(shown.rpartition("\x1b[?1049l")[2].split())  # what stands there when the screen is given back
        for part in ("its key has changed", other, line.split()[1], f"moot forget {where}"):
            assert part in last
