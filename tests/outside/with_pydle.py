"""A person with the package `pydle`: says the lines of its input, prints what it hears. Started by `programs.py`.

Arguments: port, nick, room; with a password also logs in with it (PASS, to the account of that nick, for its SASL
needs another package).
"""

import asyncio
import os
import sys
from typing import Any

import pydle


def show(text: str) -> None:
    print(text, flush=True)


class Person(pydle.Client):  # type: ignore[misc]  # pydle has no types
    def __init__(self, nick: str, room: str) -> None:
        super().__init__(nick, realname="Pydle Example")
        self.room = room

    async def on_connect(self) -> None:
        await super().on_connect()
        await self.join(self.room)

    async def on_join(self, channel: str, user: str) -> None:
        await super().on_join(channel, user)
        show(f"* {user} entered")

    async def on_message(self, target: str, by: str, message: str) -> None:
        await super().on_message(target, by, message)
        show(f"<{by}> {message}")

    async def on_disconnect(self, expected: bool) -> None:
        show("* closed")
        os._exit(1)

    async def on_raw_900(self, message: Any) -> None:
        await super().on_raw_900(message)
        show(f"* loggedin: {message.params[-1]}")


async def main(port: int, nick: str, room: str, password: str = "") -> None:
    person = Person(nick, room)
    await person.connect("127.0.0.1", port, tls=False, password=f"{nick}:{password}" if password else None)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await person.message(room, line.rstrip("\n"))
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
