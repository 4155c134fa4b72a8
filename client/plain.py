"""`moot join --plain`: the chat line by line, without alternate screen, friendly to screen readers, braille and pipes.

In a terminal prompt_toolkit keeps the line being typed apart from what comes in. Without one this is a filter: lines
in, lines out, no control characters; at the end of its input it waits for all answers, then leaves.

Exit status: 0, or 1 when something was refused (filter only), 2 for a bad address, 3 when the server cannot be reached
or sent us away, 130 for Ctrl+C.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from client.address import parse_address
from client.console import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    complain,
    encoded,
    forget_out,
    input_lines,
    write_out,
)
from client.delivery import deliver, farewell
from client.entering import ask, can_ask, entry
from client.identity import OWNED, Proof
from client.journal import Desk, Journal, leftovers, open_journal
from client.keys import BadKey, choose
from client.linear import Linear
from client.net import Chat, ChatError
from client.session import Offline, Session
from protocol import accounts, native
from protocol.account_commands import in_one_line
from protocol.names import is_reserved
from protocol.text import clean

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

CLIENT = "moot plain"
SETTLE_S = 30.0  # at the end of the input, for the last answers

Show = Callable[[list[str]], None]


def run_plain(host: str, nick: str | None, rooms: list[str]) -> int:
    """Chat on the server at ``host`` ("host" or "host:port"), first in ``rooms``; return the exit status.

    Without ``nick`` the login name is used, or a free one near it.
    """
    try:
        address = parse_address(host)
    except ValueError as error:
        complain(str(error))
        return EXIT_USAGE
    coming = entry(address, nick, complain)
    desk = Desk("chat", address, coming.nick)
    journal = open_journal(desk)
    others, problems = leftovers(desk)
    for problem in filter(None, [journal.problem, *problems]):
        complain(problem)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()

    def began() -> Session:
        return Session(
            desk.nick,
            rooms,
            any_nick=not coming.chosen,
            client=CLIENT,
            token=journal.token,
            pending=journal.pending,
            follow=True,
        )

    session = began()
    try:
        while True:
            chat = Chat(address, session, keeper=journal, credentials=coming.credentials)
            try:
                return asyncio.run(_in_terminal(chat, others) if terminal else _as_filter(chat, others))
            except ChatError as error:
                complain(
                    str(error) + (f" Try --nick {error.free}" if error.free and error.free not in str(error) else "")
                )
                proof = _proof(session.nick, error) if terminal else None
                if proof is None:
                    return EXIT_UNREACHABLE
            coming.credentials.use(proof)
            session = began()
    except BrokenPipeError:
        forget_out()
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        for one in (journal, *others):
            one.close()
        if left := farewell(session, journal):
            complain(left)


def _proof(nick: str, refused: ChatError) -> Proof | None:
    """Ask for the password of the account that ``nick`` belongs to, if that is why one was refused; Enter: none."""
    if refused.code not in OWNED or is_reserved(nick) or not can_ask():
        return None
    password = ask(f"Password of {clean(nick, newlines=False)} (just Enter leaves): ")
    return Proof(nick, password=password) if password else None


@contextlib.asynccontextmanager
async def _delivering(journals: Sequence[Journal], show: Show) -> AsyncIterator[None]:
    """Say what clients that are gone left, while the block runs."""
    tasks = [asyncio.create_task(deliver(one, CLIENT, lambda text: show([text]))) for one in journals]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def show_updates(chat: Chat, mind: Linear, show: Show) -> bool:
    """Show what happens until the chat ends; return False when the server ended it."""
    updates = chat.updates()
    ours = True
    while batch := await updates.batch():
        for update in batch:
            if found := mind.show(update):
                show(found)
            if isinstance(update, Offline) and update.final:
                ours = not isinstance(update.error, native.Error)
    return ours


async def _as_filter(chat: Chat, others: Sequence[Journal]) -> int:
    mind = Linear(chat.session, echo=True)

    def show(lines: list[str]) -> None:
        write_out(encoded(lines))

    chat.updates()  # keep everything from now on
    async with chat, _delivering(others, show):
        showing = asyncio.create_task(show_updates(chat, mind, show))
        typing = asyncio.create_task(_type(chat, mind, show))
        done, _ = await asyncio.wait({showing, typing}, return_when=asyncio.FIRST_COMPLETED)
        typing.cancel()
        if showing in done:
            return EXIT_OK if showing.result() else EXIT_UNREACHABLE
        typing.result()
        await chat.close()
        await showing
    return EXIT_REFUSED if mind.refused else EXIT_OK


async def _type(chat: Chat, mind: Linear, show: Show) -> None:
    """Take the lines of standard input; return when all they caused is answered."""
    async for line in input_lines(sys.stdin.fileno()):
        if found := mind.typed(line) + _unasked(chat, mind):
            show(found)
        chat.flush()
        await asyncio.sleep(0)  # let what comes in be shown between lines
        while len(chat.session.outbox) > 64:
            await chat.changed()
    try:
        async with asyncio.timeout(SETTLE_S):
            await chat.settled()
    except TimeoutError:
        raise ChatError("offline", f"no answer within {SETTLE_S:.0f} s at the end of the input") from None


def _unasked(chat: Chat, mind: Linear) -> list[str]:
    """Do what a line wants that nobody need be asked for, or say how it is written where nobody can be."""
    local, mind.asks = mind.asks, None
    if local is None:
        return []
    if local.name != "key":
        text = in_one_line(local, mind.session.nick)
        return [text] if text else []
    account = mind.session.identity.account
    if account is None:
        return ["A key belongs to an account, and you are a guest; /login or /register first."]
    try:
        path, line = choose(local.args, chat.address, account)
    except BadKey as no:
        return [f"{no}."]
    chat.credentials.offer(path)
    mind.request([accounts.Key(add=line)])
    return [f"The key {path} logs you in here from now on, once the server has taken it."]


async def _in_terminal(chat: Chat, others: Sequence[Journal]) -> int:
    from prompt_toolkit.patch_stdout import patch_stdout

    mind = Linear(chat.session, echo=False)
    chat.updates()  # keep everything from now on
    async with chat:
        with patch_stdout():
            async with _delivering(others, _print):
                showing = asyncio.create_task(show_updates(chat, mind, _print))
                typing = asyncio.create_task(_prompt(chat, mind))
                done, _ = await asyncio.wait({showing, typing}, return_when=asyncio.FIRST_COMPLETED)
            if showing not in done:
                await chat.close()
            typing.cancel()
            ours = await showing
            await asyncio.gather(typing, return_exceptions=True)
    if typing in done and not typing.cancelled():
        typing.result()
    return EXIT_OK if ours else EXIT_UNREACHABLE


def _print(lines: list[str]) -> None:
    print("\n".join(lines), flush=True)


async def _prompt(chat: Chat, mind: Linear) -> None:
    """Read lines from the terminal until the person wants to go: Ctrl+D, or Ctrl+C on an empty line, or /quit."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.shortcuts import CompleteStyle, clear

    from client.prompting import LineCompleter, OpenHistory, key_bindings

    prompt: PromptSession[str] = PromptSession(
        lambda: mind.prompt,
        history=OpenHistory(),
        completer=LineCompleter(mind),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        reserve_space_for_menu=0,
        key_bindings=key_bindings(),
        enable_suspend=True,
    )
    # Between two prompts too: else the terminal would make the Enter of somebody who types ahead a Ctrl+J.
    with prompt.app.input.raw_mode():
        while True:
            try:
                line = await prompt.prompt_async()
            except (EOFError, KeyboardInterrupt):
                return
            if found := mind.typed(line):
                _print(found)
            if mind.asks is not None and mind.asks.name != "key":
                await _ask(prompt, mind)
            elif found := _unasked(chat, mind):
                _print(found)
            if mind.clear:
                mind.clear = False
                clear()
            chat.flush()


async def _ask(prompt: "PromptSession[str]", mind: Linear) -> None:
    """Ask for the passwords that a command needs, without showing or keeping them; Ctrl+C or Ctrl+D leaves it."""
    from prompt_toolkit import PromptSession

    local, mind.asks = mind.asks, None
    assert local is not None  # so it was called
    asking: PromptSession[str] = PromptSession(input=prompt.app.input, output=prompt.app.output)
    values = {"nick": local.args or mind.session.identity.account or mind.session.nick}
    wanted = {
        "register": (("new", "Password for your nick: "), ("again", "The same again: ")),
        "password": (("old", "Old password: "), ("new", "New password: "), ("again", "The same again: ")),
        "login": (("password", f"Password of {values['nick']}: "),),
        "drop": (("password", f"Delete {values['nick']}; its password: "),),
    }[local.name]
    for name, text in wanted:
        try:
            values[name] = await asking.prompt_async(text, is_password=True)
        except (EOFError, KeyboardInterrupt):
            values[name] = ""
        if not values[name]:
            _print(["Nothing was changed."])
            return
    if values.get("again", "") != values.get("new", ""):
        _print(["The two are not the same; nothing was changed."])
        return
    mind.given(local, values)
