"""The baseline: the simplest broadcast server that does the job. One process, one write per message and member.

It speaks just enough of the native protocol to be driven by the same load: no log, no order over senders, no limits.
"""

import asyncio
import contextlib
import time
from typing import cast

from protocol import native


class Member(asyncio.Protocol):
    everyone: "dict[Member, None]" = {}  # noqa: RUF012 (one server a process)
    seq = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.rest = b""
        self.nick = ""

    def connection_lost(self, exc: Exception | None) -> None:
        self.everyone.pop(self, None)

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.obey(native.decode_request(line))

    def obey(self, request: native.Request) -> None:
        now = time.time_ns() // 1_000_000
        match request:
            case native.Hello(nick=nick):
                self.nick = nick
                welcome = native.Welcome(id=request.id, nick=nick, server="bare", version="0", epoch="0")
                self.transport.write(native.encode(welcome))
            case native.Join(room=room):
                self.everyone[self] = None
                self.transport.write(native.encode(native.Room(id=request.id, room=room, seq=Member.seq)))
            case native.Send(to=room, text=text):
                Member.seq += 1
                ok = native.Ok(id=request.id, room=room, seq=Member.seq, time=now)
                self.transport.write(native.encode(ok))
                line = native.encode(native.Msg(room=room, seq=Member.seq, time=now, nick=self.nick, text=text))
                for member in self.everyone:
                    member.transport.write(line)
            case _:
                self.transport.write(native.encode(native.Pong(id=request.id, time=now)))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Member, "127.0.0.1", 0, backlog=1024)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
