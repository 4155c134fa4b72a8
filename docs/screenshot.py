"""Draw docs/client.svg: the terminal client in a conversation, on a real server with real people. `make screenshot`."""

import asyncio
import re
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from client.net import Chat, connect
from client.terminal.app import MootApp
from client.terminal.main_screen import MainScreen
from client.terminal.settings import SettingsFile
from protocol import native

SIZE = 104, 28  # columns, lines
OUTPUT = Path(__file__).with_name("client.svg")


async def main() -> None:
    """Start a server, let people talk, take the picture."""
    with tempfile.TemporaryDirectory(prefix="moot-picture-") as place:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "moot", "serve", "--listen", "127.0.0.1:0", "--data", place, "--no-limits"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert server.stdout is not None
            while not (found := re.search(rb"listens on (\S+:\d+)", line := await server.stdout.readline())):
                if not line:
                    sys.exit("The server did not start; `moot serve` says why.")
            svg = await picture(found[1].decode())
        finally:
            if server.returncode is None:
                server.terminate()
            await server.wait()
    OUTPUT.write_text(svg, encoding="utf-8")
    print(f"wrote {OUTPUT}")


async def picture(address: str) -> str:
    """Return what kim sees after a while."""
    async with AsyncExitStack() as stack:
        rooms = ["#lobby", "#tea", "#python"]
        people: dict[str, Chat] = {}
        for nick in ("ann", "bob", "carlotta", "frida", "zoë"):
            people[nick] = await stack.enter_async_context(connect(address, nick=nick, rooms=rooms))
        await before(people)
        app = MootApp(address, "kim", [*rooms, "#random"], SettingsFile(None))
        async with app.run_test(size=SIZE) as pilot:
            screen = next(s for s in reversed(app.screen_stack) if isinstance(s, MainScreen))
            while (
                not all(room.here for room in screen.chat.session.rooms.values())
                or len(screen.tracker.view.entries) < 3
            ):
                await pilot.pause(0.05)
            await after(people, address, stack)
            await pilot.press(*"on my way, keep some warm")
            while sum(view.unread for view in screen.tracker.views.values()) < 7:
                await pilot.pause(0.05)
            screen.host = "moot.example:6668"
            screen.refresh_all()
            await pilot.pause(0.3)
            svg = app.export_screenshot(title="moot join moot.example")
            svg = re.sub(r',\s*url\("[^"]*"\) format\("woff2?"\)', "", svg)  # a picture fetches nothing
            return svg.replace("<style>", "<style>text { font-variant-ligatures: none }", 1)  # cows have none


async def before(people: dict[str, Chat]) -> None:
    """What was said before kim came."""
    topic = "the kettle is on ☕ be kind, be brief, be silly"
    await people["ann"].submit(native.Topic(cmid=people["ann"].session.new_cmid(), room="#lobby", text=topic))
    await people["ann"].send("#lobby", "good evening! :waving_hand: is this the place with the talking cows?")
    await people["bob"].send("#lobby", "it is. everything is at https://example.org/moot, but it comes down to /cowsay")


async def after(people: dict[str, Chat], address: str, stack: AsyncExitStack) -> None:
    """What is said while kim is there."""
    gus = await stack.enter_async_context(connect(address, nick="gus", rooms=["#lobby"]))
    await stack.enter_async_context(connect(address, nick="dmitri", rooms=["#lobby"]))
    await gus.close("the bus is here")
    await people["carlotta"].fun("#lobby", "/cowsay tea is ready, kim! 🫖")
    await people["ann"].send("#lobby", "kim, your turn to pour :smile:")
    await people["ann"].send("#lobby", "there is milk in the fridge")
    await people["bob"].send("#lobby", "looks for biscuits", kind="me")
    await people["zoë"].send("#tea", "green or black?")
    await people["bob"].send("#tea", "green")
    await people["frida"].send("#tea", "black, with a slice of lemon")
    await people["ann"].send("#python", "kim: 3.14 is out :snake:")
    for line in ("are you there?", "found your umbrella", "it is blue"):
        await people["frida"].send("@kim", line)


if __name__ == "__main__":
    asyncio.run(main())
