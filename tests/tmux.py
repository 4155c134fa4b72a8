"""A real terminal for tests: tmux with a server of its own, in a home directory where nothing is remembered."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

LIMIT_S: Final = 30.0  # for anything a test waits for on a screen
MOOT: Final = (sys.executable, "-m", "moot")
PROMPT: Final = "sh> "  # of the shell that is left when the command has ended
CONFIG: Final = """\
set -g default-terminal tmux-256color
set -g status off
set -g escape-time 0
set -g history-limit 5000
set -g remain-on-exit on
"""


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a person who has just been given an account: empty directories, UTF-8."""
    keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV") if name in os.environ}
    places = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_STATE_HOME": home / ".local/state",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_RUNTIME_DIR": home / ".run",
    }
    home.mkdir(parents=True, exist_ok=True)
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "LOGNAME": "ann", "USER": "ann", "SHELL": "/bin/sh"}
    return {**keep, **{name: str(path) for name, path in places.items()}, **fixed, **(more or {})}


class Terminal:
    """One pane. It runs ``command`` (words), says "exit status N" when that ends, and leaves a shell in its place."""

    def __init__(
        self,
        command: Sequence[str],
        home: Path,
        width: int = 80,
        height: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self._place = Path(tempfile.mkdtemp(prefix="moot-tmux-"))  # a socket's path must be short
        self._tmux = ["tmux", "-u", "-S", str(self._place / "s"), "-f", str(self._place / "conf")]
        (self._place / "conf").write_text(CONFIG)
        self._env = {**environment(home, env), "PS1": PROMPT, "ENV": ""}
        script = f'{shlex.join(command)}; printf "exit status %s\\n" $?; exec sh -i'
        size = ("-x", str(width), "-y", str(height))
        try:
            self._call("new-session", "-d", *size, "-s", "t", "-c", str(home), "sh", "-c", script)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            print(f"--- the screen\n{self.screen()}\n---")
        self.kill()

    def _call(self, *words: str) -> str:
        done = subprocess.run([*self._tmux, *words], env=self._env, capture_output=True, check=False, timeout=LIMIT_S)
        if done.returncode:
            raise AssertionError(f"tmux {' '.join(words)}: {done.stderr.decode()}")
        return done.stdout.decode()

    # --- hands

    def type(self, text: str) -> None:
        """Press the keys of ``text``, which holds no newline."""
        self._call("send-keys", "-t", "t", "-l", "--", text)

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names: Enter, C-c, M-a, PPage, F1, Up."""
        self._call("send-keys", "-t", "t", "--", *names)

    def say(self, text: str) -> None:
        """Type a line and press Enter."""
        self.type(text)
        self.keys("Enter")

    def paste(self, text: str) -> None:
        """Paste as a terminal does: in brackets, if the program asked for them."""
        path = self._place / "paste"
        path.write_text(text)
        self._call("load-buffer", "-b", "p", str(path))
        self._call("paste-buffer", "-p", "-d", "-b", "p", "-t", "t")

    def resize(self, width: int, height: int) -> None:
        self._call("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    # --- eyes

    def screen(self) -> str:
        """Return what is on the screen, line by line, without colours and blanks at the ends."""
        return self._call("capture-pane", "-p", "-t", "t").rstrip("\n")

    def scrollback(self) -> str:
        """Return the same with everything that scrolled away above it, wrapped lines joined."""
        return self._call("capture-pane", "-p", "-J", "-S", "-", "-t", "t").rstrip("\n")

    def state(self, name: str) -> str:
        """Return one of tmux's variables of the pane, such as "alternate_on" or "cursor_flag"."""
        return self._call("display-message", "-p", "-t", "t", f"#{{{name}}}").strip()

    def wait_for(self, wanted: str | Callable[[str], object], what: str = "", limit_s: float = LIMIT_S) -> str:
        """Return the first screen that holds ``wanted``, or for which it is true; no fixed sleeps."""
        end = time.monotonic() + limit_s
        while True:
            screen = self.screen()
            if (wanted in screen) if isinstance(wanted, str) else wanted(screen):
                return screen
            if time.monotonic() > end:
                name = what or (repr(wanted) if isinstance(wanted, str) else "what was wanted")
                raise AssertionError(f"waited {limit_s:g} s in vain for {name} on this screen:\n{screen}")
            time.sleep(0.02)

    def ended(self) -> int:
        """Wait until the command has ended and the shell is there; return its exit status."""
        screen = self.wait_for(lambda text: "exit status " in text and PROMPT.strip() in text, "the end")
        return int(screen.rpartition("exit status ")[2].split()[0])

    def foreground(self) -> int:
        """Return the process id of the command."""
        import psutil

        [command] = psutil.Process(int(self.state("pane_pid"))).children()
        return command.pid

    def kill(self) -> None:
        """Close the terminal under whatever runs in it."""
        subprocess.run([*self._tmux, "kill-server"], env=self._env, capture_output=True, check=False, timeout=LIMIT_S)
        shutil.rmtree(self._place, ignore_errors=True)
