"""A person with the package `irc`: says the lines of its input, prints what it hears. Started by `programs.py`.

Arguments: port, nick, room; with a password also logs in with it (SASL PLAIN, for the account of that nick).
"""

import os
import sys
import threading
from typing import Any

from irc.client import Event, Reactor, ServerConnection


def show(text: str) -> None:
    print(text, flush=True)


def main(port: int, nick: str, room: str, password: str = "") -> None:
    reactor = Reactor()
    login: dict[str, Any] = {"sasl_login": nick, "password": password} if password else {}
    connection = reactor.server().connect("127.0.0.1", port, nick, ircname="Irc Example", **login)

    def welcomed(connection: ServerConnection, _event: Event) -> None:
        connection.join(room)

    def entered(connection: ServerConnection, event: Event) -> None:
        show(f"* {event.source.nick} entered")

    def heard(connection: ServerConnection, event: Event) -> None:
        show(f"<{event.source.nick}> {event.arguments[0]}")

    def told(connection: ServerConnection, event: Event) -> None:
        show(f"* {event.type}: {' '.join(event.arguments)}")

    def closed(connection: ServerConnection, event: Event) -> None:
        show("* closed")
        os._exit(1)

    for event, handler in {
        "welcome": welcomed,
        "join": entered,
        "pubmsg": heard,
        "pubnotice": heard,
        "loggedin": told,
        "903": told,
        "disconnect": closed,
    }.items():
        connection.add_global_handler(event, handler)

    def speak() -> None:
        for line in sys.stdin:
            connection.privmsg(room, line.rstrip("\n"))
        os._exit(0)

    threading.Thread(target=speak, daemon=True).start()
    reactor.process_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
