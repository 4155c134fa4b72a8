"""What widgets tell the screen: Textual messages. They bubble; nobody answers."""

from dataclasses import dataclass

from textual.message import Message


class OlderWanted(Message):
    """The person scrolled to the top of what is loaded."""


class Followed(Message):
    """The newest line came into sight, or (see the view) went out of it."""


@dataclass
class ViewChosen(Message):
    """A room or a conversation was clicked."""

    name: str


@dataclass
class NickChosen(Message):
    """A person was clicked; twice: a conversation with them is wanted."""

    nick: str
    twice: bool


@dataclass
class LinkClicked(Message):
    """A link in a message was clicked."""

    url: str


@dataclass
class SearchChanged(Message):
    """What is searched for changed, or another hit is wanted: -1 the one before, 1 the one after, 0 the newest."""

    query: str
    step: int


class SearchClosed(Message):
    """The search is over."""


class ToEnd(Message):
    """ "N new" was clicked."""


@dataclass
class PaneToggled(Message):
    """A pane ("rooms" or "members") is to be shown or hidden."""

    pane: str
