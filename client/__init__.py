"""Clients of moot. `connect` is the way in for programs and bots; it imports nothing of the server."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.net import Chat as Chat
    from client.net import ChatError as ChatError
    from client.net import connect as connect

__all__ = ["Chat", "ChatError", "connect"]


def __getattr__(name: str) -> Any:
    """Import the library when it is used: the command line must start without it."""
    if name in __all__:
        from client import net

        return getattr(net, name)
    raise AttributeError(f"module 'client' has no attribute {name!r}")
