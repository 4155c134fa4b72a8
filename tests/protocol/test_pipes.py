"""Frames over pipes: any cut, slow readers, dead peers, hostile lengths."""

import contextlib
import itertools
import multiprocessing
import os
import struct
import threading
import tracemalloc
from collections.abc import Iterator
from multiprocessing.connection import Connection

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ipc
from protocol.ipc import MAX_BATCH_BYTES
from protocol.pipes import BadFrame, FrameCutter, PipeReader, PipeWriter, decode_batch, encode_frames, make_pipe

_encoder = msgspec.msgpack.Encoder()


@pytest.fixture
def pipe() -> Iterator[tuple[PipeReader, PipeWriter]]:
    read, write = os.pipe()
    reader, writer = PipeReader(read), PipeWriter(write, max_pending=1 << 20)
    yield reader, writer
    reader.close()
    writer.close()


def framed(*frames: bytes) -> bytes:
    return b"".join(struct.pack("!I", len(frame)) + frame for frame in frames)


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_any_cut_of_the_stream_gives_the_same_frames(frames: list[bytes], cuts: list[int]) -> None:
    stream, cutter = framed(*frames), FrameCutter()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    got = [frame for a, b in itertools.pairwise(places) for frame in cutter.feed(stream[a:b])]
    assert got == frames


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_whatever_comes_the_cutter_gives_frames_or_says_bad_frame(chunks: list[bytes]) -> None:
    cutter = FrameCutter()
    try:
        got = [frame for chunk in chunks for frame in cutter.feed(chunk)]
    except BadFrame:
        return
    assert sum(len(frame) + 4 for frame in got) <= sum(map(len, chunks))


def test_a_frame_that_announces_too_much_is_refused_before_it_comes() -> None:
    with pytest.raises(BadFrame, match="frame of 16777217 bytes; at most 16777216"):
        FrameCutter().feed(struct.pack("!I", MAX_BATCH_BYTES + 1))


def test_frames_arrive_in_order_also_empty_ones(pipe: tuple[PipeReader, PipeWriter]) -> None:
    reader, writer = pipe
    assert reader.read() == []
    for frame in (b"one", b"", b"three"):
        assert writer.put(frame)
    assert reader.read() == [b"one", b"", b"three"]
    assert reader.read() == []


def test_a_slow_reader_gets_everything_in_order_and_the_writer_never_waits(pipe: tuple[PipeReader, PipeWriter]) -> None:
    reader, writer = pipe
    sent = [bytes([number % 251]) * (number * 9_700 % 40_000) for number in range(100)]
    for frame in sent[:80]:
        assert writer.put(frame)
    assert writer.pending > 0
    got = []
    for frame in sent[80:]:
        got += reader.read()
        assert writer.put(frame)
    while len(got) < len(sent):
        writer.flush()
        got += reader.read()
    assert got == sent
    assert writer.pending == 0


def test_reading_takes_no_more_memory_than_what_has_come(pipe: tuple[PipeReader, PipeWriter]) -> None:
    """A large buffer for each of very many reads leaves a heap in ever more pieces."""
    reader, writer = pipe
    writer.put(b"x" * 1000)
    tracemalloc.start()
    try:
        assert reader.read() == [b"x" * 1000]
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024
    finally:
        tracemalloc.stop()


def test_a_reader_that_does_not_read_at_all_is_noticed(pipe: tuple[PipeReader, PipeWriter]) -> None:
    reader, writer = pipe
    frame = b"x" * 100_000
    taken = 0
    while writer.put(frame):
        taken += 1
    assert 0 < writer.pending <= 1 << 20
    got: list[bytes] = []
    while writer.pending:
        got += reader.read()
        writer.flush()
    got += reader.read()
    assert got == [frame] * taken  # the refused one left no trace
    assert writer.put(b"again")
    assert reader.read() == [b"again"]


def test_a_frame_over_the_limit_is_the_callers_mistake(pipe: tuple[PipeReader, PipeWriter]) -> None:
    with pytest.raises(ValueError, match="at most 16777216"):
        pipe[1].put(bytes(MAX_BATCH_BYTES + 1))


def test_the_writer_of_a_dead_reader_is_told(pipe: tuple[PipeReader, PipeWriter]) -> None:
    reader, writer = pipe
    reader.close()
    with pytest.raises(BrokenPipeError):
        writer.put(b"x")


def test_what_a_writer_left_is_read_before_the_end_is_told(pipe: tuple[PipeReader, PipeWriter]) -> None:
    reader, writer = pipe
    writer.put(b"last words")
    writer.close()
    assert reader.read() == [b"last words"]
    for _ in range(2):
        with pytest.raises(EOFError):
            reader.read()


def test_closing_twice_is_no_harm(pipe: tuple[PipeReader, PipeWriter]) -> None:
    for end in pipe:
        end.close()
        end.close()


def _write_for_ever(connection: Connection) -> None:
    writer = PipeWriter(os.dup(connection.fileno()))
    os.set_blocking(writer.fileno(), True)
    while True:
        writer.put(b"x" * 300_000)


def test_a_writer_killed_in_the_middle_of_a_frame_is_an_end_not_a_hang() -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = make_pipe()
    process = spawn.Process(target=_write_for_ever, args=(theirs,))
    process.start()
    theirs.close()
    reader = PipeReader(os.dup(ours.fileno()))
    os.set_blocking(ours.fileno(), True)
    ours.close()
    os.set_blocking(reader.fileno(), True)
    first = reader._cutter.feed(os.read(reader.fileno(), 1000))  # it writes: the rest of this frame may never come
    process.kill()
    process.join()
    os.set_blocking(reader.fileno(), False)
    frames = list(first)
    for _ in range(100):  # what is in the pipe comes first
        try:
            frames += reader.read()
        except EOFError:
            break
    else:
        raise AssertionError("the end was never told")
    assert set(frames) <= {b"x" * 300_000}
    reader.close()


def test_a_batch_goes_in_one_frame_when_it_fits() -> None:
    assert encode_frames([1, "two"], _encoder) == [_encoder.encode([1, "two"])]


def test_a_batch_too_long_for_a_frame_is_split_and_keeps_its_order() -> None:
    batch = [str(number) + "x" * 3_000_000 for number in range(11)]
    frames = encode_frames(batch, _encoder)
    assert len(frames) > 1
    assert max(map(len, frames)) <= MAX_BATCH_BYTES
    assert [item for frame in frames for item in msgspec.msgpack.decode(frame)] == batch


def test_one_thing_too_long_for_a_frame_stays_alone() -> None:
    frames = encode_frames(["x" * MAX_BATCH_BYTES, "y"], _encoder)
    assert [len(frame) > MAX_BATCH_BYTES for frame in frames] == [True, False]


def test_a_pipe_takes_much_before_it_needs_help() -> None:
    read, write = make_pipe()
    writer = PipeWriter(os.dup(write.fileno()))
    assert writer.put(b"x" * 60_000)
    assert writer.pending == 0
    writer.close()
    write.close()
    read.close()


def test_the_limit_of_a_batch_is_what_the_design_says() -> None:
    assert ipc.MAX_BATCH_BYTES == 16 * 1024 * 1024


BAD: dict[str, bytes] = {
    "another type": msgspec.msgpack.encode([["Do", "1"]]),
    "no UTF-8": b"\x91\x97\xa2Do\x01\x01\x81\xa2op\xa4ping\xc0\xa2\xff\xfe\xa0",
    "deep nesting where nobody looks": (
        b"\x91\x98" + msgspec.msgpack.encode(["Do", 1, 1, {"op": "ping"}, None, "", ""])[1:] + b"\x91" * 20_000
    ),
    "cut off": msgspec.msgpack.encode([["Gone", 1, "x"]])[:-1],
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_batch_is_one_kind_of_error(what: str) -> None:
    with pytest.raises(BadFrame, match="no batch"):
        decode_batch(BAD[what], msgspec.msgpack.Decoder(list[ipc.Up]))


def test_a_writer_that_never_pauses_leaves_the_reader_its_turn() -> None:
    read, write = os.pipe()
    reader = PipeReader(read)
    stop = threading.Event()

    def flood() -> None:
        frame = framed(bytes(1000)) * 100
        with contextlib.suppress(BrokenPipeError):
            while not stop.is_set():
                os.write(write, frame)

    writer = threading.Thread(target=flood)
    writer.start()
    try:
        sizes = [sum(map(len, reader.read())) for _ in range(20)]
    finally:
        stop.set()
        reader.close()
        writer.join()
        os.close(write)
    assert max(sizes) <= 2 * 1024 * 1024 + 2000
