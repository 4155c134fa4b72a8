"""Targets that take what moot's programs say to each other: JSON lines, batches of msgpack, frames, control lines."""

import os
import socket
from collections.abc import Callable
from typing import Any, Final

import msgspec

from fuzz.source import Source
from protocol import native
from protocol.control import ControlSocket
from protocol.ipc import Control, Down, FromSandbox, Link, Render, Up
from protocol.native import Event, Request
from protocol.pipes import BadFrame, FrameCutter, decode_batch, encode_frames

BATCHES: Final[tuple[Any, ...]] = (list[Up], list[Down], list[FromSandbox], list[Render])
_decoders: Final = {kind: msgspec.msgpack.Decoder(kind) for kind in BATCHES}
_encoder: Final = msgspec.msgpack.Encoder()


def request_lines(data: bytes) -> None:
    """A line is a request that is the same after another trip over the wire, or one of the errors that are promised."""
    _trips(Source(data), Request, native.decode_request)


def event_lines(data: bytes) -> None:
    """The same for events."""
    _trips(Source(data), Event, native.decode_event)


def _trips(source: Source, kind: Any, decode: Callable[[bytes], Any]) -> None:
    made = source.value(kind)
    assert decode(native.encode(made)) == made
    try:
        made = decode(source.payload)
    except native.UNDECODABLE:
        return
    line = native.encode(made)
    assert line.count(b"\n") == 1
    assert decode(line) == made


def batches(data: bytes) -> None:
    """Bytes are a batch of the type expected, or a `BadFrame`: no other error, whatever they are."""
    source = Source(data)
    kind = source.pick(BATCHES)
    decoder = _decoders[kind]
    batch = source.value(kind)
    assert decode_batch(_encoder.encode(batch), decoder) == batch
    assert [item for frame in encode_frames(batch, _encoder) for item in decode_batch(frame, decoder)] == batch
    try:
        found = decode_batch(source.payload, decoder)
    except BadFrame:
        return
    again = decode_batch(_encoder.encode(found), decoder)
    assert _encoder.encode(again) == _encoder.encode(found)  # a NaN is not itself


def frames(data: bytes) -> None:
    """Any cut of a stream gives the same frames; a refusal may lose those that came with it."""
    source = Source(data)
    cut, refused = _cut(source.pieces())
    whole, refused_whole = _cut([source.payload])
    assert refused == refused_whole
    assert cut[: len(whole)] == whole if refused else cut == whole


def _cut(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    cutter, found = FrameCutter(), []
    for piece in pieces:
        try:
            found += cutter.feed(piece)
        except BadFrame:
            return found, True
    return found, False


def control_lines(data: bytes) -> None:
    """A child's bytes are control messages or the end of its socket; descriptors that nobody asked for are closed."""
    source = Source(data)
    message: Control = source.value(Control)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    reader, writer = ControlSocket(ours), ControlSocket(theirs)
    spare = os.open(os.devnull, os.O_RDONLY)
    before = len(os.listdir("/dev/fd"))
    try:
        reader.setblocking(False)
        if not isinstance(message, Link):
            writer.send(message)
            assert reader.recv() == [(message, [])]
        for piece in source.pieces():
            if piece:
                socket.send_fds(theirs, [piece], [spare] * source.below(3))
                for _message, fds in reader.recv():
                    for fd in fds:
                        os.close(fd)
        theirs.sendall(b"\n")
        for _message, fds in reader.recv():
            for fd in fds:
                os.close(fd)
        assert len(os.listdir("/dev/fd")) == before, "descriptors are left open"
    except EOFError:
        reader.close()
        assert len(os.listdir("/dev/fd")) == before - 1, "descriptors are left open"
    finally:
        os.close(spare)
        reader.close()
        writer.close()
