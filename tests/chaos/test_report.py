"""The table of a campaign, from literal outcomes."""

from chaos.campaign import Outcome, Plan
from chaos.history import Violation
from chaos.load import Link
from chaos.nemesis import Blow
from chaos.report import quantile, rows, table


def campaign() -> Outcome:
    """Ann waits 0.7 s over a kill of her worker at 10.0 and loses her connection; Bob is elsewhere and does, too."""
    outcome = Outcome(Plan(seed=7))
    outcome.blows = [Blow("kill-worker", 10.0, 11.0, hit={4000})]
    for client, cmid, invoked, seq, ended in (("ann", "a1", 9.9, 1, 10.6), ("bob", "b1", 10.1, 2, 10.2)):
        outcome.history.invoke(client, "#tea", cmid, invoked)
        outcome.history.ok(cmid, "#tea", seq, ended)
    outcome.links = {
        "ann": Link(back=[1.0, 10.5], lost=[10.01], ports=[4000]),
        "bob": Link(back=[1.0], lost=[10.2], ports=[4001]),
    }
    return outcome


def test_a_fault_is_charged_with_what_happened_in_its_time() -> None:
    (row,) = rows(campaign())
    assert (row.fault, row.count, row.acknowledged, row.lost) == ("kill-worker", 1, 2, 0)
    assert (row.disconnected, row.disturbed) == (2, 1)
    assert [round(pause, 3) for pause in sorted(row.pauses)] == [0.1, 0.7]
    assert row.returns == [0.5]


def test_a_connection_that_is_lost_after_the_fault_is_charged_to_it_until_the_next() -> None:
    outcome = campaign()
    outcome.links["bob"].lost[0] = 11.5
    assert rows(outcome)[0].disturbed == 1
    outcome.blows.append(Blow("kill-broker", 11.4, 12.0))
    assert [(row.fault, row.disconnected, row.disturbed) for row in rows(outcome)] == [
        ("kill-broker", 1, 0),
        ("kill-worker", 1, 0),
    ]


def test_a_victim_without_clients_excuses_nobody() -> None:
    outcome = campaign()
    outcome.blows[0].hit = set()
    assert rows(outcome)[0].disturbed == 2


def test_what_is_lost_is_charged_to_its_fault_and_the_seed_is_told() -> None:
    outcome = campaign()
    outcome.violations = [Violation("lost", "ann was told that a1 is 1 of #tea, and it is nowhere", "a1")]
    assert rows(outcome)[0].lost == 1
    assert "lost: ann was told that a1 is 1 of #tea, and it is nowhere" in table(outcome)
    assert table(outcome).endswith("seed 7")


def test_quantiles_of_few_values() -> None:
    assert quantile([], 0.99) == 0.0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 1.0) == 3.0
