"""Who may come into a room and who may speak in it, by its policy. Pure.

Nobody is looked at who is in the room already. Server admins come in everywhere and are never muted.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Final

from broker import modlog, policy, rights
from broker.masks import Who
from broker.people import Person, Refusal
from broker.policy import Policies, Policy
from broker.rights import RANKS, Rank
from broker.rooms import Room
from protocol import hosts, names, native
from protocol.settings import Settings

_BETWEEN: Final = re.compile(r"[\W_]+", re.ASCII)  # of words that are ASCII
_VOWELLED: Final = "\u0590"  # letters before it (Latin, Greek, Cyrillic, Armenian) have no marks that are vowels
MAX_SPOKE: Final = 10_000  # who spoke in a slow room, before those are forgotten who may speak again
MAX_WORD: Final = 64  # characters of a word that a filter can have, and of those that are compared with them


class Admission:
    """See the module."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self.lobby = "#lobby"  # the room that is nobody's and stays so
        self.host = "moot"  # that guests are shown with on IRC

    def take_settings(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self.host = hosts.of_server(settings.server_name).lower()
        try:
            self.lobby = names.room(settings.lobby)
        except names.BadName:  # then nobody can be in it
            self.lobby = settings.lobby

    def who(self, person: Person) -> Who:
        """Return ``person`` as masks see them."""
        addresses = [device.addr for device in person.devices]
        return self.whom(person.nick, person.account, addresses, person.uid.hex() if person.account is None else "")

    def whom(self, nick: str, account: str | None, addresses: list[str], guest: str = "") -> Who:
        """Return somebody of whom this is known as masks see them."""
        host = self.host if account is None else hosts.of_account(account, self.host)
        return Who(nick, account, tuple(dict.fromkeys(addresses)), (host,), guest)

    def rank(self, person: Person, room: Room | None, kept: Policy) -> Rank:
        """Return the rank of ``person`` in ``room``, or (None) in one that nobody is in and that has ``kept``."""
        if person.admin:
            return rights.SERVER
        if person.account is not None and person.account == kept.owner:
            return rights.FOUNDER
        if room is not None:
            return rights.rank_of(room.roles_of(person))
        return rights.rank_of(kept.held_by(person.account)) if person.account is not None else rights.NOBODY

    # --- coming in

    def check(self, person: Person, name: str, room: Room | None, kept: Policy, key: str | None, now_ms: int) -> None:
        """Raises `Refusal` when ``person`` may not come into a room. ``kept``: its policy."""
        if kept is policy.EMPTY:
            return
        rank = self.rank(person, room, kept)
        if rank >= RANKS["op"]:
            return
        who, invited_at = self.who(person), kept.passed_at(person.uid, now_ms)
        excepted = kept.entries and kept.listed("except", who, now_ms) is not None
        ban = kept.listed("ban", who, now_ms, since=invited_at) if kept.entries and not excepted else None
        if ban is not None:
            raise Refusal("banned", f"you are banned from {name}{modlog.ending(ban.until, ban.reason)}")
        if invited_at is not None or (room is None and kept.owner is None and not kept.closed):
            return  # whoever makes a room is let in
        if kept.has("invite-only") and not rank and kept.listed("invited", who, now_ms) is None:
            raise Refusal(
                "invite-only", f"{name} is for those who are invited; ask somebody who is there to invite you"
            )
        if kept.has("registered-only") and person.account is None:
            raise Refusal("accounts-only", f"{name} is for those with an account; log in first, or register")
        if "key" in kept.limits and key != kept.limits["key"]:
            what = "has a key: join with it" if key is None else "has another key"
            raise Refusal("bad-key", f"{name} {what}")
        limit = kept.limit("limit")
        if room is not None and 0 < limit <= len(room.members) and not rank:
            raise Refusal("room-full", f"{name} is full: {limit:,} people are the most allowed there")
        if room is not None and "throttle" in kept.limits:
            self._check_throttle(room, kept, now_ms)

    def _check_throttle(self, room: Room, kept: Policy, now_ms: int) -> None:
        joins, seconds = map(int, kept.limits["throttle"].split(":"))
        room.joins = [at for at in room.joins if now_ms - seconds * 1000 < at <= now_ms]
        if len(room.joins) >= joins:
            wait = (room.joins[0] - now_ms) / 1000 + seconds
            text = f"{room.name} takes {joins} newcomers in {seconds} seconds; try again in {math.ceil(wait)} seconds"
            raise Refusal("throttled", text, wait=max(0.1, round(wait, 1)))
        room.joins.append(now_ms)

    def made(self, person: Person, room: Room) -> None:
        """``person`` has come into ``room``, where nobody was: they are its op, if nobody else has a say in it."""
        kept = room.policy
        ruled = kept.owner is not None or any(rights.rank_of(held) >= RANKS["op"] for held in kept.roles.values())
        if not ruled and room.name != self.lobby:
            room.granted[person.uid] = ["op"]  # as they stay in, whatever comes of the transaction

    # --- speaking

    def check_speech(self, person: Person, room: Room, kind: native.Kind, text: str, now_ms: int) -> None:
        """Raises `Refusal` when this may not be said in ``room``. Asked only when the room is strict.

        ``text``: for a fun command, what was typed.
        """
        kept, rank = room.policy, self.rank(person, room, room.policy)
        if kind == "topic" and kept.has("topic-lock"):
            rights.check(rank, "topic")
        if not rank:
            self._check_voice(person, room, now_ms)
        if kept.filters and rank < RANKS["admin"] and (word := forbidden(text, frozenset(kept.filters))) is not None:
            raise Refusal("filtered", f"“{word}” may not be said in {room.name}; nobody has heard this")
        if "slow" in kept.limits and rank < RANKS["halfop"] and kind not in ("topic", "react"):
            wait = room.spoke.get(person.uid, 0) + kept.limit("slow") * 1000 - now_ms
            if 0 < wait <= kept.limit("slow") * 1000:
                text = (
                    f"{room.name} is slow: one message in {kept.limit('slow')} seconds; wait {math.ceil(wait / 1000)}"
                )
                raise Refusal("slow", text, wait=math.ceil(wait / 100) / 10)
            if len(room.spoke) >= MAX_SPOKE:
                since = now_ms - kept.limit("slow") * 1000
                room.spoke = {uid: at for uid, at in room.spoke.items() if at > since}
            room.spoke[person.uid] = now_ms

    def may_remark(self, person: Person, room: Room, text: str, now_ms: int) -> bool:
        """Tell whether ``room`` is to hear what ``person`` says beside messages, such as a reason for leaving."""
        try:
            if room.strict:
                self.check_speech(person, room, "react", text, now_ms)
        except Refusal:
            return False
        return True

    def _check_voice(self, person: Person, room: Room, now_ms: int) -> None:
        kept = room.policy
        if kept.has("moderated"):
            raise Refusal("not-allowed", f"{room.name} is moderated: only those with a voice speak there")
        if kept.has("registered-speak") and person.account is None:
            raise Refusal(
                "accounts-only", f"only those with an account speak in {room.name}; log in first, or register"
            )
        if not kept.entries:
            return
        who = self.who(person)
        found = kept.listed("mute", who, now_ms) or kept.listed("ban", who, now_ms, beside=False)
        if found is not None and kept.listed("except", who, now_ms) is None:
            what = "muted" if found.kind == "mute" else "banned"
            raise Refusal("muted", f"you are {what} in {room.name}{modlog.ending(found.until, found.reason)}")


def folded_word(text: str) -> str | None:
    """Return one word as filters keep it, None if ``text`` is not one word."""
    words = _words(text)
    word = _folded(words[0]) if len(words) == 1 and len(words[0]) <= MAX_WORD else ""
    return word if 0 < len(word) <= MAX_WORD else None


def forbidden(text: str, filters: frozenset[str]) -> str | None:
    """Return the first of ``filters`` that is a word of ``text``. The time grows with the length of both alone."""
    words = dict.fromkeys(word for word in _words(text) if len(word) <= MAX_WORD)
    return next((folded for word in words if (folded := _folded(word)) in filters), None)


def _folded(word: str) -> str:
    """Return ``word`` without case and look-alikes."""
    return names.skeleton(word.casefold())


def _words(text: str) -> list[str]:
    """Return the words of ``text``, without accents."""
    return (_BETWEEN.sub(" ", text) if text.isascii() else _spelled(text)).split()


def _spelled(text: str) -> str:
    """Return ``text`` with a space between words, and without what is drawn over, under or around letters.

    What belongs to the spelling stays: vowels of Indic scripts are marks as well.
    """
    spelled: list[str] = []
    base = ""
    for char in unicodedata.normalize("NFKD", text):
        category = unicodedata.category(char)
        if category[0] == "M":
            if not unicodedata.combining(char) and category != "Me" and base >= _VOWELLED:
                spelled.append(char)
        elif category != "Cf":
            base = char
            spelled.append(char if category[0] in "LN" else " ")
    return "".join(spelled)
