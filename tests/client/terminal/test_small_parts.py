"""Jumping, alarms, sprites, lists: the small pure parts."""

from dataclasses import replace

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from client.terminal.alarm import deserved, title
from client.terminal.director import Director, boxed
from client.terminal.entries import names
from client.terminal.jumping import rank
from client.terminal.member_list import member_rows
from client.terminal.room_list import room_rows
from client.terminal.settings import TerminalSettings
from client.terminal.stage import Sprite, paint, runs
from client.terminal.status_bar import Status, StatusBar
from client.terminal.views import View
from protocol import native


def test_a_few_letters_find_a_room_the_best_first() -> None:
    rooms = ["#lobby", "#python", "@pia", "#happy", "#typo"]
    assert rank("p", rooms) == ["@pia", "#python", "#happy", "#typo"]
    assert rank("pyt", rooms) == ["#python"]
    assert rank("lby", rooms) == ["#lobby"]
    assert rank("", rooms) == rooms
    assert rank("zz", rooms) == []


def test_a_nick_is_a_word() -> None:
    assert names("hey Kim, tea?", "kim")
    assert names("@kim", "kim")
    assert not names("kimono", "kim")
    assert not names("eskimo", "kim")
    assert not names("anything", "")


def test_what_rings() -> None:
    settings = TerminalSettings()
    assert deserved(settings, direct=True, attentive=True, shown=False)
    assert not deserved(settings, direct=True, attentive=True, shown=True)
    assert not deserved(settings, direct=False, attentive=False, shown=False)
    settings.notify = "all"
    assert deserved(settings, direct=False, attentive=False, shown=True)
    settings.notify = "off"
    assert not deserved(settings, direct=True, attentive=False, shown=False)


def test_the_title_counts_what_waits() -> None:
    assert title("host", 5, 2, TerminalSettings()) == "(2) moot · host"
    assert title("host", 5, 0, TerminalSettings()) == "moot · host"
    assert title("host", 5, 2, TerminalSettings(notify="all")) == "(5) moot · host"
    assert title("host", 5, 2, TerminalSettings(alarm="bell")) == "moot · host"


def test_wide_gaps_of_a_sprite_are_see_through_and_narrow_ones_are_not() -> None:
    assert runs("  ab  cd           ef ") == [(2, "ab  cd"), (19, "ef")]
    assert runs(" a ", solid=True) == [(0, " a ")]


def test_a_sprite_is_painted_over_a_line_and_cut_at_its_ends() -> None:
    strip = Strip([Segment("0123456789")])
    sprite = Sprite(["ABC"], x=8, y=5)
    assert paint(strip, [sprite], 0, 5, 10, Style()).text == "01234567AB"
    assert paint(strip, [sprite], 9, 5, 10, Style()).text == "BC23456789"
    assert paint(strip, [sprite], 0, 4, 10, Style()).text == "0123456789"


def test_a_bubble_has_a_frame_of_the_width_there_is() -> None:
    assert boxed(["hello", "日本"], "annabel", 40) == ["╭───────╮", "│ hello │", "│ 日本  │", "╰───────╯"]
    assert boxed(["hello you"], "ann", 40)[0] == "╭─ ann ─────╮"
    assert boxed(["x" * 50], "", 12)[1] == "│ xxxxxxx… │"


def test_animations_end_by_themselves_and_unknown_ones_do_not_begin() -> None:
    director, body = Director(), Region(0, 0, 80, 24)
    assert not director.begin(native.Anim("rocket", 1, 5.0), "", "ann", 0.0)
    assert director.begin(native.Anim("train", 1, 5.0), "", "ann", 0.0)
    assert director.begin(native.Anim("eyes", 1, 2.0), "", "ann", 0.0)
    assert len(director.sprites(1.0, body, body, Style(), Style())) == 2
    assert len(director.sprites(3.0, body, body, Style(), Style())) == 1
    assert director.sprites(6.0, body, body, Style(), Style()) == []
    assert not director.running


def test_no_sprite_hangs_out_of_the_panes() -> None:
    director, body = Director(), Region(0, 1, 30, 6)
    for name in ("train", "eyes", "bubble"):
        director.begin(native.Anim(name, 3, 8.0), "moo\n" * 30, "ann", 0.0)
    for tenth in range(80):
        for sprite in director.sprites(tenth / 10, body, body, Style(), Style()):
            assert sprite.y + len(sprite.rows) <= body.bottom


def test_the_rooms_have_numbers_and_counts() -> None:
    tea = View("#tea", "#tea", unread=3, mentions=1)
    rows = room_rows([View("#lobby", "#lobby"), tea, View("@bob", "@", unread=1200)], "#lobby", 20)
    assert [line.text for line, _ in rows] == [
        " rooms",
        "▌1 #lobby           ",
        " 2 #tea          3  ",
        "",
        " people",
        " 3 bob        999+  ",
    ]
    assert [name for _, name in rows] == ["", "#lobby", "#tea", "", "", "@bob"]


def test_the_people_here_come_before_those_away() -> None:
    people = {p.nick: p for p in (native.Person("zoe"), native.Person("ann", None, "lunch"), native.Person("kim"))}
    rows = member_rows(people, 5, "kim", 16)
    assert [line.text for line, _ in rows] == [" 5 here", " ▸ kim", " ● zoe", " ◌ ann", "   and 2 others"]


def test_the_status_line_says_why_messages_wait() -> None:
    waiting = Status(me="ann", host="h:1", waiting=2, delayed="The disk is full.")
    assert StatusBar._left(waiting, 80) == " ● ann · 2 waiting: The disk is full."
    assert StatusBar._left(replace(waiting, problem="no answer"), 80) == " ○ not connected · 2 waiting · no answer"
    assert StatusBar._left(replace(waiting, waiting=0), 80) == " ● ann · h:1"
