"""Throws dice: "dice: 2d6" in a room, "2d6" in a direct message. python examples/dice_bot.py [HOST[:PORT] ['#room']]"""

import asyncio
import random
import re
import sys

from client import ChatError, connect
from client.net import Chat
from protocol.native import Msg

DICE = re.compile(r"(?P<count>[1-9]\d?)d(?P<sides>[1-9]\d{0,3})")  # up to 99d9999


def throw(order: str, rng: random.Random) -> str:
    """Return the result of "2d6", or how to ask."""
    found = DICE.fullmatch(order.strip())
    if found is None:
        return "I throw dice: 2d6, up to 99d9999"
    rolls = [rng.randint(1, int(found["sides"])) for _ in range(int(found["count"]))]
    return f"{found[0]}: {' + '.join(map(str, rolls))} = {sum(rolls)}"


async def answer(chat: Chat, msg: Msg, rng: random.Random) -> None:
    if msg.to is not None:
        await chat.send(f"@{msg.nick}", throw(msg.text, rng))
    elif msg.text.startswith(f"{chat.nick}:"):
        result = throw(msg.text.partition(":")[2], rng)
        await chat.send(msg.room, f"{msg.nick}, {result}", reply=msg.seq)


async def main(host: str = "localhost", room: str = "#lobby") -> None:
    rng = random.Random()
    async with connect(host, nick="dice", rooms=[room], any_nick=True) as chat:
        async for msg in chat.messages():
            try:
                await answer(chat, msg, rng)
            except ChatError as error:  # who asked is gone, for example
                print(f"dice_bot: {error}", file=sys.stderr)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:3]))
    except ChatError as error:
        sys.exit(f"dice_bot: {error}")
    except KeyboardInterrupt:
        pass
