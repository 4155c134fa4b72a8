import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from protocol import names
from protocol.names import BadName, fold_nick, free_nick, from_login, skeleton


@pytest.mark.parametrize(
    ("typed", "nick"),
    [
        ("ann", "ann"),
        (" Ann ", "Ann"),
        ("[away]|x^y`_-{}", "[away]|x^y`_-{}"),
        ("42", "42"),
        ("x" * 32, "x" * 32),
        ("Zoë", "Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("ｂｏｂ", "bob"),
        ("王小明", "王小明"),
        ("Ελένη", "Ελένη"),
        ("שלום", "שלום"),
        ("رضا", "رضا"),
        ("नमस्ते", "नमस्ते"),
    ],
)
def test_nicks_of_every_script_are_taken(typed: str, nick: str) -> None:
    assert names.nick(typed) == nick


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "",
            " ",
            "a b",
            "-x",
            "@x",
            "#x",
            "+x",
            "a,b",
            "a:b",
            "a;b",
            "a/b",
            "x" * 33,
            "[]",
            "___",
            "\x1b[31m",
            "a\nb",
        ),
        *("\u0301", "a" + "\u0301" * 12, "😀", "bob\u200b", "b\u202eob", "bob\u3164", "ﬁ", "שaל", "é" * 33, "é,", "-é"),
        *("\ud800", "\ue000x", "é" * 100_000),
    ],
)
def test_other_nicks_are_refused_with_a_sentence_that_says_what_is_allowed(typed: str) -> None:
    with pytest.raises(BadName, match=r"cannot be a nick\. A nick has 1 to 32 letters and digits, and - _ ") as refused:
        names.nick(typed)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


def test_nicks_that_differ_in_case_are_one() -> None:
    assert fold_nick("Bob") == fold_nick("BOB") == "bob"
    assert fold_nick("ÉLODIE") == fold_nick("élodie")
    assert fold_nick("ΣΑΣ") == fold_nick("σας")
    assert fold_nick("Strauß") == fold_nick("STRAUSS")
    assert fold_nick("bob") != fold_nick("rob")


def test_nicks_that_look_alike_have_one_skeleton() -> None:
    assert skeleton("раураl") == skeleton("paypal") == "paypal"  # Cyrillic but for the last letter
    assert skeleton("НELLO") == "hello"  # the first is a Cyrillic En
    assert skeleton("Іvan") == skeleton("ivan") == "ivan"
    assert skeleton("ѕсоре") == "scope"
    assert skeleton("αdmin") == "admin"


def test_nicks_that_can_be_told_apart_have_skeletons_of_their_own() -> None:
    assert skeleton("Ann") == "ann"
    assert skeleton("paypa1") == "paypa1"
    assert len({skeleton(nick) for nick in ("Zoë", "zoe", "ñandu", "nandu", "мама", "王小明", "王大明")}) == 7


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
def test_every_nick_is_a_username_whose_case_is_kept_as_rfc_8265_has_it(typed: str) -> None:
    """RFC 8265 §3.4: "UsernameCasePreserved Profile"; applied again it changes nothing, so it was applied."""
    try:
        nick = names.nick(typed)
    except BadName:
        return
    assert get_profile("UsernameCasePreserved").enforce(nick) == nick


@pytest.mark.parametrize("nick", ["admin", "Root", "NickServ", "аdmin", "ѕerver", "ＭＯＯＴ", "rооt"])
def test_names_of_those_in_charge_and_what_looks_like_them_are_reserved(nick: str) -> None:
    assert names.is_reserved(names.nick(nick))


@pytest.mark.parametrize("nick", ["ann", "admin2", "rooty", "adm1n", "Zoë", "мама"])
def test_other_names_are_not(nick: str) -> None:
    assert not names.is_reserved(nick)


def test_who_is_logged_in_to_the_machine_as_root_is_a_guest() -> None:
    assert (from_login("root"), from_login("Administrator"), from_login("ann")) == ("guest", "guest", "ann")


def test_ascii_names_load_no_tables() -> None:
    code = (
        "import sys; from protocol import names; names.nick('Bob'); names.room('#tea'); names.skeleton('Bob');"
        "names.is_reserved('Bob');"
        "names.free_nick('bob', set().__contains__);"
        "print(sorted({'precis_i18n', 'confusable_homoglyphs'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("typed", "room"),
    [
        ("#tea", "#tea"),
        ("#Tea ", "#tea"),
        ("#c++", "#c++"),
        ("##ops.v2", "##ops.v2"),
        ("#Café", "#café"),
        ("#ΣΑΣ", "#σασ"),
        ("#STRASSE", "#strasse"),
        ("#Straße", "#strasse"),
        ("#" + "x" * 64, "#" + "x" * 64),
    ],
)
def test_rooms_are_case_folded(typed: str, room: str) -> None:
    assert names.room(typed) == room


@pytest.mark.parametrize(
    "typed", ["#", "# a", "#a b", "#a,b", "#a\x07", "#" + "x" * 65, "#--", "#😀", "#\u0301", "##", "#a\u200bb", "#a\nb"]
)
def test_other_rooms_are_refused_with_a_sentence_that_says_what_is_allowed(typed: str) -> None:
    with pytest.raises(BadName, match=r"cannot be a room\. A room is a # and 1 to 64 letters, digits and "):
        names.room(typed)


def test_a_room_without_its_sign_is_told_how_to_write_it() -> None:
    with pytest.raises(BadName, match=r"^“tea” is not a room: they begin with #\. Try #tea$"):
        names.room("tea")


def test_a_free_nick_is_the_next_number() -> None:
    assert free_nick("bob", {"bob"}.__contains__) == "bob2"
    assert free_nick("bob", {"bob", "bob2", "bob3"}.__contains__) == "bob4"
    assert free_nick("bob2", {"bob", "bob2"}.__contains__) == "bob3"
    assert free_nick("1984", {"1984"}.__contains__) == "1985"
    assert free_nick("x" * 32, set[str]().__contains__) == "x" * 31 + "2"
    assert free_nick("שלום", set[str]().__contains__) == "שלום2"


def test_a_free_nick_among_ten_thousand_is_found_with_few_questions() -> None:
    asked: list[str] = []

    def taken(nick: str) -> bool:
        asked.append(nick)
        return int(nick.removeprefix("bob")) < 10_000

    assert free_nick("bob", taken) == "bob12928"
    assert len(asked) < 120


@pytest.mark.parametrize(
    ("login", "nick"),
    [
        ("ann", "ann"),
        ("DOMAIN\\john.doe", "john_doe"),
        ("john.doe@example.org", "john_doe"),
        ("John  Doe", "John_Doe"),
        ("-_joe_-", "joe"),
        ("José María", "José_María"),
        ("x" * 50, "x" * 32),
        ("\u0301\u0301", "guest"),
        ("😀", "guest"),
        ("", "guest"),
    ],
)
def test_every_login_name_gives_a_nick(login: str, nick: str) -> None:
    assert from_login(login) == nick


@given(st.text())
def test_a_nick_made_of_a_login_name_is_valid(login: str) -> None:
    assert names.nick(from_login(login)) == from_login(login)


@given(st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=40))
def test_nicks_come_out_as_they_went_in_and_within_bounds(text: str) -> None:
    try:
        nick = names.nick(text)
    except BadName:
        return
    assert 1 <= len(nick) <= 32
    assert names.nick(nick) == nick
    assert skeleton(nick) != ""
    assert fold_nick(fold_nick(nick)) == fold_nick(nick)
    free = free_nick(nick, set[str]().__contains__)
    assert names.nick(free) == free


@given(st.text(max_size=80))
def test_rooms_come_out_as_they_went_in(text: str) -> None:
    try:
        room = names.room("#" + text)
    except BadName:
        return
    assert names.room(room) == room
    assert 2 <= len(room) <= 65


@given(st.text())
def test_keys_of_any_text_are_found(text: str) -> None:
    assert isinstance(fold_nick(text), str)
    assert isinstance(skeleton(text), str)


@pytest.mark.parametrize(
    ("typed", "near"),
    [("tea time", "#tea-time"), ("Teå", "#teå"), ("\u202e", "#tea"), ("a" * 63 + " b", "#" + "a" * 63)],
)
def test_what_is_offered_for_a_room_without_its_sign_is_a_room(typed: str, near: str) -> None:
    with pytest.raises(BadName) as refused:
        names.room(typed)
    assert str(refused.value).endswith(f"Try {near}")
    assert names.room(near) == near


@pytest.mark.parametrize(
    ("one", "other"),
    [("paypal", "paypa1"), ("paypal", "paypaI"), ("paypal", "PAYPAL"), ("Ian", "lan"), ("modem", "modern"),
     ("b0b", "bob"), ("paypal", "раураl"), ("paypal", "раура1")],
)  # fmt: skip
def test_what_looks_like_an_accounts_nick_shares_a_key_with_it(one: str, other: str) -> None:
    assert set(names.looks(one)) & set(names.looks(other))


@pytest.mark.parametrize(("one", "other"), [("ann", "anna"), ("bob", "bob2"), ("ian", "lan"), ("tim", "tom")])
def test_what_looks_otherwise_shares_none(one: str, other: str) -> None:
    assert not set(names.looks(one)) & set(names.looks(other))


@pytest.mark.parametrize("nick", ["r00t", "ROOT", "m00t"])
def test_a_reserved_nick_is_not_had_by_digits_either(nick: str) -> None:
    assert names.is_reserved(nick)
