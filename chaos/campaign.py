"""One campaign: a server, a load, faults by dice; then everything is healed, and the history is checked."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from chaos import final
from chaos.history import History, Violation, check
from chaos.load import IMPATIENT_PING_S, Link, Load
from chaos.nemesis import Blow, Nemesis
from chaos.places import Disk, Network, Unavailable, network, small_disk
from chaos.proxy import Proxy
from chaos.server import ServerError, Target, attacked
from client.address import Address

SABOTAGE: Final = Path(__file__).parent / "sabotage"
LOG_FILE: Final = "moot.db"
CALM_S: Final = 0.3, 1.2  # between two faults
NEEDS_DISK: Final = frozenset({"disk-full"})
NEEDS_NETWORK: Final = frozenset({"cut", "long-cut"})
NEEDS_SABOTAGE: Final = frozenset({"fsync-error", "write-error", "read-only"})
FAULTS: Final = (
    "kill-broker", "kill-worker", "kill-sandbox", "kill-supervisor", "terminate", "restart", "stop-broker",
    "stop-worker", "starve-broker", "starve-worker", "disk-full", "fsync-error", "write-error", "read-only", "cut",
    "long-cut",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign does. It ends when the seconds are over or every fault was inflicted ``times``."""

    seed: int
    seconds: float = 100.0
    faults: tuple[str, ...] = FAULTS
    times: int = 0  # of each fault; 0: as often as time allows
    clients: int = 200
    plain: int = 10  # of the clients
    proxied: int = 20  # of the native clients
    impatient: int = 18  # of the others: they ping often, and take a long silence for an end
    rooms: int = 10
    rate: float = 1000.0  # messages a second, all together
    workers: int = 2
    disk_mib: int = 192
    keep: Path | None = None  # where the evidence of a violation goes; None: a new directory


@dataclass(slots=True)
class Outcome:
    """What came of a campaign."""

    plan: Plan
    history: History = field(default_factory=History)
    blows: list[Blow] = field(default_factory=list)
    links: dict[str, Link] = field(
        default_factory=dict
    )  # by client; those behind the proxy and the impatient are left out
    proxied: dict[str, int] = field(default_factory=dict)  # fault of the proxy -> connections
    skipped: dict[str, str] = field(default_factory=dict)  # fault -> why it could not be inflicted here
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0  # of load
    evidence: Path | None = None

    @property
    def sound(self) -> bool:
        return not self.violations


async def run(plan: Plan) -> Outcome:
    """Run ``plan``; whatever goes wrong with the server is a violation. The evidence of one is kept."""
    outcome = Outcome(plan)
    place = plan.keep or Path(tempfile.mkdtemp(prefix="moot-chaos-"))
    await asyncio.to_thread(place.mkdir, parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        disk, net = await _places(plan, place, stack, outcome)
        target, flag = _target(plan, place, disk, net)
        try:
            async with attacked(target):
                nemesis = Nemesis(target, random.Random(plan.seed), flag, disk, net)
                outcome.blows = nemesis.blows
                await _campaign(plan, target, nemesis, outcome)
        except (ServerError, final.ReadError, OSError, TimeoutError) as error:
            outcome.violations.append(Violation("server", f"{type(error).__name__}: {error}"))
        if not outcome.sound:
            outcome.evidence = place
            await asyncio.to_thread(_keep, place, target, outcome)
    if outcome.sound and plan.keep is None:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
    return outcome


async def _places(
    plan: Plan, place: Path, stack: contextlib.AsyncExitStack, outcome: Outcome
) -> tuple[Disk | None, Network | None]:
    """Make the places that the faults need; note what this machine cannot do."""
    disk, net = None, None
    if wanted := NEEDS_DISK & set(plan.faults):
        try:
            disk = await stack.enter_async_context(small_disk(place / "disk", plan.disk_mib))
        except Unavailable as why:
            outcome.skipped |= dict.fromkeys(wanted, str(why))
    if wanted := NEEDS_NETWORK & set(plan.faults):
        try:
            net = await stack.enter_async_context(network())
        except Unavailable as why:
            outcome.skipped |= dict.fromkeys(wanted, str(why))
    return disk, net


def _target(plan: Plan, place: Path, disk: Disk | None, net: Network | None) -> tuple[Target, Path]:
    flag = place / "disk-fails"
    env = {}
    if NEEDS_SABOTAGE & set(plan.faults):
        path = os.pathsep.join(filter(None, (str(SABOTAGE), os.environ.get("PYTHONPATH"))))
        env = {"PYTHONPATH": path, "CHAOS_DISK": str(flag)}
    target = Target(
        place / "data" if disk is None else disk.path / "data",
        place / "server.log",
        *("--no-limits", "--workers", str(plan.workers)),
        hosts=("127.0.0.1",) if net is None else net.hosts,
        prefix=() if net is None else net.prefix,
        env=env,
    )
    return target, flag


async def _campaign(plan: Plan, target: Target, nemesis: Nemesis, outcome: Outcome) -> None:
    rng = random.Random(plan.seed + 1)
    load = Load(outcome.history, random.Random(plan.seed + 2))
    proxy = Proxy(lambda: target.address(rng.randrange(2)), random.Random(plan.seed + 3))
    rooms = [f"#r{number}" for number in range(plan.rooms)]
    hidden: set[str] = set()  # clients whose lost connections do not count
    await proxy.start()
    try:
        for number in range(plan.clients):
            proxied, room = number < plan.proxied, [rooms[number % plan.rooms]]
            if number >= plan.clients - plan.plain:
                load.spawn(target.address(number), room, plain=True)
            elif number >= plan.proxied + plan.impatient:
                load.spawn(target.address(number), room)
            else:
                address = Address("127.0.0.1", proxy.port) if proxied else target.address(number)
                hidden.add(load.spawn(address, room, ping_s=IMPATIENT_PING_S))
        await load.here()
        ended = asyncio.Event()
        begin = time.monotonic()
        talk = asyncio.create_task(load.talk(plan.rate, ended))
        try:
            await _strike(plan, nemesis, load, outcome, rng)
        finally:
            ended.set()
            outcome.seconds = time.monotonic() - begin
            await talk
        proxy.heal()
        await nemesis.recovered()
        if not await load.settle(rooms):
            outcome.violations.append(Violation("settle", load.unsettled()))
        served = await final.served(target.address(), rooms)
        stored = await asyncio.to_thread(final.stored, target.data / LOG_FILE)
        outcome.violations += await asyncio.to_thread(check, outcome.history, served, stored)
    finally:
        await load.close()
        await proxy.close()
        outcome.violations += load.broken
        outcome.links = {name: link for name, link in load.links.items() if name not in hidden}
        outcome.proxied = dict(proxy.counts)


async def _strike(plan: Plan, nemesis: Nemesis, load: Load, outcome: Outcome, rng: random.Random) -> None:
    """Inflict the faults in rounds, each round in an order of its own."""
    begin = time.monotonic()
    wanted = [fault for fault in plan.faults if fault in nemesis.faults]
    rounds = 0
    while not plan.times or rounds < plan.times:
        rounds += 1
        rng.shuffle(wanted)
        for fault in wanted:
            if not plan.times and time.monotonic() - begin > plan.seconds:
                return
            await asyncio.sleep(rng.uniform(*CALM_S))
            blow = await nemesis.inflict(fault)
            if not await load.goes_on(blow.end):
                text = f"nothing more was acknowledged after {fault} was undone"
                outcome.violations.append(Violation("stuck", text))
                return
        if not wanted:
            await asyncio.sleep(max(0.0, plan.seconds - (time.monotonic() - begin)))
            return


def _keep(place: Path, target: Target, outcome: Outcome) -> None:
    """Write the evidence: the history as JSON lines; the server's log is there already, and the database."""
    with (place / "history.jsonl").open("w") as out:
        for blow in outcome.blows:
            out.write(json.dumps({"fault": blow.fault, "begin": blow.begin, "end": blow.end}) + "\n")
        for one in outcome.history.operations.values():
            out.write(json.dumps(asdict(one)) + "\n")
        for (reader, room), runs in outcome.history.runs.items():
            seen = [[run.first, run.last, run.told] for run in runs]
            out.write(json.dumps({"reader": reader, "room": room, "runs": seen}) + "\n")
    (place / "violations.txt").write_text("".join(f"{one}\n" for one in outcome.violations))
    if target.data.parent != place:
        with contextlib.suppress(OSError):
            shutil.copytree(target.data, place / "data", dirs_exist_ok=True)
