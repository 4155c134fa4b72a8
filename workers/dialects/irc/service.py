"""What a service is, such as NickServ: somebody who is nobody, and does what one says. Which there are: `services`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.dialects.irc.lines import body

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

Handler = Callable[["Asked", list[str]], None]  # with the words behind the order


@dataclass(frozen=True, slots=True)
class Order:
    """One thing that a service does."""

    name: str
    usage: str
    help: str  # one sentence
    handler: Handler
    least: int = 0  # words after it
    aliases: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        return f"{self.name} {self.usage}".rstrip()


@dataclass(frozen=True, slots=True)
class Service:
    """Somebody who is nobody."""

    nick: str
    help: str  # what it is there for, one sentence
    orders: tuple[Order, ...]

    def find(self, word: str) -> Order | None:
        word = word.upper()
        return next((order for order in self.orders if word in (order.name, *order.aliases)), None)


@dataclass(frozen=True, slots=True)
class Asked:
    """One order under way: whose, and how it is answered."""

    irc: "Irc"
    turn: "Turn"
    service: Service

    def say(self, *lines: str) -> None:
        """Answer with notices of the service."""
        source = f"{self.service.nick}!{self.service.nick}@{self.irc.host.name}"
        for line in lines:
            self.turn.lines.append(("", body(source, "NOTICE", self.irc.me, line)))


def hear(irc: "Irc", turn: "Turn", to: Service, text: str) -> None:
    """Somebody says ``text`` to a service."""
    word, *words = text.split() or [""]
    asked, order = Asked(irc, turn, to), to.find(word)
    if word.upper() == "HELP" or not word:
        _help(asked, words)
    elif order is None:
        asked.say(
            f"There is no {word.upper()[:32]} here. Say HELP for what there is."
        )  # not the rest: it may be secret
    elif len(words) < order.least:
        asked.say(f"This takes more: {order.form}")
    else:
        order.handler(asked, words)


def _help(asked: Asked, words: list[str]) -> None:
    to = asked.service
    order = to.find(words[0]) if words else None
    if order is not None:
        asked.say(order.form, order.help)
    else:
        asked.say(to.help, *(order.form for order in to.orders), f"/msg {to.nick} HELP WORD explains one.")
