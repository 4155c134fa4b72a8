"""Nicks that belong to accounts: who holds one without being its owner is warned, and renamed after a while. Pure.

Nothing of it is kept: who holds what is looked at again whenever a broker learns of people, and the time begins anew.
"""

import math
from collections.abc import Callable

from broker.accounts import Accounts
from broker.log import LogError
from broker.people import People, Person
from broker.presence import Presence
from protocol import names, native


class Ownership:
    """Those who are to give up a nick, and until when."""

    def __init__(self, people: People, accounts: Accounts, presence: Presence) -> None:
        self._people = people
        self._accounts = accounts
        self._presence = presence
        self._due: dict[Person, float] = {}  # monotonic seconds; infinite: it begins with the next `expire`
        self.on_renamed: Callable[[Person, str], None] = lambda _person, _old: None

    def claim(self, name: str, grace_s: float) -> None:
        """``name`` is an account's: warn who is called so, or looks so, without being logged in to it."""
        key, skeleton = names.fold_nick(name), names.skeleton(name)
        for person in (self._people.by_key.get(key), self._people.skeletons.get(skeleton)):
            if person is not None:
                self.look(person, grace_s)

    def look(self, person: Person, grace_s: float) -> None:
        """Warn ``person``, once, if its nick belongs to another's account."""
        owner = None if person in self._due else self._rival(person)
        if owner is None:
            return
        self._due[person] = math.inf
        text = (
            f"the nick {person.nick} belongs to the account {owner}: log in to it, or take another nick;"
            f" in {grace_s:g} seconds you are given one"
        )
        for device in person.devices:
            self._presence.tell(device, native.Notice(text=text))

    def expire(self, now: float, grace_s: float) -> float | None:
        """Rename those whose time is over at ``now`` (monotonic seconds); return when the next one is due."""
        if not self._due:
            return None
        for person, due in list(self._due.items()):
            if not person.devices or self._rival(person) is None:
                del self._due[person]
            elif due == math.inf:
                self._due[person] = now + grace_s
            elif due <= now:
                del self._due[person]
                self._displace(person)
        return min(self._due.values(), default=None)

    def _displace(self, person: Person) -> None:
        old = person.nick
        nick = self._people.another_nick(old, person, person.account)
        self._presence.rename(person, nick)
        for device in person.devices:
            self._presence.tell(device, native.Notice(text=f"you are {nick} now: {old} belongs to an account"))
        self.on_renamed(person, old)

    def _rival(self, person: Person) -> str | None:
        """Return the account that the nick of ``person`` belongs to, if that is not its own."""
        try:
            owner = self._accounts.owner_of(person.nick)
        except LogError:  # cannot be read for the moment
            return None
        return None if owner is None or owner == person.account else owner
