"""Say what clients that died left in their journals, each in a short session of its own. Knows no screens."""

from collections.abc import Callable

from client.journal import Journal
from client.lines import one_line
from client.net import Chat
from client.session import Failed, Offline, Session, typed


def counted(journal: Journal) -> str:
    """Return "2 messages typed earlier as ann"."""
    many = len(journal.pending)
    return f"{many} message{'s' * (many > 1)} typed earlier as {one_line(journal.nick)}"


async def deliver(journal: Journal, client: str, tell: Callable[[str], object]) -> None:
    """Say what is left in ``journal`` as who typed it, and close it. ``tell`` gets sentences for people.

    Waits for the server for as long as it takes; cancelled, it leaves the rest in the journal.
    """
    session = Session(journal.nick, (), token=journal.token, any_nick=True, client=client, pending=journal.pending)
    what = counted(journal)
    tell(f"{what}: being said now")
    try:
        chat = Chat(journal.desk.server, session, patient=True, keeper=journal)
        chat.updates()  # keep everything from now on
        async with chat:
            async for update in chat.updates():
                if isinstance(update, Failed):
                    tell(f"Not said: {update.error.text} It was: {update.text}")
                elif isinstance(update, Offline) and update.final:
                    tell(f"{what}: kept for the next time, for {update.reason}")
                    return
                if not session.outbox:
                    break
        tell(f"{what}: all answered")
    finally:
        journal.close()


def farewell(session: Session, journal: Journal) -> str:
    """Return what to say to somebody who leaves before everything is acknowledged; nothing when all is."""
    left = list(session.outbox.values())
    if not left:
        return ""
    several = len(left) > 1
    which = f"{len(left)} messages are" if several else f"your message {typed(left[0])[:60]!r} is"
    if not journal.safe:
        return f"{which} not acknowledged, and could not be kept"
    where = journal.desk.server
    return f"{which} not acknowledged; kept, and said when you join {where} again"
