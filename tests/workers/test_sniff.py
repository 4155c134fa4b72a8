"""What a connection speaks, by its first bytes."""

import pytest

from workers.sniff import Speech, sniff


@pytest.mark.parametrize(
    ("first", "speech"),
    [
        (b'{"op":"hello"}\n', Speech.NATIVE),
        (b"{", Speech.NATIVE),
        *((line, Speech.IRC) for line in (b"NICK ann\r\n", b"CAP LS 302", b"QUIT\r\n", b"PASS x", b"AUTHENTICATE ")),
        (b"nick ann\n", Speech.PLAIN),
        (b"ann\n", Speech.PLAIN),
        (b"GET / HTTP/1.1\r\n", Speech.HTTP),
        (b"POST ", Speech.HTTP),
        (b"PRI * HTTP/2.0\r\n", Speech.HTTP),
        (b"CON,nickname=bob;password=;color=#D333FF,", Speech.CLASSIC),
        (b"CON,", Speech.CLASSIC),
        (b"CONNECT example.org:80 HTTP/1.1\r\n", Speech.HTTP),
        (b"CON\n", Speech.PLAIN),
        (b"con,nickname=bob\n", Speech.PLAIN),
        (b"get me a cup\n", Speech.PLAIN),
        (b"GETTING\n", Speech.PLAIN),
        (b"Paul\n", Speech.PLAIN),
        (b"P\n", Speech.PLAIN),
        (b"\r\n", Speech.PLAIN),
        (b"\xff\xfb\x01", Speech.PLAIN),
    ],
)
def test_the_first_bytes_tell(first: bytes, speech: Speech) -> None:
    assert sniff(first) is speech


def test_too_few_bytes_tell_nothing_unless_no_more_will_come() -> None:
    assert sniff(b"") is None
    assert [sniff(b"HEAD "[:length]) for length in range(1, 5)] == [None] * 4
    assert sniff(b"GET", whole=True) is Speech.PLAIN
    assert sniff(b"", whole=True) is Speech.PLAIN
