"""Every setting of the server, once: name, type, default, unit, range and meaning.

`moot.config` fills it from flags, `MOOT_*` environment variables and a TOML file; `--help` and `docs/operating.md`
are made from it. The limits are those a hostile or broken client meets.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

SAME_HOST: Final = "same-host"  # as an origin: whatever host the request itself was sent to


def _m(unit: str, text: str, *, reload: bool = True, **bounds: Any) -> Meta:
    """``reload``: a running server can take another value; what a connection is made with is for new ones then."""
    return Meta(description=text, extra={"unit": unit, "reload": reload}, **bounds)


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `moot serve` can be told. TOML keys are these names; the environment has them as `MOOT_NAME`."""

    listen: Annotated[list[str], _m("HOST:PORT", "addresses to listen on; port 0 takes a free one", reload=False)] = (
        msgspec.field(default_factory=lambda: ["0.0.0.0:6668", "[::]:6668"])
    )
    workers: Annotated[
        int, _m("processes", "processes that hold connections; 0: one a core, at most 8", reload=False, ge=0, le=64)
    ] = 0
    data: Annotated[
        str, _m("directory", "where the log is kept; empty: the platform's place for user data", reload=False)
    ] = ""
    log_format: Annotated[Literal["text", "json"], _m("", "how the server's log is written")] = "text"
    log_texts: Annotated[bool, _m("", "write what people say into the server's log too", reload=True)] = False
    limits: Annotated[bool, _m("", "flood and connection limits; --no-limits lifts them")] = True
    server_name: Annotated[str, _m("", "how the server calls itself", min_length=1, max_length=63)] = "moot"
    motd: Annotated[str, _m("characters", "said to everyone who comes in", max_length=2000)] = ""
    lobby: Annotated[str, _m("room", "where people land")] = "#lobby"

    cert: Annotated[
        str, _m("file", "certificate for TLS, and those that vouch for it, as PEM; empty: one that moot makes itself")
    ] = ""
    key: Annotated[str, _m("file", "its private key, as PEM; empty: it is in the file of the certificate")] = ""
    plaintext: Annotated[
        Literal["all", "local", "none"],
        _m("", "who may connect without TLS: everybody, only programs on this machine, or nobody"),
    ] = "all"
    origins: Annotated[
        list[str], _m("origins", "whose web pages may chat: https://chat.example.org; same-host: those of this host")
    ] = msgspec.field(default_factory=lambda: [SAME_HOST])

    retain_days: Annotated[
        float, _m("days", "messages older than this are removed; 0: none ever", reload=True, ge=0, le=36500)
    ] = 0.0
    retain_messages: Annotated[
        int, _m("messages", "of each room the newest that many are kept; 0: all", reload=True, ge=0)
    ] = 0

    registration: Annotated[bool, _m("", "people may make accounts")] = True
    max_accounts: Annotated[int, _m("accounts", "on the server; 0: as many as come", ge=0)] = 100_000
    session_days: Annotated[
        float, _m("days", "a program that remembers its login is believed that long after it came last", gt=0, le=3650)
    ] = 90.0
    argon2_memory: Annotated[int, _m("KiB", "memory a password's hash takes", ge=8, le=1 << 20)] = 19 * 1024
    argon2_passes: Annotated[int, _m("passes", "over that memory", ge=1, le=100)] = 2
    argon2_lanes: Annotated[int, _m("lanes", "of that memory", ge=1, le=8)] = 1
    scram_iterations: Annotated[
        int,
        _m("iterations", "for SCRAM-SHA-256, 4096 or more; 0: it is off, and nothing is kept for it", ge=0, le=10**7),
    ] = 100_000

    max_line: Annotated[int, _m("bytes", "longest line a client may send", ge=512, le=1 << 20)] = 16 * 1024
    max_text: Annotated[int, _m("characters", "longest message", ge=1, le=100_000)] = 4000
    max_rooms: Annotated[int, _m("rooms", "rooms on the server", ge=1)] = 10_000
    max_rooms_each: Annotated[int, _m("rooms", "rooms one connection may be in", ge=1)] = 100
    max_claims: Annotated[int, _m("rooms", "rooms one account may register", ge=0)] = 20
    max_entries: Annotated[
        int,
        _m("entries", "bans, mutes and their like of a room, or of the server; words of its filter", ge=1, le=10_000),
    ] = 200
    backlog: Annotated[int, _m("messages", "messages shown on joining", ge=0, le=500)] = 50
    intro_first: Annotated[float, _m("seconds", "from connecting to the first valid line", gt=0)] = 10.0
    tls_handshake: Annotated[float, _m("seconds", "a client may take to begin TLS", gt=0)] = 5.0
    intro_whole: Annotated[float, _m("seconds", "from connecting to being introduced", gt=0)] = 30.0
    greet_after: Annotated[
        float, _m("seconds", "silence after which a connection is taken for a person with nc", gt=0)
    ] = 0.7
    flood_burst: Annotated[int, _m("lines", "lines one may send at once", ge=1)] = 10
    flood_rate: Annotated[float, _m("lines/s", "lines one may send for long", gt=0)] = 2.0
    flood_delay: Annotated[float, _m("seconds", "longest a line is held back before it is refused", ge=0)] = 10.0
    max_unanswered: Annotated[
        int, _m("requests", "a client's requests under way before reading from it stops", ge=1)
    ] = 32
    sendq_soft: Annotated[
        int, _m("bytes", "unsent output above which a client's own requests wait", reload=False, ge=4096)
    ] = 64 * 1024
    sendq_hard: Annotated[
        int, _m("bytes", "unsent output above which a client is replayed later, or closed if it cannot be", ge=16384)
    ] = 512 * 1024
    sendq_stall: Annotated[
        float, _m("seconds", "a client may take nothing of unsent output before the same happens", gt=0)
    ] = 10.0
    sendq_total: Annotated[
        int,
        _m("bytes", "unsent output of all a worker's clients; above it the same happens to the largest", ge=1 << 20),
    ] = 64 << 20
    held_total: Annotated[
        int, _m("bytes", "requests a worker holds back; above it they are refused at once", ge=1 << 20)
    ] = 32 << 20
    lag_limit: Annotated[
        float, _m("seconds", "a client that is to be replayed may take nothing before it is closed", gt=0)
    ] = 600.0
    dead_after: Annotated[
        float, _m("seconds", "without a sign of life of a client's machine before it is closed", reload=False, ge=2)
    ] = 120.0
    max_conns: Annotated[
        int, _m("connections", "connections of one worker; 0: what its limit of open files allows", ge=0)
    ] = 0
    max_per_address: Annotated[int, _m("connections", "per IPv4 address or IPv6 /64, loopback exempt", ge=1)] = 64
    linger: Annotated[float, _m("seconds", "people of a dead worker are kept in place this long", ge=0)] = 30.0
    restart_spread: Annotated[
        float, _m("seconds", "over which `moot restart` sends a worker's clients to its successor", ge=0, le=3600)
    ] = 10.0
    restart_keep: Annotated[
        float, _m("seconds", "a client that cannot come back by itself is kept by a renewed worker", ge=0, le=86400)
    ] = 600.0
    nick_grace: Annotated[
        float, _m("seconds", "a guest may keep a nick that has become an account's before being given another", ge=0)
    ] = 60.0
    coalesce: Annotated[
        float, _m("ms", "longest a busy worker holds a room's messages to send them together", ge=0, le=10)
    ] = 8.0
    irc_ping: Annotated[
        float, _m("seconds", "silence after which an IRC client is sent a PING; 0: none is", ge=0, le=3600)
    ] = 90.0
    irc_ping_timeout: Annotated[
        float, _m("seconds", "an IRC client may leave a PING unanswered before it is closed", ge=1, le=3600)
    ] = 60.0
    sts_port: Annotated[
        int,
        _m(
            "port",
            "with TLS, where IRC clients are told to come instead of without it (STS); 0: nowhere",
            ge=0,
            le=65535,
        ),
    ] = 0
    sts_duration: Annotated[
        int, _m("seconds", "IRC clients that came there use TLS alone for so long, if `sts_port` is set", ge=0)
    ] = 2_592_000
    contact: Annotated[
        str,
        _m("", "who runs this server, told by IRC's ADMIN: up to three lines, the last a mail address", max_length=400),
    ] = ""
    classic_pacing: Annotated[
        float,
        _m(
            "ms", "between messages to classic clients that end theirs with nothing; 0: newlines for all", ge=0, le=1000
        ),
    ] = 50.0

    fun_time: Annotated[float, _m("seconds", "longest a fun command may run", reload=False, gt=0, le=10)] = 0.25
    fun_memory: Annotated[int, _m("bytes", "memory a fun command may use", reload=False, ge=32 << 20)] = 128 << 20
    fun_input: Annotated[int, _m("characters", "longest fun command", reload=False, ge=20, le=4000)] = 200


DEFAULTS = Settings()
