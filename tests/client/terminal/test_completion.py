"""What a word may become."""

from client.terminal.completion import Item, Sources, accept, offer

SOURCES = Sources(
    commands=[Item("/join", "/join"), Item("/train", "/train"), Item("/time", "/time")],
    nicks=["carlotta", "Ann", "carl"],
    rooms=["#lobby", "#tea"],
    emoji=lambda prefix, limit: [("tea", "🍵")] if "tea".startswith(prefix) else [],
    words={"theme": ["nord", "moot-dark"]},
)


def offered(text: str) -> list[str]:
    found = offer(text, len(text), SOURCES)
    return [item.insert for item in found.items] if found else []


def test_commands_at_the_start() -> None:
    assert offered("/t") == ["/train ", "/time "]
    assert offered("say /t") == []
    assert offered("//t") == []


def test_nicks_with_a_colon_at_the_start_and_with_a_space_elsewhere() -> None:
    assert offered("car") == ["carlotta: ", "carl: "]
    assert offered("ask an") == ["Ann "]
    assert offered("@a") == ["@Ann "]
    assert offered("") == []


def test_only_marked_words_are_offered_unasked() -> None:
    eager = {
        text: found.eager for text in ("car", "@car", "/t", "#t", ":te") if (found := offer(text, len(text), SOURCES))
    }
    assert eager == {"car": False, "@car": True, "/t": True, "#t": True, ":te": True}


def test_arguments() -> None:
    assert offered("/msg ca") == ["carlotta ", "carl "]
    assert offered("/join te") == ["#tea "]
    assert offered("/theme no") == ["nord "]
    assert offered("/motion o") == ["on ", "off "]


def test_emoji_by_both_spellings_but_not_in_times_and_addresses() -> None:
    assert offered("nice :te") == ["🍵"]
    assert offered("nice $te") == ["🍵"]
    assert offered("at 12:te") == []


def test_taking_an_offer_keeps_what_follows_the_cursor() -> None:
    found = offer("hi :te now", 6, SOURCES)
    assert found is not None
    assert accept("hi :te now", 6, found, found.items[0]) == ("hi 🍵 now", 4)
    found = offer("car", 3, SOURCES)
    assert found is not None
    assert accept("car what?", 3, found, found.items[0]) == ("carlotta: what?", 9)
