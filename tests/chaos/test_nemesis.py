"""Faults against a real server, one at a time: what each must do to it, and that it is undone."""

import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chaos.nemesis import Nemesis, peers
from chaos.places import Unavailable, small_disk
from chaos.server import Target, attacked
from tests.server import Peer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults need Linux")


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Target]:
    async with attacked(Target(tmp_path / "data", tmp_path / "log", "--workers", "1")) as running:
        yield running


async def test_a_killed_supervisor_takes_its_children_along_and_the_port_is_free_again(
    target: Target, tmp_path: Path
) -> None:
    before, port = target.processes(), target.address().port
    await Nemesis(target, random.Random(1), tmp_path / "flag").inflict("kill-supervisor")
    assert not set(before.values()) & set(target.processes().values())
    assert target.address().port == port


async def test_the_victims_clients_are_known_by_their_ports(target: Target, tmp_path: Path) -> None:
    ann = Peer(target.address().port)
    ann.enter("ann")
    port = ann.sock.getsockname()[1]
    assert peers(target.children("worker")[0]) == {port}
    blow = await Nemesis(target, random.Random(1), tmp_path / "flag").inflict("kill-worker")
    assert blow.hit == {port}
    assert len(target.children("worker")) == 1
    ann.close()


async def test_a_disk_is_filled_and_freed(tmp_path: Path) -> None:
    try:
        async with small_disk(tmp_path / "disk", 2) as disk:
            disk.fill()
            with pytest.raises(OSError, match="No space left"):
                (disk.path / "more").write_bytes(b"x" * 100_000)
            disk.free()
            (disk.path / "more").write_bytes(b"x" * 100_000)
    except Unavailable as why:
        pytest.skip(str(why))
