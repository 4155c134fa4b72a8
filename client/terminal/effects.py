"""What must be done beyond showing it, when something has happened: `tracker.Tracker.apply` returns these."""

from dataclasses import dataclass

from protocol import native


@dataclass(frozen=True, slots=True)
class Alert:
    """Somebody said something that may deserve a bell. `direct`: it names us, or is to us alone."""

    view: str
    nick: str
    text: str
    direct: bool


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A message was refused; what was typed goes back to the person."""

    view: str
    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """An animation begins in a view. `text` is its still."""

    view: str
    anim: native.Anim
    text: str
    nick: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not let us in."""

    reason: str
    error: native.Error | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A room was entered because the person asked for it: show it."""

    view: str


@dataclass(frozen=True, slots=True)
class PutOut:
    """Somebody put us out of the room that was shown; another is shown now."""


Effect = Alert | GiveBack | Play | Refused | Opened | PutOut
