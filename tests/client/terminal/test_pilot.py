"""The program as a person meets it: keys in, and what the server got and the screen shows."""

from typing import Any

from protocol import native


async def test_a_typed_line_is_sent_and_shown_once(start: Any, fake: Any) -> None:
    async with start() as term:
        await term.type("hello all")
        await term.press("enter")
        await term.sees("hello all")
        await term.until(lambda: fake.sends())
        assert fake.sends() == [("#lobby", "hello all")]
        assert term.typed == ""
        await term.until(lambda: not term.screen.tracker.view.pending)
        assert term.text.count("hello all") == 1


async def test_what_arrives_never_touches_the_line_being_typed(start: Any, fake: Any) -> None:
    async with start() as term:
        for n, letter in enumerate("undisturbed"):
            fake.post("#lobby", "ann", f"noise {n}")
            await term.press(letter)
        await term.sees("noise 10")
        assert term.typed == "undisturbed"
        assert term.lines()[-1].startswith("❯ undisturbed")
        await term.press("enter")
        await term.until(lambda: fake.sends())
        assert fake.sends() == [("#lobby", "undisturbed")]


async def test_ctrl_j_and_alt_enter_begin_lines_and_enter_sends_one_message(start: Any, fake: Any) -> None:
    async with start() as term:
        await term.type("one")
        await term.press("ctrl+j")
        await term.type("two")
        await term.press("alt+enter")
        await term.type("three")
        await term.press("enter")
        await term.until(lambda: fake.sends())
        assert fake.sends() == [("#lobby", "one\ntwo\nthree")]


async def test_a_paste_of_many_lines_is_one_message(start: Any, fake: Any) -> None:
    from textual import events

    lines = [f"line {n}" for n in range(200)]
    async with start() as term:
        term.screen.composer.post_message(events.Paste("\r".join(lines) + "\r"))
        await term.until(lambda: term.typed.endswith("line 199"))
        await term.press("enter")
        await term.until(lambda: fake.sends())
        assert fake.sends() == [("#lobby", "\n".join(lines))]


async def test_too_long_a_text_is_kept_and_its_length_told(start: Any, fake: Any) -> None:
    async with start() as term:
        term.screen.composer.put("x" * 4001)
        await term.sees("4,001 of 4,000: 1 too many")
        await term.press("enter")
        await term.sees("That has 4,001 characters")
        assert term.typed == "x" * 4001
        assert fake.sends() == []
        await term.press("backspace", "enter")
        await term.until(lambda: fake.sends())
        assert fake.sends() == [("#lobby", "x" * 4000)]


async def test_up_and_down_call_back_what_was_sent(start: Any, fake: Any) -> None:
    async with start() as term:
        for line in ("first", "second"):
            await term.type(line)
            await term.press("enter")
        await term.type("draft")
        await term.press("up")
        assert term.typed == "second"
        await term.press("up")
        assert term.typed == "first"
        await term.press("down", "down")
        assert term.typed == "draft"


async def test_a_refused_message_comes_back_to_the_input(start: Any, fake: Any) -> None:
    fake.refuse["rude words"] = "Not here."
    async with start() as term:
        await term.type("rude words")
        await term.press("enter")
        await term.sees("Not here.")
        await term.until(lambda: term.typed == "rude words")


async def test_lost_connection_is_told_and_what_was_sent_goes_out_once(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "before", live=False)
    async with start() as term:
        await term.sees("before")
        await fake.stop()
        await term.sees("not connected")
        await term.type("sent while away")
        await term.press("enter")
        await term.type("still typing")
        await term.sees("1 waiting")
        fake.post("#lobby", "ann", "missed", live=False)
        await fake.start()
        await term.sees("● me")
        await term.until(lambda: fake.sends())
        await term.until(lambda: not term.screen.tracker.view.pending)
        assert fake.sends() == [("#lobby", "sent while away")]
        assert term.typed == "still typing"
        for text in ("before", "missed", "sent while away"):
            assert term.text.count(text) == 1


async def test_scrolled_up_new_messages_wait_below_and_older_ones_are_loaded(start: Any, fake: Any) -> None:
    for n in range(1, 301):
        fake.post("#lobby", "ann", f"number {n}.", live=False)
    async with start() as term:
        await term.sees("number 300.")
        for _ in range(3):
            await term.press("pageup")
        await term.until(lambda: any(isinstance(r, native.History) for r in fake.got))
        await term.until(lambda: term.screen.tracker.view.oldest == 151)
        top = term.lines()[1]
        fake.post("#lobby", "bob", "fresh one")
        await term.sees("1 new ↓")
        assert term.lines()[1] == top
        assert "fresh one" not in term.text
        await term.press("ctrl+end")
        await term.sees("fresh one")
        assert "new ↓" not in term.text


async def test_unread_and_mentions_are_counted_and_a_line_marks_what_is_new(start: Any, fake: Any) -> None:
    async with start(rooms=("#lobby", "#tea")) as term:
        fake.post("#tea", "ann", "old news", live=True)
        fake.post("#tea", "ann", "me: are you there?")
        await term.sees("2 unread, 1 for you")
        await term.press("alt+2")
        await term.sees("new messages")
        assert term.screen.tracker.current == "#tea"
        assert "unread" not in term.text
        await term.press("ctrl+p")
        await term.press("ctrl+n")
        assert "new messages" not in term.text


async def test_direct_messages_have_a_view_for_each_person(start: Any, fake: Any) -> None:
    async with start() as term:
        fake.post("@", "ann", "psst", to="me")
        fake.post("@", "bob", "pssst", to="me")
        await term.sees("3 bob")
        await term.press("alt+2")
        await term.sees("psst")
        await term.type("hi ann")
        await term.press("enter")
        await term.until(lambda: fake.sends())
        assert fake.sends() == [("@ann", "hi ann")]
        assert "pssst" not in term.text
        assert list(term.screen.tracker.views) == ["#lobby", "@ann", "@bob"]


async def test_who_leaves_a_room_sees_the_one_before_it(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "in the lobby", live=False)
    fake.post("#tea", "ann", "over tea", live=False)
    async with start() as term:
        await term.sees("in the lobby")
        await term.type("/join #tea")
        await term.press("enter")
        await term.sees("over tea")
        await term.type("/leave")
        await term.press("enter")
        await term.sees("in the lobby")
        assert "over tea" not in term.text


async def test_what_one_was_typing_when_put_out_is_not_said_in_another_room(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "in the lobby", live=False)
    async with start() as term:
        await term.type("/join #tea")
        await term.press("enter")
        await term.until(lambda: term.screen.tracker.current == "#tea")
        await term.type("between us")
        fake.tell(native.Left(room="#tea", nick="me", by="ann", reason="enough"))
        await term.sees("in the lobby")
        await term.sees("You were put out of #tea by ann: enough")
        assert term.typed == ""
        await term.press("enter", "up")
        assert term.typed == "between us"
        assert fake.sends() == []


async def test_each_view_keeps_its_own_draft(start: Any, fake: Any) -> None:
    async with start(rooms=("#lobby", "#tea")) as term:
        await term.type("half a thou")
        await term.press("alt+2")
        assert term.typed == ""
        await term.press("alt+1")
        assert term.typed == "half a thou"


async def test_tab_completes_commands_nicks_and_emoji(start: Any, fake: Any) -> None:
    fake.people["#lobby"] = [native.Person("carlotta")]
    async with start() as term:
        await term.type("/tra")
        await term.sees("A train crosses the screen.")
        await term.press("tab")
        assert term.typed == "/train "
        await term.press("ctrl+u")
        await term.type("car")
        await term.press("tab")
        assert term.typed == "carlotta: "
        await term.type(":thumbs_u")
        await term.sees("👍")
        await term.press("tab")
        assert term.typed == "carlotta: 👍"


async def test_ctrl_k_goes_to_a_room_by_its_letters(start: Any, fake: Any) -> None:
    async with start(rooms=("#lobby", "#tea", "#python")) as term:
        await term.press("ctrl+k")
        await term.type("py")
        await term.press("enter")
        await term.until(lambda: term.screen.tracker.current == "#python")


async def test_ctrl_f_finds_in_what_is_loaded(start: Any, fake: Any) -> None:
    for n in range(40):
        fake.post("#lobby", "ann", f"{'needle' if n in (3, 30) else 'hay'} {n}", live=False)
    async with start() as term:
        await term.sees("hay 39")
        await term.press("ctrl+f")
        await term.type("needle")
        await term.sees("2 of 2")
        await term.press("enter")
        await term.sees("needle 3")
        await term.sees("1 of 2")
        await term.press("escape")
        await term.type("x")
        assert term.typed == "x"


async def test_ignored_people_are_not_seen_also_after_a_restart(start: Any, fake: Any) -> None:
    fake.post("#lobby", "troll", "nonsense", live=False)
    async with start() as term:
        await term.sees("nonsense")
        await term.type("/ignore troll")
        await term.press("enter")
        await term.until(lambda: "nonsense" not in term.text)
    async with start() as term:
        await term.until(lambda: term.screen.tracker.view.newest == 1)
        assert "nonsense" not in term.text
        await term.type("/unignore troll")
        await term.press("enter")
        await term.sees("nonsense")


async def test_clear_empties_and_history_brings_back(start: Any, fake: Any) -> None:
    for n in range(5):
        fake.post("#lobby", "ann", f"word {n}", live=False)
    async with start() as term:
        await term.sees("word 4")
        await term.type("/clear")
        await term.press("enter")
        await term.until(lambda: "word" not in term.text)
        await term.type("/history 2")
        await term.press("enter")
        await term.sees("word 4")
        assert "word 2" not in term.text


async def test_a_taken_nick_is_asked_for_again_with_a_free_one_offered(start: Any, fake: Any) -> None:
    fake.taken.add("me")
    async with start(wait=None) as term:
        await term.sees("me is taken.")
        await term.sees("me2")
        await term.press("enter")
        await term.sees("● me2")
        await term.type("here")
        await term.press("enter")
        await term.until(lambda: fake.sends())


async def test_a_wrong_password_is_asked_for_again_and_never_said(start: Any, fake: Any) -> None:
    fake.accounts["me"] = "right horse"
    async with start(wait=None) as term:
        await term.sees("me belongs to an account.")
        await term.press(*"wrong", "enter")
        await term.sees("The password is wrong.")
        await term.sees("its password")
        await term.press(*"right", "space", *"horse", "enter")
        await term.sees("● me")
        assert fake.account == "me"
        assert fake.sends() == []


async def test_after_a_wrong_password_one_may_come_under_another_nick(start: Any, fake: Any) -> None:
    fake.accounts["me"] = "right horse"
    async with start(wait=None) as term:
        await term.sees("me belongs to an account.")
        await term.press(*"wrong", "enter")
        await term.sees("The password is wrong.")
        await term.press("enter", *"you", "enter")
        await term.sees("● you")
        assert fake.account == ""


async def test_an_answer_for_the_caller_alone_keeps_its_lines(start: Any, fake: Any) -> None:
    async with start() as term:
        await term.type("/cows")
        await term.press("enter")
        await term.sees("  bunny")
        assert not term.screen.tracker.view.pending


async def test_f1_and_f2_open_and_escape_closes(start: Any) -> None:
    async with start() as term:
        await term.press("f1")
        await term.sees("Alt+Enter")
        await term.press("escape", "f2")
        await term.sees("motion")
        await term.press("enter")
        await term.until(lambda: term.screen.settings.values.theme == "moot-light")
        await term.press("escape")
        await term.type("on")
        assert term.typed == "on"


async def test_panes_hide_and_come_back(start: Any) -> None:
    async with start(rooms=("#lobby", "#tea")) as term:
        assert "#tea" in term.text
        await term.press("f7")
        await term.until(lambda: "#tea" not in term.text)
        await term.press("f8")
        await term.until(lambda: "1 here" not in term.text)
    async with start(rooms=("#lobby", "#tea")) as term:
        assert "#tea" not in term.text
        await term.press("f7")
        await term.sees("#tea")


async def test_forty_by_ten_has_no_side_panes_and_is_usable(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "a message that is longer than one line of forty", live=False)
    async with start(size=(40, 10), rooms=("#lobby", "#tea")) as term:
        await term.sees("ann: a message")
        assert "#tea" not in term.text
        await term.press("f7")
        await term.sees("#tea")
        await term.press("f7")
        await term.type("fine")
        await term.press("enter")
        await term.until(lambda: fake.sends() == [("#lobby", "fine")])
        await term.press("f1")
        await term.press("escape")


async def test_twenty_by_five_still_lets_one_type(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "hello", live=False)
    async with start(size=(20, 5)) as term:
        await term.sees("hello")
        await term.type("small but fine")
        assert "small but fine" in term.text
        await term.press("enter")
        await term.until(lambda: fake.sends() == [("#lobby", "small but fine")])
        for key in ("f1", "escape", "f2", "escape", "ctrl+k", "escape", "ctrl+f", "escape", "pageup", "ctrl+end"):
            await term.press(key)
        await term.type("x")
        assert term.typed == "x"


async def test_resizing_keeps_the_place_one_reads(start: Any, fake: Any) -> None:
    for n in range(1, 51):
        fake.post("#lobby", "ann", f"number {n}. " + "some more words " * 8, live=False)
    async with start(size=(100, 30)) as term:
        await term.sees("number 50.")
        await term.press("pageup", "pageup")
        anchor = term.screen.timeline._anchor()
        await term.pilot.resize_terminal(60, 24)
        await term.until(lambda: term.screen.timeline.page.width < 60)
        assert anchor is not None
        assert term.screen.timeline._anchor() == anchor
        await term.pilot.resize_terminal(140, 40)
        await term.until(lambda: term.screen.timeline.page.width > 60)
        after = term.screen.timeline._anchor()
        assert after is not None
        assert after[0] is anchor[0]


async def test_hostile_text_is_drawn_as_text(start: Any, fake: Any) -> None:
    async with start() as term:
        fake.post("#lobby", "ann", "[bold]no[/] \x1b[31mred\x9b2J \x1b]52;c;AAAA\x07 end")
        await term.sees("[bold]no[/]")
        assert "\x1b" not in term.text
        assert "\x9b" not in term.text


async def test_joins_and_leaves_are_folded_into_one_line(start: Any, fake: Any) -> None:
    async with start() as term:
        fake.tell(
            native.Joined(room="#lobby", who=native.Person("ann")),
            native.Joined(room="#lobby", who=native.Person("bob")),
            native.Left(room="#lobby", nick="carl"),
        )
        await term.sees("ann, bob joined; carl left")
        assert "3 here" in term.text or "2 here" in term.text


async def test_a_train_passes_over_the_panes_and_not_over_the_input(start: Any, fake: Any) -> None:
    async with start() as term:
        await term.type("my line")
        fake.post("#lobby", "ann", "CHOO", kind="fun", cmd="/train", anim=native.Anim("train", 1, 1.0))
        await term.sees("/train")
        await term.sees("____")
        assert term.lines()[-1] == "❯ my line"
        await term.until(lambda: not term.screen.director.running)
        assert "____" not in term.text
        assert "CHOO" not in term.text


async def test_with_motion_off_the_still_is_shown(start: Any, fake: Any) -> None:
    async with start() as term:
        await term.type("/motion off")
        await term.press("enter")
        fake.post("#lobby", "ann", "CHOO", kind="fun", cmd="/train", anim=native.Anim("train", 1, 1.0))
        await term.sees("CHOO")
        assert not term.screen.director.running


async def test_quit_says_goodbye(start: Any, fake: Any) -> None:
    async with start() as term:
        await term.type("/quit")
        await term.press("enter")
        await term.until(lambda: term.app.return_code == 0)
    assert isinstance(fake.got[-1], native.Quit)


async def test_words_that_a_break_parts_are_found_too(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "filler " * 9 + "lemon tea", live=False)
    async with start(size=(84, 20)) as term:
        await term.sees("tea")
        for width in range(84, 70, -1):
            await term.pilot.resize_terminal(width, 20)
            await term.until(lambda w=width: term.screen.header.size.width == w)
            assert term.screen.timeline.search("lemon tea", 0) == (1, 1)


async def test_control_characters_of_a_paste_do_not_reach_the_line(start: Any) -> None:
    from textual import events

    async with start() as term:
        term.screen.composer.post_message(events.Paste("a\x1b[31m\x07b\tc"))
        await term.until(lambda: term.typed == "a[31mb\tc")


async def test_what_is_typed_right_after_enter_begins_the_next_line(start: Any, fake: Any) -> None:
    async with start() as term:
        await term.press(*"one", "enter", *"two", "ctrl+j", *"three", "enter", *"four")
        await term.until(lambda: len(fake.sends()) == 2)
        assert fake.sends() == [("#lobby", "one"), ("#lobby", "two\nthree")]
        assert term.typed == "four"
