"""A campaign's outcome as a table: what each kind of fault cost. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from chaos.campaign import Outcome
from chaos.history import Operation
from chaos.nemesis import Blow

BEFORE_S: Final = 1.0  # a message invoked this long before a fault may still be under way
UNDONE_S: Final = 10.0  # for how long a fault that was never undone is looked at
SHOWN: Final = 20  # violations


@dataclass(slots=True)
class Row:
    """What one kind of fault cost. Clients behind the fault proxy, and the impatient, count for messages only."""

    fault: str
    count: int = 0
    acknowledged: int = 0  # messages under way in the fault's time
    lost: int = 0  # of them
    doubled: int = 0
    disconnected: int = 0  # clients
    disturbed: int = 0  # of them: they did not sit on the victim
    pauses: list[float] = field(default_factory=list)  # seconds: each client's longest wait for an acknowledgement
    returns: list[float] = field(default_factory=list)  # seconds from the fault until a lost client was back


def rows(outcome: Outcome) -> list[Row]:
    """Return a row for each kind of fault, by name."""
    found: dict[str, Row] = {}
    operations = sorted(outcome.history.operations.values(), key=lambda one: one.invoked)
    begins = [one.invoked for one in operations]
    bad = {kind: {one.cmid for one in outcome.violations if one.kind == kind} for kind in ("lost", "doubled")}
    for at, blow in enumerate(outcome.blows):
        row = found.setdefault(blow.fault, Row(blow.fault))
        row.count += 1
        end = blow.end or blow.begin + UNDONE_S
        later = outcome.blows[at + 1].begin if at + 1 < len(outcome.blows) else float("inf")
        under_way = operations[bisect_left(begins, blow.begin - BEFORE_S) : bisect_right(begins, end)]
        row.lost += sum(one.cmid in bad["lost"] for one in under_way)
        row.doubled += sum(one.cmid in bad["doubled"] for one in under_way)
        _messages(row, blow, under_way, outcome)
        _connections(row, blow, later, outcome)
    return sorted(found.values(), key=lambda row: row.fault)


def _messages(row: Row, blow: Blow, under_way: list[Operation], outcome: Outcome) -> None:
    longest: dict[str, float] = {}
    for one in under_way:
        if one.status == "ok" and one.ended >= blow.begin:
            row.acknowledged += 1
            if one.client not in outcome.links:
                continue
            longest[one.client] = max(longest.get(one.client, 0.0), one.ended - one.invoked)
    row.pauses += longest.values()


def _connections(row: Row, blow: Blow, later: float, outcome: Outcome) -> None:
    """Charge ``blow`` with the connections that were lost until the next one came, when it was long undone, too."""
    for link in outcome.links.values():
        at = bisect_left(link.lost, blow.begin)
        if at == len(link.lost) or link.lost[at] >= later:
            continue
        row.disconnected += 1
        row.disturbed += blow.hit is not None and link.ports[at] not in blow.hit
        again = bisect_right(link.back, link.lost[at])
        if again < len(link.back):
            row.returns.append(link.back[again] - blow.begin)


def table(outcome: Outcome) -> str:
    """Return the outcome for people: the table, what could not be tried, the verdict with the seed."""
    lines = [
        f"{'fault':<16} {'times':>5} {'acked':>8} {'lost':>5} {'doubled':>7} {'disconnected':>12} {'not on it':>9}"
        f" {'pause p50':>9} {'p99':>6} {'max s':>6} {'back p99':>8} {'max s':>6}"
    ]
    for row in rows(outcome):
        pause = [quantile(row.pauses, q) for q in (0.5, 0.99, 1.0)]
        back = [quantile(row.returns, q) for q in (0.99, 1.0)]
        lines.append(
            f"{row.fault:<16} {row.count:>5} {row.acknowledged:>8,} {row.lost:>5} {row.doubled:>7}"
            f" {row.disconnected:>12} {row.disturbed:>9}"
            f" {pause[0]:>9.2f} {pause[1]:>6.2f} {pause[2]:>6.2f} {back[0]:>8.2f} {back[1]:>6.2f}"
        )
    lines += [f"{'proxy: ' + fault:<16} {count:>5}" for fault, count in sorted(outcome.proxied.items())]
    lines += [f"{fault:<16} skipped: {why}" for fault, why in sorted(outcome.skipped.items())]
    return "\n".join([*lines, *_verdict(outcome)])


def _verdict(outcome: Outcome) -> list[str]:
    operations = outcome.history.operations.values()
    acked = sum(one.status == "ok" for one in operations)
    failed = sum(one.status == "fail" for one in operations)
    open_ = len(operations) - acked - failed
    readers = len(outcome.history.runs) + len(outcome.history.heard_of)
    lines = [
        f"{outcome.plan.clients} clients, {len(operations):,} messages in {outcome.seconds:.0f} s: {acked:,} "
        f"acknowledged, {failed:,} refused, {open_:,} unknown; {readers} readers"
    ]
    lines += [str(one) for one in outcome.violations[:SHOWN]]
    if len(outcome.violations) > SHOWN:
        lines.append(f"and {len(outcome.violations) - SHOWN} more violations")
    verdict = "every promise held" if outcome.sound else f"{len(outcome.violations)} VIOLATIONS; see {outcome.evidence}"
    return [*lines, f"{verdict}; seed {outcome.plan.seed}"]


def quantile(values: Iterable[float], q: float) -> float:
    """Return the value that the part ``q`` of all does not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
