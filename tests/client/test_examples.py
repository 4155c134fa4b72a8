"""The examples, run as programs against a real server."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from client import connect
from examples.dice_bot import throw
from tests.server import Server

ROOT = Path(__file__).parents[2]


class Program:
    """An example under way."""

    def __init__(self, name: str, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "examples" / name), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


async def test_the_minimal_client_chats(server: Server) -> None:
    async with connect("127.0.0.1", server.port, nick="bob", rooms=["#lobby"]) as chat:
        await chat.send("#lobby", "welcome")
        with Program("minimal_client.py", "127.0.0.1", str(server.port), "ann") as ann:
            out, _ = ann.process.communicate("hello\nbye\n", timeout=20)
        assert out.splitlines()[0] == "bob: welcome"
        assert ann.process.returncode == 0
        stream = chat.messages()
        assert [(msg.nick, msg.text) for msg in [await anext(stream), await anext(stream)]] == [
            ("ann", "hello"),
            ("ann", "bye"),
        ]


async def test_the_echo_bot_echoes(server: Server) -> None:
    async with connect("127.0.0.1", server.port, nick="ann", rooms=["#tea"]) as chat:
        updates = chat.updates()
        with Program("echo_bot.py", f"127.0.0.1:{server.port}", "#tea"):
            async for update in updates:
                if "Joined" in repr(update):
                    break
            await chat.send("#tea", "not for you")
            await chat.send("#tea", "echo: hello")
            await chat.send("@echo", "psst")
            stream = chat.messages()
            first, second = await anext(stream), await anext(stream)
        assert (first.room, first.nick, first.text) == ("#tea", "echo", "hello")
        assert (second.room, second.nick, second.text) == ("@", "echo", "psst")


async def test_the_dice_bot_throws(server: Server) -> None:
    async with connect("127.0.0.1", server.port, nick="ann", rooms=["#tea"]) as chat:
        updates = chat.updates()
        with Program("dice_bot.py", f"127.0.0.1:{server.port}", "#tea"):
            async for update in updates:
                if "Joined" in repr(update):
                    break
            sent = await chat.send("#tea", "dice: 3d1")
            answer = await anext(chat.messages())
        assert (answer.nick, answer.text, answer.reply) == ("dice", "ann, 3d1: 1 + 1 + 1 = 3", sent.seq)


@pytest.mark.parametrize(
    ("order", "result"),
    [
        (" 2d6 ", "2d6: 2 + 5 = 7"),
        ("0d6", "I throw dice: 2d6, up to 99d9999"),
        ("", "I throw dice: 2d6, up to 99d9999"),
    ],
)
def test_dice(order: str, result: str) -> None:
    assert throw(order, random.Random(1)) == result
