"""A worker's pipes to another process, on a real event loop."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from protocol.pipes import PipeReader, PipeWriter
from workers.link import PipeLink


class Peer:
    """The other process: its ends of the two pipes, and what the link did."""

    def __init__(self) -> None:
        to_link, self.from_peer = os.pipe()
        self.to_peer, from_link = os.pipe()
        self.frames: list[bytes] = []
        self.losses = 0
        self.changed = asyncio.Event()
        self.link = PipeLink(asyncio.get_running_loop(), [to_link, from_link], self._heard, self._lost)
        self.reader, self.writer = PipeReader(self.to_peer), PipeWriter(self.from_peer)

    def _heard(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.changed.set()

    def _lost(self) -> None:
        self.losses += 1
        self.changed.set()

    async def heard(self, count: int) -> list[bytes]:
        while len(self.frames) < count:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 10)
        return self.frames

    async def lost(self) -> int:
        while not self.losses:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 10)
        return self.losses

    def close(self) -> None:
        self.link.close()
        self.reader.close()
        self.writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    yield made
    made.close()


async def test_frames_go_both_ways(peer: Peer) -> None:
    peer.link.put(b"up")
    assert peer.reader.read() == [b"up"]
    peer.writer.put(b"one")
    peer.writer.put(b"two")
    assert await peer.heard(2) == [b"one", b"two"]


async def test_what_the_pipe_does_not_take_goes_later(peer: Peer) -> None:
    sent = [bytes([number]) * 300_000 for number in range(10)]
    for frame in sent:
        peer.link.put(frame)
    got: list[bytes] = []
    async with asyncio.timeout(10):
        while len(got) < len(sent):
            got += peer.reader.read()
            await asyncio.sleep(0)
    assert got == sent
    assert peer.losses == 0


async def test_a_peer_that_dies_is_lost_once(peer: Peer) -> None:
    peer.writer.put(b"last words")
    peer.writer.close()
    peer.reader.close()
    assert await peer.lost() == 1
    assert peer.frames == [b"last words"]
    peer.link.put(b"into the void")
    peer.link.close()
    assert peer.losses == 1


async def test_writing_to_a_dead_peer_is_a_loss_not_an_error(peer: Peer) -> None:
    peer.reader.close()
    peer.link.put(b"x")
    peer.link.put(b"y")
    assert peer.losses == 1


async def test_a_peer_that_never_reads_is_lost(peer: Peer) -> None:
    for _ in range(80):
        peer.link.put(bytes(1 << 20))
    assert peer.losses == 1


async def test_a_peer_that_sends_garbage_is_lost(peer: Peer) -> None:
    os.write(peer.writer.fileno(), b"\xff\xff\xff\xff")
    assert await peer.lost() == 1


async def test_a_closed_link_is_silent(peer: Peer) -> None:
    peer.link.close()
    peer.link.close()
    peer.link.put(b"x")
    assert peer.losses == 0
