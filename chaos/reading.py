"""What a client's session reports of rooms, as observations of a history. Knows no sockets."""

from collections.abc import Callable

from chaos.history import History
from client.sequence import in_order
from client.updates import Entered, Lost, Message, Update
from protocol.native import Msg


def note(history: History, reader: str, update: Update, cmid_of: Callable[[Msg], str]) -> None:
    """Enter what ``update`` shows to ``reader``, if anything; ``cmid_of`` says which message it is."""
    match update:
        case Message(msg=msg):
            history.saw(reader, msg.room, msg.seq, cmid_of(msg))
        case Lost(room=room, first=first, last=last):
            history.gap(reader, room, first, last)
        case Entered(room=room):
            if update.reset:
                history.reset(reader, room)
            elif not (update.messages or update.gaps or update.more):
                history.begins(reader, room)
            for item in in_order(update.messages, update.gaps):
                if isinstance(item, Msg):
                    history.saw(reader, room, item.seq, cmid_of(item))
                else:
                    history.gap(reader, room, *item)
        case _:
            pass
