"""What others do in rooms, and what was read elsewhere, kept in step with a session's updates."""

from client import updates as u
from client.terminal.effects import Alert, PutOut
from client.terminal.entries import Post
from client.terminal.tracker import AWAY_MS, Tracker
from protocol import moderation, native
from tests.client.terminal.test_tracker import msg, texts, tracker


def read_up_to(track: Tracker, room: str, seq: int) -> None:
    track.session.rooms[room].read = seq


def test_a_reaction_shows_at_its_message_and_counts_nowhere() -> None:
    track = tracker()
    track.apply([u.Message(msg(1, room="#tea"))], 5)
    track.select("#tea")
    track.select("#lobby")
    effects = track.apply([u.Message(msg(2, "👍", "bob", "#tea", kind="react", reply=1))], 5)
    view = track.views["#tea"]
    assert (view.unread, effects) == (0, [])
    assert view.reactions == {1: [("👍", "bob")]}
    track.apply([u.Message(msg(3, "👍", "bob", "#tea", kind="react", reply=1))], 5)
    assert view.reactions == {1: [("👍", "bob")]}  # once each


def test_what_is_taken_back_is_gone_with_what_was_said_about_it() -> None:
    track = tracker()
    track.apply([u.Message(msg(1, "a secret")), u.Message(msg(2, "👍", "bob", kind="react", reply=1))], 5)
    track.apply([u.Message(msg(3, "ann took it back", kind="redact", reply=1))], 5)
    post = track.view.find(1)
    assert post is not None
    assert (post.text, post.redacted) == ("", True)
    assert track.view.reactions == {}
    assert "a secret" not in texts(track.view)


def test_a_reaction_to_an_older_message_waits_for_it() -> None:
    track = tracker()
    track.apply([u.Message(msg(9, "👍", "bob", kind="react", reply=2))], 5)
    assert track.view.find(2) is None
    track.view.prepend([Post(2, 0, "ann", "old"), Post(3, 0, "ann", "older")])
    assert track.view.find(2) is not None
    assert track.view.reactions == {2: [("👍", "bob")]}


def test_who_is_put_out_is_named_with_who_did_it() -> None:
    track = tracker()
    track.apply([u.Presence(native.Left(room="#lobby", nick="bob", by="ann", reason="spam"))], 5)
    assert texts(track.view)[-1] == "bob was put out of #lobby by ann: spam"


def test_being_put_out_is_told_where_one_looks_next() -> None:
    track = tracker()
    track.select("#tea")
    left = native.Left(room="#tea", nick="kim", by="ann")
    effects = track.apply([u.Presence(left), u.Exited("#tea")], 5)
    assert track.current == "#lobby"
    assert texts(track.view)[-1] == "You were put out of #tea by ann"
    assert effects == [PutOut(), Alert("#lobby", "ann", "You were put out of #tea by ann", True)]


def test_an_invitation_rings() -> None:
    track = tracker()
    event = moderation.Invited(room="#cake", by="ann", nick="kim")
    assert track.apply([u.Happened(event)], 5) == [Alert("#lobby", "ann", "#cake", True)]
    assert texts(track.view)[-1].startswith("ann invites you to #cake; /join #cake")


def test_many_changes_of_modes_are_told_in_few_lines() -> None:
    track = tracker()
    changes = [moderation.Change("voice", True, f"nick{n}") for n in range(20)]
    track.apply([u.Happened(moderation.Modes(room="#lobby", by="ann", changes=changes))], 5)
    assert texts(track.view)[-1] == "and 15 changes more"
    assert len(texts(track.view)) == 6


def test_a_renamed_room_keeps_its_view() -> None:
    track = tracker()
    track.apply([u.Message(msg(1))], 5)
    track.apply([u.Moved("#lobby", "#hall", "ann")], 5)
    assert track.current == "#hall"
    assert texts(track.view) == ["hi", "ann renamed #lobby to #hall"]


def test_what_was_not_read_on_any_device_is_counted_and_marked() -> None:
    track = Tracker(tracker().session)
    read_up_to(track, "#tea", 2)
    messages = [msg(seq, f"m{seq}", "kim" if seq == 4 else "ann", "#tea") for seq in range(1, 6)]
    track.apply([u.Entered("#lobby", []), u.Entered("#tea", messages)], 5)
    view = track.views["#tea"]
    assert view.unread == 2  # 3 and 5: 4 is our own
    assert isinstance(view.marker, Post)
    assert view.marker.seq == 3
    track.apply([u.ReadTo("#tea", 4)], 6)
    assert view.unread == 1
    track.apply([u.ReadTo("#tea", 5)], 6)
    assert view.unread == 0


def test_more_than_was_loaded_is_counted_too() -> None:
    track = Tracker(tracker().session)
    read_up_to(track, "#tea", 10)
    track.apply([u.Entered("#tea", [msg(101, room="#tea"), msg(102, room="#tea")], more=True)], 5)
    assert track.views["#tea"].unread == 92


def test_after_a_while_without_a_connection_it_shows_where_the_new_ones_begin() -> None:
    track = tracker()
    track.apply([u.Online(native.Welcome(nick="kim", server="s", version="1", epoch="e"))], 5)
    track.apply([u.Message(msg(1)), u.Offline("cut")], 10)
    track.apply([u.Entered("#lobby", [msg(2)])], 10 + AWAY_MS)
    assert isinstance(track.view.marker, Post)
    assert track.view.marker.seq == 2


def test_reading_is_noted_only_where_one_looks() -> None:
    track = tracker()
    track.apply([u.Message(msg(1)), u.Message(msg(1, room="#tea"))], 5)
    assert track.session.rooms["#lobby"].read == 1
    assert track.session.rooms["#tea"].read is None
    track.looking(False)
    track.apply([u.Message(msg(2))], 5)
    assert track.session.rooms["#lobby"].read == 1
    track.looking(True)
    assert track.session.rooms["#lobby"].read == 2


def test_the_inbox_is_read_as_far_as_nobody_waits() -> None:
    track = tracker()
    for seq, nick in ((1, "ann"), (2, "bob"), (3, "ann")):
        track.apply([u.Message(msg(seq, "hi", nick, "@", to="kim"))], 5)
    track.select("@ann")
    assert track.session.rooms["@"].read == 1  # 2 is bob's
    track.select("@bob")
    assert track.session.rooms["@"].read == 3


def test_typing_ends_with_the_message() -> None:
    track = tracker()
    track.apply(
        [u.Typing("#lobby", "ann", "active"), u.Typing("@", "bob", "active"), u.Typing("#lobby", "kim", "active")], 5
    )
    assert track.typists.names("#lobby", 6) == ["ann"]
    track.apply([u.Message(msg(1))], 7)
    assert track.typists.names("#lobby", 8) == []


def test_something_for_ops_alone_is_none_of_the_rooms_messages() -> None:
    track = tracker()
    track.apply([u.Message(msg(7, "psst", "ann", "@", to="#lobby", audience="op"))], 5)
    assert texts(track.view)[-1] == "ann, to ops and above: psst"
    assert track.view.newest == 0
