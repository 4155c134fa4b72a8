import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import native
from protocol.commands import (
    COMMANDS,
    TABLE,
    TOPICS,
    Context,
    Local,
    Parsed,
    Problem,
    complete,
    fun_name,
    fun_table,
    help_text,
    markdown,
    parse,
)

FUN = fun_table(
    [
        native.FunCommand("cowsay", "/cowsay [-f animal] text", "A cow says it.", ["cow"]),
        native.FunCommand("cows", "/cows", "List the animals."),
        native.FunCommand("train", "/train", "A train passes."),
        native.FunCommand("emoji", "/emoji [word]", "Find emoji."),
        native.FunCommand("me", "/me", "A plugin that wants a name of the table."),
    ]
)
TEA = Context(room="#tea", nick="ann", last_from="bob", fun=FUN)
DM = Context(room="@bob", nick="ann", fun=FUN)
NOWHERE = Context(room=None, nick="ann", fun=FUN)


def typed(line: str, ctx: Context = TEA) -> Parsed:
    return parse(line, ctx, lambda: "c1")


def problem(line: str, ctx: Context = TEA) -> str:
    found = typed(line, ctx)
    assert isinstance(found, Problem)
    return found.text


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("hello", native.Send(cmid="c1", to="#tea", text="hello")),
        ("two\nlines", native.Send(cmid="c1", to="#tea", text="two\nlines")),
        ("  (oo)", native.Send(cmid="c1", to="#tea", text="  (oo)")),
        ("//etc/hosts", native.Send(cmid="c1", to="#tea", text="/etc/hosts")),
        ("/say /etc", native.Send(cmid="c1", to="#tea", text="/etc")),
        ("!Exit", native.Send(cmid="c1", to="#tea", text="!Exit")),
        ("my cowsay -help", native.Send(cmid="c1", to="#tea", text="my cowsay -help")),
        ("/me waves", native.Send(cmid="c1", to="#tea", text="waves", kind="me")),
        ("/ME waves ", native.Send(cmid="c1", to="#tea", text="waves", kind="me")),
        ("/msg bob hi there", native.Send(cmid="c1", to="@bob", text="hi there")),
        ("/w @bob: hi\nyou", native.Send(cmid="c1", to="@bob", text="hi\nyou")),
        ("/msg #Tea hi", native.Send(cmid="c1", to="#tea", text="hi")),
        ("/reply yes", native.Send(cmid="c1", to="@bob", text="yes")),
        ("/r yes", native.Send(cmid="c1", to="@bob", text="yes")),
        ("/online", native.Who()),
        ("/who tea", native.Who(room="#tea")),
        ("/quit", native.Quit()),
        ("/exit bye all", native.Quit(reason="bye all")),
        ("/nick Bob", native.Nick(nick="Bob")),
        ("/join #Tea", native.Join(room="#tea")),
        ("/j tea", native.Join(room="#tea")),
        ("/leave", native.Leave(room="#tea")),
        ("/part must go", native.Leave(room="#tea", reason="must go")),
        ("/leave #two bye", native.Leave(room="#two", reason="bye")),
        ("/rooms", native.Rooms()),
        ("/topic Tea, mostly", native.Topic(cmid="c1", room="#tea", text="Tea, mostly")),
        ("/topic -", native.Topic(cmid="c1", room="#tea", text="")),
        ("/whois @bob", native.Whois(nick="bob")),
        ("/away", native.Away(text="away")),
        ("/away lunch", native.Away(text="lunch")),
        ("/back", native.Away()),
        ("/color #d333ff", native.Color(color="#D333FF")),
        ("/color d333ff", native.Color(color="#D333FF")),
        ("/color #0f0", native.Color(color="#00FF00")),
        ("/colour Teal", native.Color(color="#008080")),
        ("/color off", native.Color()),
        ("/history", native.History(room="#tea")),
        ("/history 200", native.History(room="#tea", limit=200)),
        ("/time", native.Ping()),
        ("/cowsay -f tux hi", native.Fun(cmid="c1", to="#tea", line="/cowsay -f tux hi")),
        ("/cow hi", native.Fun(cmid="c1", to="#tea", line="/cow hi")),
        ("/cowsay?Hello/", native.Fun(cmid="c1", to="#tea", line="/cowsay?Hello/")),
        ("/cowsay!-f!bunny?text/", native.Fun(cmid="c1", to="#tea", line="/cowsay!-f!bunny?text/")),
        ("/train/", native.Fun(cmid="c1", to="#tea", line="/train/")),
        ("cowsay -help", native.Fun(cmid="c1", to="#tea", line="cowsay -help")),
        ("emogi -help", native.Fun(cmid="c1", to="#tea", line="emogi -help")),
    ],
)
def test_a_line_asks_the_server(line: str, request_: native.Request) -> None:
    assert typed(line) == [request_]


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("/help", Local("help")),
        ("/help /nick", Local("help", "nick")),
        ("/?", Local("help")),
        ("/clear", Local("clear")),
        ("!clear", Local("clear")),
        ("/ignore", Local("ignore")),
        ("/ignore bob", Local("ignore", "bob")),
        ("/unignore @bob", Local("unignore", "bob")),
        ("/query bob", Local("open", "@bob")),
        ("/join @bob", Local("open", "@bob")),
        ("/topic", Local("topic", "#tea")),
        ("/motion OFF", Local("motion", "off")),
    ],
)
def test_a_line_asks_the_program_that_shows_the_chat(line: str, local: Local) -> None:
    assert typed(line) == local


def test_blank_lines_ask_nothing() -> None:
    assert typed("") == typed("  ") == typed("\n\t") == []


def test_several_rooms_are_joined_at_once() -> None:
    assert typed("/join #a,#b c") == [native.Join(room="#a"), native.Join(room="#b"), native.Join(room="#c")]


def test_in_direct_messages_lines_go_to_the_person() -> None:
    assert typed("hi", DM) == [native.Send(cmid="c1", to="@bob", text="hi")]
    assert typed("/history 5", DM) == [native.History(room="@", limit=5)]
    assert typed("/leave", DM) == Local("close", "@bob")


@pytest.mark.parametrize("line", ["hello", "/me waves", "/say x", "/cowsay hi", "/history", "//x"])
def test_in_no_room_a_line_says_how_to_get_into_one(line: str) -> None:
    sentence = "You are in no room. Enter one with /join #lobby, or write to one person with /msg NICK TEXT."
    assert typed(line, NOWHERE) == Problem(sentence)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/nick", "You are ann. Type /nick NAME"),
        ("/me", "What you do is missing. Type /me TEXT"),
        ("/msg", "To whom? Type /msg NICK [TEXT]"),
        ("/msg #tea", "The text is missing. Type /msg NICK [TEXT]"),
        ("/reply", "The text for bob is missing. Type /reply TEXT"),
        ("/join", "Which room? Type /join #ROOM [key=KEY]"),
        ("/whois", "Whom do you want to know about? Type /whois NICK"),
        ("/history 501", "“501” is not a number from 1 to 500. Type /history [N]"),
        ("/history x\x1b[2J", "“x[2J” is not a number from 1 to 500. Type /history [N]"),
        ("/motion", "On or off? Type /motion on|off"),
        ("/ignore Ann", "That is you, and you will always hear yourself. Type /ignore NICK with somebody else's nick."),
        ("/halp", "There is no command /halp. Did you mean /help? To say it as it is, begin with //"),
        ("/onl", "There is no command /onl. Did you mean /online? To say it as it is, begin with //"),
        ("/cowsya hi", "There is no command /cowsya. Did you mean /cowsay? To say it as it is, begin with //"),
        ("/zzzzz", "There is no command /zzzzz. /help lists the commands. To say it as it is, begin with //"),
        ("/", "There is no command /. /help lists the commands. To say it as it is, begin with //"),
        (
            "/xyzzy?Hello/",
            "There is no command /xyzzy?Hello/. /help lists the commands. To say it as it is, begin with //",
        ),
    ],
)
def test_a_mistake_is_answered_with_a_remedy(line: str, sentence: str) -> None:
    assert problem(line) == sentence


def test_a_reply_to_nobody_and_a_topic_of_nothing_say_what_to_do() -> None:
    assert "Type /msg NICK TEXT" in problem("/reply hi", DM)
    assert "Enter one with /join #room first." in problem("/topic x", DM)
    assert problem("/leave", NOWHERE) == "You are in no room. Type /leave [#ROOM] [REASON]"


def test_names_that_cannot_be_are_told_what_is_allowed() -> None:
    for line in ("/nick a b", "/msg a,b hi", "/whois a;b", "/ignore a!", "/unignore ."):
        assert "A nick has 1 to 32 letters and digits" in problem(line)
    for line in ("/join #a!", "/leave #!", "/who a!"):
        assert "A room is a # and 1 to 64 letters" in problem(line)
    assert problem("/color mauve-ish").startswith(
        "“mauve-ish” is no color I know. Type /color #D333FF, or /color off, or"
    )


def test_the_table_wins_over_fun_commands() -> None:
    assert "me" not in FUN
    assert set(FUN) == {"cowsay", "cow", "cows", "train", "emoji"}


def test_without_fun_commands_their_bare_lines_are_said() -> None:
    assert typed("cowsay -help", Context("#tea")) == [native.Send(cmid="c1", to="#tea", text="cowsay -help")]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/cowsay hi", "cowsay"),
        ("/COWSAY", "cowsay"),
        ("/cowsay?Hi/", "cowsay"),
        ("/8ball\nwell?", "8ball"),
        ("/train/", "train"),
        ("Cowsay -help", "cows"),
        ("emogi -help", "emoji"),
        ("/usr/bin", None),
        ("cowsay", None),
        ("//cowsay", None),
        ("/ cowsay", None),
        ("", None),
    ],
)
def test_the_name_of_a_fun_command_is_found_in_every_spelling(line: str, name: str | None) -> None:
    assert fun_name(line) == name


def test_help_names_every_command_and_explains_those_of_every_day() -> None:
    text = help_text(TEA)
    assert all(re.search(rf"/{command.name}\s", text + " ") for command in COMMANDS)
    assert len(text.splitlines()) < 40
    for topic, (_about, some) in TOPICS.items():
        assert f"/help {topic}" in text
        explained = help_text(TEA, topic)
        assert all(command.help in explained and command.help not in text for command in some)
    assert "For fun: /cows /cowsay /emoji /train" in text
    assert max(map(len, text.splitlines())) <= 100


def test_help_explains_one_command_by_any_of_its_names() -> None:
    quit_ = "/quit [REASON]\nLeave the chat.\nAlso: /exit, /q"
    assert help_text(TEA, "quit") == help_text(TEA, "/exit") == quit_
    assert help_text(TEA, "cow") == "/cowsay [-f animal] text\nA cow says it.\nAlso: /cow"
    assert help_text(TEA, "nope") == (
        "There is no command /nope. /help lists the commands. To say it as it is, begin with //"
    )


def test_commands_are_completed_and_aliases_only_if_nothing_else_fits() -> None:
    assert complete("/no") == []
    assert complete("/ni") == ["/nick"]
    assert complete("/MOT") == ["/motion"]
    assert complete("/t", TEA) == ["/time", "/topic", "/train"]
    assert complete("/ex") == ["/exit"]
    assert len(complete("/", TEA)) == len(COMMANDS) + 4
    assert complete("/nick ") == complete("hello") == complete("//") == complete("") == []


def test_every_name_is_there_once() -> None:
    assert len(TABLE) == sum(1 + len(command.aliases) for command in COMMANDS)


def test_the_manual_page_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "commands.md"
    assert page.read_text(encoding="utf-8") == markdown(), (
        "write it anew: python -m protocol.commands > docs/commands.md"
    )


words = st.text(st.characters(exclude_categories=["Cs"]))  # what a client's bytes decode to
lines = st.one_of(words, st.builds("/{} {}".format, st.sampled_from([*TABLE, *FUN]), words), words.map("/{}".format))


@given(lines, st.sampled_from([TEA, DM, NOWHERE]))
def test_any_line_is_understood_or_answered(line: str, ctx: Context) -> None:
    found = typed(line, ctx)
    if isinstance(found, Problem):
        assert not {unicodedata.category(char) for char in found.text} & {"Cc", "Cs", "Co", "Zl", "Zp"}
        assert len(found.text) < 400
    elif isinstance(found, list):
        for request in found:
            assert type(native.decode_request(native.encode(request))) is type(request)
    complete(line, ctx)
    help_text(ctx, line)
