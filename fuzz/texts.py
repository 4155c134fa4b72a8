"""Targets that take text: the sanitizer, names, typed commands, tags, the configuration file."""

import unicodedata
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from funcmds.emojis import emojize
from fuzz.source import Source
from moot import config
from protocol import commands, msgids, names, native, tags
from protocol.settings import Settings
from protocol.text import MAX_MARKS, TextError, clean
from workers.dialects.irc import lines

LONG: Final = 50_000  # characters; at this length quadratic time shows
GROWTH: Final = 3  # code points that NFC makes of one, at most (UAX 15, stability of expansion)

_CONTROLS: Final = frozenset("\n\t")
_BIDI: Final = frozenset(map(chr, (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_HIDDEN: Final = frozenset(map(chr, (0x200B, 0x2060, 0xFEFF, *range(0xE0000, 0xE0080))))


def clean_text(data: bytes) -> None:
    """Cleaned text obeys the sanitizer's promises, and cleaning takes linear time (the fuzzer's own limit tells)."""
    source = Source(data)
    text = source.payload.decode("utf-8", "surrogateescape" if source.below(2) else "replace")
    for newlines in (True, False):
        cleaned = clean(text, newlines=newlines)
        check_clean(cleaned, newlines=newlines)
        assert len(cleaned) <= GROWTH * len(text)
        assert clean(cleaned, newlines=newlines) == cleaned
    if text and source.below(16) == 15:
        clean(text * (LONG // len(text)))
    try:
        assert len(clean(text, max_chars=10)) <= 10
    except TextError as refusal:
        assert len(clean(text)) > 10
        check_clean(str(refusal), newlines=False)


def check_clean(text: str, *, newlines: bool = True) -> None:
    """Assert that ``text`` has nothing in it that `clean` is there to drop. Says so by other means than `clean`."""
    assert unicodedata.is_normalized("NFC", text)
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        assert category not in ("Cs", "Co", "Zl", "Zp"), hex(ord(char))
        assert category != "Cc" or (newlines and char in _CONTROLS), hex(ord(char))
        assert char not in _BIDI, hex(ord(char))
        assert char not in _HIDDEN, hex(ord(char))
        if category[0] == "M":
            marks += 1
            assert marks <= MAX_MARKS, "too many marks on one base"
        elif char not in "\u200c\u200d":
            marks = 0
    assert text == text.rstrip()
    assert newlines or text == text.lstrip()


def assert_one_line(text: str) -> None:
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)


def names_of_people_and_rooms(data: bytes) -> None:
    """A name that is taken is a name, the same for everybody; one that is not is refused with a clean sentence."""
    source = Source(data)
    text = source.payload.decode("utf-8", "replace")
    try:
        nick = names.nick(text)
    except names.BadName as refusal:
        check_clean(str(refusal), newlines=False)
    else:
        assert names.nick(nick) == nick
        assert 1 <= len(nick) <= names.MAX_NICK
        check_clean(nick, newlines=False)
        assert " " not in nick
        key = names.fold_nick(nick)
        assert names.fold_nick(key) == key
        taken = {key, *(names.fold_nick(f"{nick}{number}") for number in range(2, 2 + source.below(4)))}
        free = names.free_nick(nick, lambda candidate: names.fold_nick(candidate) in taken)
        assert names.nick(free) == free
        assert names.fold_nick(free) not in taken
    try:
        room = names.room(text)
    except names.BadName as refusal:
        check_clean(str(refusal), newlines=False)
    else:
        assert names.room(room) == room
        assert 2 <= len(room) <= names.MAX_ROOM + 1
        check_clean(room, newlines=False)
    assert names.nick(made := names.from_login(text)) == made
    names.fold_nick(text)
    names.skeleton(text)


def typed_commands(data: bytes) -> None:
    """Whatever a person types is requests that the server understands, something local, or a problem told in words."""
    source = Source(data)
    fun = commands.fun_table([native.FunCommand("cowsay", "/cowsay text", "A cow.", ["cs"])])
    room, last = source.pick(("#tea", "@bob", "")) or None, source.pick(("bob", "")) or None
    ctx = commands.Context(room, "ann", last, fun)
    numbers = count()
    line = source.payload.decode("utf-8", "replace")
    match commands.parse(line, ctx, lambda: f"c{next(numbers)}"):
        case commands.Problem(text=text):
            assert clean(text)
        case commands.Local() as local:
            assert local.name
        case requests:
            for request in requests:
                assert native.decode_request(native.encode(request)) == request


def emoji_names(data: bytes) -> None:
    """Emoji names become emoji that the sanitizer keeps, in text that it had cleaned."""
    text = clean(Source(data).payload.decode("utf-8", "replace"))
    made = emojize(text)
    check_clean(clean(made))
    assert clean(clean(made)) == clean(made)


def settings_file(data: bytes) -> None:
    """A configuration file is settings within their ranges, or a `ConfigError` of one line."""
    with TemporaryDirectory(prefix="moot-fuzz-") as directory:
        path = Path(directory, "moot.toml")
        path.write_bytes(Source(data).payload)
        try:
            settings = config.load({}, {}, path)
        except config.ConfigError as refusal:
            assert_one_line(str(refusal))
            return
    assert isinstance(settings, Settings)
    assert settings.sendq_soft <= settings.sendq_hard
    assert config.load({key: getattr(settings, key) for key in ("max_text", "lobby", "server_name")}, {}, None)


def tags_of_clients(data: bytes) -> None:
    """What is taken as tags is read back from what is written of them, within the limit; any text may be a msgid."""
    source = Source(data)
    given = {source.text(): source.text() for _ in range(4)} | {"+a/b": source.payload.decode("utf-8", "replace")}
    raw = tags.written(given)
    assert not set(raw) & set("\r\n\0 ")
    read = lines.parse(f"@{raw} X".encode("utf-8", "replace"))
    if tags.fault(given) is None:
        assert isinstance(read, lines.Message)
        assert read.tags == {name: value.encode("utf-8", "replace").decode() for name, value in given.items()}
        assert len(raw.encode("utf-8", "replace")) <= native.MAX_TAGS
    for text in given.values():
        assert (msgids.time_of(text) is None) or (msgids.seq_of(text, "e", "#tea") is None)
