"""Says again what it is told: python examples/echo_bot.py [HOST[:PORT] ['#room']]

In a room it answers lines that begin with its nick ("echo: hi"), in direct messages everything.
"""

import asyncio
import contextlib
import sys

from client import ChatError, connect


async def main(host: str = "localhost", room: str = "#lobby") -> None:
    async with connect(host, nick="echo", rooms=[room], any_nick=True) as chat:
        async for msg in chat.messages():
            direct = msg.to is not None
            name, colon, rest = msg.text.partition(":")
            if not direct and (name != chat.nick or not colon):
                continue
            with contextlib.suppress(ChatError):  # who asked may be gone, or have said nothing
                await chat.send(f"@{msg.nick}" if direct else msg.room, msg.text if direct else rest.strip())


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:3]))
    except ChatError as error:
        sys.exit(f"echo_bot: {error}")
    except KeyboardInterrupt:
        pass
