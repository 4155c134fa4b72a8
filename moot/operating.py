"""What the operator of a running server asks for: new settings, a rolling restart. Works in the supervisor's loop."""

import logging
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from moot import certificate
from moot.admin import Questioner, Tell
from moot.certificate import Identity
from moot.config import ConfigError, changes
from moot.datadir import StartError
from moot.rolling import Rolling
from protocol import logs
from protocol.ipc import Asked, Reload
from protocol.operator import MAX_ORDER, Ask
from protocol.settings import Settings

if TYPE_CHECKING:
    from moot.supervisor import Supervisor

log = logging.getLogger("moot.supervisor")


class Operator:
    """``load`` reads the settings again, and may raise `ConfigError`; None: they cannot be."""

    def __init__(self, family: "Supervisor", load: Callable[[], Settings] | None) -> None:
        self._family = family
        self._load = load
        self._rolling: Rolling | None = None
        self._nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN or not _has_terminal()

    def hung_up(self) -> bool:
        """Return whether a SIGHUP says that our terminal is gone, and with it whoever started us."""
        return not self._nohup and not _has_terminal()

    def advance(self) -> None:
        """Go on with a restart that is under way."""
        if self._rolling is not None and not self._rolling.advance():
            self._rolling = None

    def end(self, why: str) -> None:
        """The server ends."""
        if self._rolling is not None:
            self._rolling.abandon(why)
            self._rolling = None

    def asked(self, ask: Ask, questioner: Questioner) -> None:
        """Do what somebody at the admin socket asks for, or have the broker do it."""
        tell = questioner.tell
        if self._family.ending:
            tell("the server is ending", 1)
        elif ask.do == "chat":
            self._pass_on(ask, questioner)
        elif ask.do == "reload":
            lines, code = self._reload()
            for line in lines[:-1]:
                tell(line, None)
            tell(lines[-1], code)
        elif self._rolling is not None:
            tell("a restart is under way already; wait until it is done", 1)
        elif not self._family.announced:
            tell("the server is still starting; try again in a moment", 1)
        else:
            self._restart(ask.spread, tell)

    def _pass_on(self, ask: Ask, questioner: Questioner) -> None:
        """Hand the connection over to the broker: what concerns the chat is not known here."""
        family = self._family
        broker = family.place("broker").child
        order = bytes(ask.order)
        if len(order) > MAX_ORDER:  # more than a child reads of one message would be the end of it
            questioner.tell(f"an order has at most {MAX_ORDER:,} bytes", 1)
        elif broker is None:
            questioner.tell("the broker is about to be started; try again in a moment", 1)
        else:
            asked = Asked(order, time.monotonic() - family.started, family.restarts)
            questioner.give(lambda fds: broker.send(asked, fds))

    def reload(self) -> None:
        """Take up new settings, as after SIGHUP; the log has what came of it."""
        self._reload()

    def _restart(self, spread: float | None, tell: Tell) -> None:
        lines, code = self._reload(renewing=True)
        if code:
            tell(lines[-1], code)
            return
        for line in lines:
            tell(line, None)
        self._family.drop_spare()
        spread = self._family.settings.restart_spread if spread is None else spread
        self._rolling = Rolling(self._family, spread, tell)

    def _reload(self, *, renewing: bool = False) -> tuple[list[str], int]:
        """Read the settings again and let everybody have those that may change; return lines for people and a status.

        ``renewing``: new processes will come, which take some that running ones cannot.
        """
        lines, code = self._read_again(renewing=renewing)
        for line in lines:
            log.log(logging.ERROR if code else logging.INFO, "reload: %s", line)
        return lines, code

    def _read_again(self, *, renewing: bool) -> tuple[list[str], int]:
        if self._load is None:
            return ["this server was started with settings that cannot be read again"], 1
        try:
            wanted = self._load()
        except ConfigError as err:
            return [f"nothing is changed: {err}"], 2
        family = self._family
        settings, lines = changes(family.settings, wanted, renewing=renewing)
        try:
            identity = certificate.load_or_make(settings, family.directory)
        except StartError as err:
            return [f"nothing is changed: {err}"], 2
        family.settings = settings
        if identity != family.identity:
            lines.append(f"the certificate is read anew; {_key_change(family.identity, identity)}")
            family.show(identity)
            if trouble := certificate.complaint(identity, datetime.now(UTC)):
                lines.append(trouble)
        logs.setup(family.settings.log_format)
        for child in family.children:
            if child.kind != "sandbox":
                child.send(Reload(family.settings))
        return lines, 0


def _key_change(old: Identity | None, new: Identity) -> str:
    """Return what a renewed certificate means for those who know the server by its key."""
    if old is None or old.pin == new.pin:
        return f"its key is the same, {new.pin}"
    return f"its key is {new.pin} now, it was {old.pin}: clients that know the old one will ask their people"


def _has_terminal() -> bool:
    """Return whether this process has a controlling terminal; one that was closed it has no more."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
