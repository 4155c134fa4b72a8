"""Target that takes what somebody says who wants to be logged in to another's account."""

import hashlib
from typing import Final, get_args

from broker.log import Log
from broker.sasl import BadMessage, account_name, plain, scram_name, token
from broker.throttle import Throttle
from fuzz.broker import Desk
from fuzz.source import Source
from protocol import native
from protocol.accounts import Challenge, LoggedIn, Mechanism, Register, Sasl
from protocol.ipc import Answered, Do

MECHANISMS: Final[tuple[Mechanism, ...]] = get_args(Mechanism)
SECRET: Final = hashlib.sha256(b"what no fuzzer says").hexdigest()
STRANGER: Final = (1 << 32) | 2
MOST: Final = 4096  # characters, as the wire format has it
_KEPT: Final[list[Desk]] = []


def sasl_messages(data: bytes) -> None:
    """Whatever a stranger says is answered, once, with a challenge or an error, and never logs in."""
    source = Source(data)
    text = source.payload.decode("utf-8", "replace")
    for read in (plain, scram_name, account_name, token):
        told = ""
        try:
            read(text[:MOST])
        except BadMessage as error:
            told = str(error)
        assert len(told) < 200
    desk = _desk()
    gate = desk.state.gate
    for rid, line in enumerate(text.split("\n")[:8], 1):
        mech = MECHANISMS[source.below(len(MECHANISMS))] if source.below(3) else None
        said = None if source.below(8) == 7 else line[:MOST]
        certfp = "c1" * 32 if source.below(2) else ""
        request = Sasl(mech=mech, data=said, remember=bool(source.below(2)), id=rid)
        desk.do(Do(STRANGER, rid, request, None, f"192.0.2.{source.byte()}", "native", certfp=certfp))
        answers = [event.event for _worker, event in desk.told() if isinstance(event, Answered)]
        assert [answer.id for answer in answers if isinstance(answer, Challenge | native.Error)] == [rid]
    gate.gone(STRANGER)
    gate.proving.throttle = Throttle()  # each input begins as the first did


def _desk() -> Desk:
    """Return a state in which ann, who sits there, has an account with a password, no keys and no certificates."""
    if not _KEPT:
        desk = Desk(Log(":memory:"))
        desk.do(Do(1 << 32 | 1, 3, Register(password=SECRET), None, "127.0.0.1", "native"))
        assert any(isinstance(event, Answered) and isinstance(event.event, LoggedIn) for _, event in desk.told())
        _KEPT.append(desk)
    return _KEPT[0]


def seeds() -> list[bytes]:
    """Return messages of all mechanisms, whole and torn."""
    messages = [
        "\0ann\0wrong",
        "n,,n=ann,r=abc\nc=biws,r=abc,p=AAAA\n",
        "ann\n" + "A" * 86 + "==",
        "A" * 43,
        "*",
        "\n",
        "n,,n=ann,r=abc\n*",
    ]
    lists = [[2, which, 0, 0, 0, which] * 8 for which in range(len(MECHANISMS))]
    return [bytes([len(c)]) + bytes(c) + each.encode() for each in messages for c in lists]
