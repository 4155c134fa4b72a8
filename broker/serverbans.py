"""Who is kept off the server: entries as rooms have them, under `ban/…` in the log, all of them in memory. Pure."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from broker import modlog
from broker.log import Log
from broker.masks import Who
from broker.people import Refusal
from broker.policy import Listing, without_favours

log = logging.getLogger("moot.broker")

PREFIX: Final = "ban/"

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Listing] = msgspec.json.Decoder(Listing)


class ServerBans:
    """See the module. Kinds: ban, and except, for whom no ban holds."""

    def __init__(self, messages: Log) -> None:
        """Raises `LogError`."""
        self._log = messages
        self.entries: list[Listing] = []
        self.reload()

    def reload(self) -> None:
        """Take what the log has. Raises `LogError`."""
        entries: list[Listing] = []
        for key, kept in self._log.recall_under(PREFIX):
            try:
                entries.append(_decoder.decode(kept))
            except msgspec.DecodeError as err:
                log.error("the ban %s of the server cannot be read: %s", key, err)
        self.entries = sorted(entries, key=lambda entry: entry.at)

    def add(self, entry: Listing, now_ms: int, most: int) -> None:
        """Keep ``entry``, in the place of the one of its kind and mask. Raises `Refusal`, `LogError`."""
        self.expire(now_ms)
        others = [one for one in self.entries if _key(one) != _key(entry)]
        if len(others) >= most:
            raise Refusal("full-list", f"the server has {most} entries, the most allowed; remove one first")
        self._log.remember(_key(entry), _encoder.encode(entry).decode())
        self.entries = [*others, entry]

    def remove(self, gone: list[Listing]) -> None:
        """Keep these no more. Raises `LogError`."""
        for entry in gone:
            self._log.forget(_key(entry))
        keys = set(map(_key, gone))
        self.entries = [one for one in self.entries if _key(one) not in keys]

    def forget_account(self, account: str) -> None:
        """An account is no more: whoever takes its name is not exempt from bans for that. Raises `LogError`."""
        kept = without_favours(self.entries, account)
        self.remove([one for one in self.entries if one not in kept])

    def expire(self, now_ms: int) -> None:
        """Remove those that have ended. Raises `LogError`."""
        if ended := [one for one in self.entries if one.has_ended(now_ms)]:
            self.remove(ended)

    def ban_of(self, who: Who, now_ms: int) -> Listing | None:
        """Return the ban that keeps ``who`` off the server."""
        found: dict[str, Listing] = {}
        for entry in self.entries:
            if entry.kind not in found and not entry.has_ended(now_ms) and entry.is_about(who):
                found[entry.kind] = entry
        return None if "except" in found else found.get("ban")

    def check(self, who: Who, now_ms: int) -> None:
        """Raises `Refusal` when ``who`` may not be here."""
        if self.entries and (ban := self.ban_of(who, now_ms)) is not None:
            raise Refusal("banned", refusal_text(ban))


def refusal_text(ban: Listing) -> str:
    """Return what those are told who are kept off."""
    return f"you are banned from this server{modlog.ending(ban.until, ban.reason)}"


def _key(entry: Listing) -> str:
    return f"{PREFIX}{entry.kind}/{entry.mask}"
