"""A short campaign against the real server: every fault under load, and every promise kept."""

import os
import secrets
import sys

import pytest

from chaos.campaign import FAULTS, NEEDS_DISK, NEEDS_NETWORK, Plan, run
from chaos.proxy import FAULTS as PROXY_FAULTS
from chaos.report import table

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults need Linux")


@pytest.mark.timeout(400)
async def test_nothing_is_lost_doubled_or_reordered_whatever_dies() -> None:
    seed = int(os.environ.get("MOOT_SEED") or secrets.randbelow(1 << 32))
    outcome = await run(Plan(seed, times=2))
    print(table(outcome))
    assert outcome.sound, f"repeat it with MOOT_SEED={seed}\n{table(outcome)}"
    assert {blow.fault for blow in outcome.blows} | outcome.skipped.keys() == set(FAULTS)
    assert outcome.skipped.keys() <= NEEDS_DISK | NEEDS_NETWORK  # what needs root, and more than every container has
    assert outcome.proxied.keys() == set(PROXY_FAULTS)
    assert len(outcome.history.operations) > 0.95 * outcome.plan.rate * outcome.seconds
    assert outcome.history.refusals, "nobody with nc was there at the end"
