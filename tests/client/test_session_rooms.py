"""A session and rooms that change: other names, roles, inboxes, other devices, what was read."""

from msgspec.structs import replace

from client.identity import Proof
from client.session import Answer, Entered, Happened, Message, Moved, Offline, ReadTo, Session, Typing
from protocol import native
from protocol.accounts import Inside, LoggedIn, LoggedOut, Password, ReadUpto
from protocol.moderation import Change, Invited, Modes, Retitled
from protocol.native import Bye, Changed, Error, IsTyping, Joined, Left, Ok, Person, Renamed, Room
from tests.client.sessions import WELCOME, in_tea, msg, reconnect, session, told, wrote


def logged_in(follow: bool = False) -> Session:
    """Return a session as ann of the account ann, in #tea with bob, which she has read up to 2. The next id is 5."""
    s = Session("ann", ["#tea"], token="t" * 16, follow=follow)
    s.proof = Proof("ann", token="s")
    s.connected()
    told(s, LoggedIn(id=1, account="ann"), replace(WELCOME, id=2, inbox=4))
    people = [Person("ann"), Person("bob")]
    told(s, ReadUpto(id=3, room="@", seq=4), Room(id=4, room="#tea", seq=2, people=people, count=2, read=2))
    s.outgoing()
    return s


def test_a_room_goes_on_under_its_new_name_without_a_hole() -> None:
    s = in_tea(msg(1), msg(2))
    updates = told(s, Retitled(room="#tea", name="#coffee", by="bob"), msg(3, room="#coffee"))
    assert updates == [Moved("#tea", "#coffee", "bob"), Message(msg(3, room="#coffee"))]
    assert list(s.rooms) == ["#coffee", "@"]
    reconnect(s, 3)
    assert [(line["room"], line["after"]) for line in wrote(s) if line["op"] == "join"] == [("#coffee", 3)]


def test_what_waits_for_the_room_goes_to_its_new_name() -> None:
    s = in_tea()
    s.say("#tea", "one")
    s.disconnected("cut")
    s.say("#tea", "two")
    reconnect(s, 4)
    told(s, Room(id=5, room="#coffee", seq=0))
    sent = [line for line in wrote(s) if line["op"] == "send"]
    assert [(line["to"], line["text"]) for line in sent] == [("#coffee", "one"), ("#coffee", "two")]
    told(s, Retitled(room="#coffee", name="#cake", by="bob"))
    reconnect(s, 8)
    told(s, Room(id=9, room="#cake", seq=0))
    assert [line["to"] for line in wrote(s) if line["op"] == "send"] == ["#cake", "#cake"]


def test_a_room_renamed_while_we_were_away_goes_on_where_we_were() -> None:
    s = in_tea(msg(1), msg(2))
    reconnect(s, 3)
    updates = told(s, Room(id=4, room="#coffee", seq=3, messages=[msg(3, room="#coffee")]))
    assert updates == [Moved("#tea", "#coffee"), Entered("#coffee", [msg(3, room="#coffee")], more=False)]


def test_roles_are_those_of_the_room() -> None:
    s = logged_in()
    event = Modes(room="#tea", by="ann", changes=[Change("voice", True, "bob"), Change("op", True, "bob")])
    assert told(s, event) == [Happened(event)]
    assert s.rooms["#tea"].people["bob"].roles == ["op", "voice"]
    told(s, Modes(room="#tea", by="ann", changes=[Change("op", False, "bob"), Change("key", True)]))
    assert s.rooms["#tea"].people["bob"].roles == ["voice"]
    told(s, Modes(room="#other", by="ann", changes=[Change("op", True, "bob")]))


def test_invitations_and_typing_are_told() -> None:
    s = logged_in()
    invited = Invited(room="#x", by="bob", nick="ann")
    assert told(s, invited, IsTyping(room="#tea", nick="bob", state="active")) == [
        Happened(invited),
        Typing("#tea", "bob", "active"),
    ]


def test_a_new_nick_of_our_own_holds_in_all_rooms() -> None:
    s = logged_in()
    told(s, Renamed(room="@", old="ann", nick="ann2"), Changed(room="@", who=Person("ann2", "#FF0000")))
    assert s.nick == "ann2"
    assert s.rooms["#tea"].people["ann2"] == Person("ann2", "#FF0000")
    assert s.rooms["@"].people == {}


def test_the_inbox_of_an_account_is_another_one() -> None:
    s = session()
    s.connected()
    told(s, replace(WELCOME, inbox=7))
    updates = told(s, LoggedIn(account="ann", nick="ann", inbox=40))
    assert Entered("@", [], reset=True, more=True) in updates
    assert told(s, msg(41, room="@")) == [Message(msg(41, room="@"))]
    updates = told(s, LoggedOut(nick="ann2", reason="it was dropped", inbox=7))
    assert Entered("@", [], reset=True, more=True) in updates
    assert told(s, msg(8, room="@")) == [Message(msg(8, room="@"))]


def test_a_guests_inbox_is_not_gone_on_with_after_the_session_has_ended() -> None:
    s = logged_in()
    s.disconnected("cut")
    s.connected()
    told(s, Error(id=5, code="login-failed", text="it has ended"))
    s.outgoing()
    updates = told(s, replace(WELCOME, id=6, inbox=9))
    assert Entered("@", [], reset=True, more=True) in updates
    assert [line for line in wrote(s) if line["op"] == "history"] == []


def test_rooms_of_other_devices_are_entered_by_those_who_follow() -> None:
    s = logged_in(follow=True)
    told(s, Inside(rooms=["#tea", "#cake"]))
    assert [(line["op"], line["room"]) for line in wrote(s)] == [("join", "#cake")]
    told(s, Room(id=5, room="#cake", seq=0))
    assert s.rooms["#cake"].here
    told(s, Left(room="#cake", nick="ann"))
    assert "#cake" not in s.rooms


def test_bots_hear_the_rooms_they_asked_for() -> None:
    s = logged_in()
    told(s, Inside(rooms=["#cake"]))
    assert wrote(s) == []


def test_what_was_read_is_told_once_and_only_forward() -> None:
    s = logged_in()
    s.read("#tea", 1)
    s.tell_read()
    assert wrote(s) == []
    told(s, msg(3), msg(4))
    s.read("#tea", 3)
    s.read("#tea", 4)
    assert s.has_read
    s.tell_read()
    assert wrote(s) == [{"op": "read", "id": 5, "room": "#tea", "seq": 4}]
    s.tell_read()
    assert wrote(s) == []
    assert told(s, ReadUpto(room="#tea", seq=3)) == []
    assert told(s, ReadUpto(room="#tea", seq=6)) == [ReadTo("#tea", 6)]
    assert told(s, ReadUpto(room="@bob", seq=6)) == [ReadTo("@bob", 6)]


def test_what_a_guest_reads_is_nobodys_business() -> None:
    s = in_tea(msg(1))
    s.read("#tea", 1)
    assert not s.has_read


def test_a_password_is_not_sent_where_others_can_read_it() -> None:
    s = logged_in()
    s.secure = False
    number = s.request(Password(old="a", new="b"))
    (answer,) = s.updates()
    assert wrote(s) == []
    assert isinstance(answer, Answer)
    event = answer.event
    assert isinstance(event, Error)
    assert (event.id, event.code) == (number, "insecure")
    assert "nothing was sent" in event.text


def test_signs_that_nobody_answers_do_not_pile_up() -> None:
    s = logged_in()
    for _ in range(100):
        s.signal(native.Typing(to="#tea"))
    assert len(wrote(s)) == 100
    assert len(s._asking) < 5
    assert told(s, Error(id=50, code="muted", text="You are muted."), Ok(id=51)) == []
    assert told(s, Joined(room="#tea", who=Person("eve"))) != []


def test_who_is_put_off_the_server_does_not_come_back_by_themselves() -> None:
    s = logged_in()
    (offline,) = told(s, Bye(reason="put off the server by root: spam", by="root"))
    assert isinstance(offline, Offline)
    assert offline.final
    assert offline.reason == "put off the server by root: spam"
