"""Who hears what of a room, in which bytes. The dialects here are as small as they can be."""

from typing import cast

from protocol import native
from protocol.ipc import Announced, Posted
from workers.conn import Conn
from workers.dialects import Personal
from workers.fanout import LocalRoom, Scattering
from workers.sendq import Logged


class FakeDialect:
    def __init__(
        self, variant: str, echoes: bool = True, only: str = "", asked: list[tuple[str, str]] | None = None
    ) -> None:
        self.variant, self.echoes, self.picky, self.only = variant, echoes, bool(only), only
        self.asked = [] if asked is None else asked

    def shared(self, event: native.Event) -> bytes:
        self.asked.append((self.variant, text_of(event).decode().strip()))
        return self.variant[:1].encode() + b":" + text_of(event)

    def wants(self, msg: native.Msg) -> bool:
        return self.only in msg.text


class FakeConn:
    def __init__(self, id_: int, dialect: FakeDialect) -> None:
        self.id, self.dialect = id_, dialect
        self.out: list[bytes] = []
        self.rooms: set[str] = set()
        self.logged: list[Logged | None] = []

    def send(self, line: bytes, logged: Logged | None = None) -> None:
        self.out.append(line)
        self.logged.append(logged)


def text_of(event: native.Event) -> bytes:
    return (event.text if isinstance(event, native.Msg) else type(event).__name__.lower()).encode() + b"\n"


def room(*members: FakeConn) -> LocalRoom:
    made = LocalRoom("#tea")
    for member in members:
        made.members[member.id] = cast("Conn", member)
    return made


def posted(seq: int, text: str, conn: int = 0, kind: native.Kind = "text") -> Posted:
    return Posted(conn, native.Msg(room="#tea", seq=seq, time=1, nick="x", text=text, kind=kind))


JOINED = native.Joined(room="#tea", who=native.Person("eve"))


def test_each_variant_is_encoded_once_and_each_member_written_once() -> None:
    asked: list[tuple[str, str]] = []
    ann, bob = (FakeConn(number, FakeDialect("native", asked=asked)) for number in (1, 2))
    eve = FakeConn(3, FakeDialect("prose", asked=asked))
    tea = room(ann, bob, eve)
    tea.hear(posted(1, "one", 1))
    tea.hear(posted(2, "two", 3))
    tea.flush()
    assert ann.out == [b"n:one\nn:two\n"]
    assert ann.out[0] is bob.out[0]
    assert eve.out == [b"p:one\np:two\n"]
    assert sorted(asked) == [("native", "one"), ("native", "two"), ("prose", "one"), ("prose", "two")]
    assert tea.last == 2
    tea.flush()
    assert b"".join(bob.out) == b"n:one\nn:two\n"


def test_who_has_their_line_on_the_screen_already_does_not_get_it_again() -> None:
    ann, bob = FakeConn(1, FakeDialect("prose", echoes=False)), FakeConn(2, FakeDialect("prose", echoes=False))
    tea = room(ann, bob)
    tea.hear(posted(1, "mine", 1))
    tea.hear(posted(2, "yours", 2))
    tea.flush()
    assert b"".join(ann.out) == b"p:yours\n"
    assert b"".join(bob.out) == b"p:mine\n"


def test_but_they_do_see_what_came_of_their_fun_command() -> None:
    ann = FakeConn(1, FakeDialect("prose", echoes=False))
    tea = room(ann)
    tea.hear(posted(1, "moo", 1, "fun"))
    tea.hear(posted(2, "Assam", 1, "topic"))
    tea.hear(posted(3, "waves", 1, "me"))
    tea.flush()
    assert b"".join(ann.out) == b"p:moo\np:Assam\n"


def test_one_who_does_not_hear_their_own_line_costs_the_others_nothing() -> None:
    ann, bob = FakeConn(1, FakeDialect("native")), FakeConn(2, FakeDialect("native"))
    eve, dan = (FakeConn(number, FakeDialect("prose", echoes=False)) for number in (3, 4))
    zoe = FakeConn(5, FakeDialect("prose", echoes=False))
    tea = room(ann, bob, eve, dan, zoe)
    tea.hear(posted(1, "one", 3))
    tea.hear(Announced("#tea", JOINED))
    tea.flush()
    assert ann.out == [b"n:one\nn:joined\n"]
    assert ann.out[0] is bob.out[0]
    assert eve.out == [b"p:joined\n"]
    assert dan.out[0] is zoe.out[0]


def test_a_picky_member_is_asked_about_the_messages_of_others() -> None:
    ann, bob = FakeConn(1, FakeDialect("prose", only="ann")), FakeConn(2, FakeDialect("prose"))
    tea = room(ann, bob)
    tea.hear(posted(1, "hi ann"))
    tea.hear(posted(2, "hi bob"))
    tea.hear(posted(3, "said by herself", 1))
    tea.hear(Announced("#tea", JOINED))
    tea.flush()
    assert b"".join(ann.out) == b"p:hi ann\np:said by herself\np:joined\n"
    assert b"".join(bob.out) == b"p:hi ann\np:hi bob\np:said by herself\np:joined\n"


def test_what_was_particular_in_one_turn_is_not_in_the_next() -> None:
    ann, bob = (FakeConn(number, FakeDialect("prose", echoes=False)) for number in (1, 2))
    tea = room(ann, bob)
    tea.hear(posted(1, "one", 1))
    tea.flush()
    assert ann.out == [b""]
    tea.hear(posted(2, "two"))
    tea.flush()
    assert ann.out[-1] is bob.out[-1]


def test_the_newest_seq_is_kept_for_the_next_broker() -> None:
    tea = room()
    tea.hear(posted(7, "x"))
    tea.hear(Announced("#tea", JOINED))
    assert tea.last == 7


def test_what_is_replayed_once_more_than_needed_is_heard_once() -> None:
    ann = FakeConn(1, FakeDialect("prose"))
    tea = room(ann)
    tea.hear(posted(1, "one"))
    tea.flush()
    for seq, text in ((1, "one"), (2, "two"), (1, "one"), (2, "two"), (3, "three")):
        tea.hear(posted(seq, text))
    tea.flush()
    assert b"".join(ann.out) == b"p:one\np:two\np:three\n"


def test_whoever_enters_says_which_message_is_the_newest_though_the_log_was_set_back() -> None:
    ann = FakeConn(1, FakeDialect("native"))
    tea = LocalRoom("#tea")
    tea.hear(posted(9, "of another log"))
    tea.flush()
    tea.enter(cast("Conn", ann), 3)
    tea.hear(posted(4, "x"))
    tea.flush()
    assert ann.out == [b"n:x\n"]


def test_what_is_told_names_the_seq_after_which_the_log_has_it() -> None:
    ann, bob = FakeConn(1, FakeDialect("native")), FakeConn(2, FakeDialect("native"))
    tea = LocalRoom("#tea")
    tea.enter(cast("Conn", ann), 6)
    tea.hear(posted(7, "x"))
    tea.hear(posted(8, "y"))
    tea.flush()
    tea.enter(cast("Conn", bob), 8)
    tea.hear(Announced("#tea", JOINED))
    tea.flush()
    tea.hear(posted(9, "z"))
    tea.flush()
    assert ann.logged == [Logged("#tea", 6), Logged("#tea", 8), Logged("#tea", 8)]
    assert bob.logged == ann.logged[1:]


def test_who_lags_is_told_nothing() -> None:
    ann, bob = FakeConn(1, FakeDialect("native")), FakeConn(2, FakeDialect("native"))
    tea = room(ann)
    tea.lagging[2] = cast("Conn", bob)
    tea.hear(posted(1, "x", 2))
    tea.flush()
    assert ann.out == [b"n:x\n"]
    assert bob.out == []


class Particular(FakeDialect, Personal):
    """Hears of a person once, and its own words in capitals."""

    def echo(self, msg: native.Msg, line: bytes) -> bytes:
        return line.upper()

    def echo_hint(self, event: native.Event, line: bytes) -> bytes:
        return b""

    def hears(self, event: native.Event) -> bool:
        return True


def test_a_dialect_may_have_its_own_words_otherwise() -> None:
    ann, bob = FakeConn(1, Particular("irc")), FakeConn(2, Particular("irc"))
    tea = room(ann, bob)
    tea.hear(posted(1, "hi", conn=1))
    tea.flush()
    assert (ann.out, bob.out) == ([b"I:HI\n"], [b"i:hi\n"])


def test_who_told_something_for_the_moment_need_not_hear_it() -> None:
    ann, bob, native_ann = FakeConn(1, Particular("irc")), FakeConn(2, Particular("irc")), FakeConn(3, FakeDialect("n"))
    tea = room(ann, bob, native_ann)
    for number in (1, 3):
        tea.hear(Announced("#tea", native.IsTyping(room="#tea", nick="ann", state="active"), number))
        tea.hear(posted(number, "x", conn=9))
        tea.flush()
    line = b"i:istyping\n"
    assert ann.out == [b"i:x\n", line + b"i:x\n"]
    assert bob.out == [line + b"i:x\n"] * 2
    assert native_ann.out == [b"n:istyping\nn:x\n", b"n:x\n"]


def test_who_shares_several_rooms_with_somebody_is_told_once() -> None:
    both, one, native_both = (
        FakeConn(1, Particular("irc")),
        FakeConn(2, Particular("irc")),
        FakeConn(3, FakeDialect("n")),
    )
    both.rooms, one.rooms, native_both.rooms = {"#tea", "#bee"}, {"#bee"}, {"#tea", "#bee"}
    scattering = Scattering()
    for name, members in (("#tea", (both, native_both)), ("#bee", (both, one, native_both))):
        told = Announced(name, native.Left(room=name, nick="eve", reason="", quit=True))
        here = room(*members)
        here.hear_of(told, scattering.before(told))
        here.flush()
    assert [b"".join(conn.out) for conn in (both, one, native_both)] == [b"i:left\n", b"i:left\n", b"n:left\nn:left\n"]


def test_what_happens_again_is_told_again() -> None:
    scattering = Scattering()
    away, back = native.Person("eve", away="x"), native.Person("eve")
    events = [native.Changed(room=name, who=who) for who in (away, back) for name in ("#tea", "#bee")]
    assert [scattering.before(Announced(event.room, event)) for event in events] == [[], ["#tea"], [], ["#tea"]]
    scattering.forget()
    assert scattering.before(Announced("#bee", events[-1])) == []
