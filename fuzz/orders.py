"""Target that takes what the shell of the operator orders: whatever it is, people and rooms fit together."""

import msgspec

from broker.log import Log
from broker.operator import Operator, answers, found, told
from fuzz.broker import NOW, Desk, check
from fuzz.source import Source
from protocol.ipc import Asked
from protocol.native import UNDECODABLE
from protocol.operator import MAX_ORDER, Answer, Order, decode_order

_log: Log | None = None


def operator_orders(data: bytes) -> None:
    """An order is refused or done, and answered with one line."""
    global _log
    source = Source(data)
    _log = _log or Log(":memory:")
    desk = Desk(_log)
    operator = Operator(desk.state, lambda: 4096)
    try:
        for _ in range(source.below(8)):
            line = source.text().encode() if source.byte() % 4 == 0 else msgspec.json.encode(source.value(Order))
            try:
                order = decode_order(line[:MAX_ORDER])
            except UNDECODABLE:
                continue
            what = operator.find(Asked(line, 1.0, 0), order, NOW)
            if what is not None:
                assert msgspec.json.decode(msgspec.json.encode(found(what)), type=Answer).code == 0
                continue
            number = operator.carry_out(order, NOW)
            assert told(order, answers(desk.out)[number]).code in (0, 1)
        desk.told()
        check(desk.state)
    finally:
        _log.rollback()
