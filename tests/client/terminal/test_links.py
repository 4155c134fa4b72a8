"""Links in messages: where they begin and end, and what is none."""

import pytest

from client.terminal.links import find_links


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("see https://example.org/a?b=c#d now", ["https://example.org/a?b=c#d"]),
        ("(https://example.org/x_(y))", ["https://example.org/x_(y)"]),
        ("is it http://example.org?", ["http://example.org"]),
        ("www.example.org, and https://b.example.", ["https://www.example.org", "https://b.example"]),
        ("mailto:ann@example.org", ["mailto:ann@example.org"]),
        ("file:///etc/passwd javascript:alert(1) https://", []),
        ("nothing", []),
    ],
)
def test_links(text: str, urls: list[str]) -> None:
    assert [link.url for link in find_links(text)] == urls


def test_a_link_knows_where_it_is() -> None:
    text = "go to https://example.org!"
    (link,) = find_links(text)
    assert text[link.start : link.end] == "https://example.org"
