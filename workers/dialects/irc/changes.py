"""What has changed of somebody, as IRC messages: AWAY, ACCOUNT, CHGHOST, SETNAME. Pure.

The same for who shares a channel with them and for who watches them (extended-monitor).
"""

from protocol import native
from workers.dialects.irc.lines import body
from workers.dialects.irc.mapping import NOBODY, USERNAME, Host
from workers.dialects.irc.turns import Line


def lines(who: native.Person, was: native.Person | None, host: Host, flags: str) -> list[Line]:
    """Return what tells that ``who`` is not as before; ``was`` None: that is not known. ``flags``: of `caps.CAPS`."""
    found: list[Line] = []
    if was is not None and was.account != who.account:
        found += account(who, was, host, flags)
    if was is not None and was.name != who.name and "n" in flags:
        found.append(("", body(host.mask(who.nick, who.account), "SETNAME", who.name or who.nick)))
    if "a" in flags and (was is None or was.away != who.away):
        found += away(who, host)
    return found


def account(who: native.Person, was: native.Person, host: Host, flags: str) -> list[Line]:
    """Return what tells that ``who`` has logged in or out, and has another host by that."""
    found: list[Line] = []
    if "u" in flags:
        found.append(("", body(host.mask(who.nick, was.account), "ACCOUNT", who.account or NOBODY)))
    if "c" in flags and host.of(was.account) != host.of(who.account):
        found.append(("", body(host.mask(who.nick, was.account), "CHGHOST", USERNAME, host.of(who.account))))
    return found


def away(who: native.Person, host: Host) -> list[Line]:
    params = () if who.away is None else (who.away or "away",)
    return [("", body(host.mask(who.nick, who.account), "AWAY", *params))]
