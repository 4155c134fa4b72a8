"""IRC, as the Modern IRC Client Protocol document and the IRCv3 specifications read it."""

from workers.dialects.irc.session import Irc

__all__ = ["Irc"]
