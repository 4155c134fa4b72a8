r"""Hostile text made harmless: which code points a message may keep. Knows no sockets, terminals or markup.

Code points are dropped, never "ANSI sequences" matched: without U+001B and U+0080-9F what is left of OSC 52, OSC 8,
DCS and CSI is printable litter. Dropped are

- C0 but `\n` and `\t` (CRLF and CR become `\n`), DEL, C1, surrogates, U+2028/2029, non-characters;
- format characters: bidirectional overrides, embeddings, isolates and marks, zero-width spaces, BOM, tags. So the
  three flags of subdivisions (England, Scotland, Wales), which are spelled in tags, become the plain black flag;
- variation selectors but VS16, and letters that draw nothing (Hangul fillers, CGJ, Khmer inherent vowels): they
  hide data, and make two texts that look the same differ;
- private use: every font draws something else there or nothing, of a width nobody knows, so it breaks columns;
- unassigned, but for the blocks set aside for emoji: this Python's tables may be older than people's emoji.

Kept where writing needs them, and only there: VS16 after an emoji and in keycaps; ZWJ between emoji; ZWJ and ZWNJ
between letters of Arabic, Syriac, N'Ko, Mongolian and the Indic scripts of South and Southeast Asia, and after a
virama. At most 8 combining marks follow a base, and none begins a line, where it would sit on what stands before it.
"""

import re
import unicodedata
from typing import Final

MAX_MARKS: Final = 8  # combining marks on one base; Vietnamese needs 2, Hebrew with cantillation 4, Tibetan at most 8
_MAX_RAW_MARKS: Final = 30  # on one base before NFC, which sorts marks in quadratic time; 30 as in UAX 15, stream-safe
# Dropping a joiner brings together what was apart, and NFC may then reorder it so that another joiner loses its place.
# Writing settles in two rounds. Text made to take a round for each pair loses all its joiners after this many.
_MAX_ROUNDS: Final = 4

# Code points below are those of Extended_Pictographic, and regional indicators and skin tones, which lie between them.
_EMOJI: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u2388\u23cf\u23e9-\u23f3"
    "\u23f8-\u23fa\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2605\u2607-\u2612\u2614-\u2685\u2690-\u2705"
    "\u2708-\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763-\u2767"
    "\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff"
)
_JOINING: Final = (  # scripts in which ZWJ and ZWNJ change how a word is written: letters and marks
    "\u0600-\u07ff\u0840-\u08ff\u0900-\u0dff\u0f00-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\ua8ff\ua900-\uaaff\uabc0-\uabff"
)
_VIRAMA: Final = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca\u1039\u103a\u17d2\u1a60\u1b44\ua9c0"

_JOINER: Final = re.compile(
    rf"((?:[{_EMOJI}]\ufe0f?\u200d)*[{_EMOJI}]\ufe0f?"  # an emoji, or several glued together
    "|[0-9#*]\ufe0f\u20e3"  # a keycap
    rf"|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
    rf"|(?<=[{_VIRAMA}])[\u200c\u200d])"
    "|[\u200c\u200d\ufe0f]"  # any other is dropped
)
# Text that needs no work: nothing dropped, nothing combining, NFC by itself. Blank lines in front and white space at
# the end are work. Latin, Greek and Cyrillic letters, kana, Han, Hangul syllables, punctuation, boxes, plain emoji.
_PLAIN: Final = (
    "!-~\u00a1-\u00ac\u00ae-\u02ff\u0391-\u03a1\u03a3-\u03ce\u0400-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e"
    "\u20a0-\u20bf\u2190-\u21ff\u2500-\u2775\u2801-\u28ff\u3001-\u3020\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe"
    "\u4e00-\u9fef\uac00-\ud7a3\uff01-\uff9f\U0001f300-\U0001f64f\U0001f680-\U0001f6c5\U0001f900-\U0001f9ff"
)
_CLEAN: Final = re.compile(rf"(?![ \t]*\n)(?:[\n\t {_PLAIN}]*[{_PLAIN}])?")
_BLANK_FRONT: Final = re.compile(r"(?:[^\S\n]*\n)+")
_JOINERS: Final = re.compile("[\u200c\u200d\ufe0f]")
_LONG_RUN: Final = re.compile(rf"[^\w\s]{{{_MAX_RAW_MARKS + 1}}}")  # marks, perhaps: none of them is a word character

_VISIBLE_FORMAT: Final = frozenset(  # category Cf, but signs one sees: Arabic and Kaithi numbers, end of verse …
    [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD]
)
_INVISIBLE: Final = frozenset(  # letters and marks by category, but they draw nothing
    [
        *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0),
        *(*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0)),
    ]
)


class TextError(ValueError):
    """A text was refused; its message is a sentence for the person who wrote it."""


class _Table(dict[int, int | None]):
    """For `str.translate`: code point -> itself or None (dropped), found out when first met."""

    def __missing__(self, point: int) -> int | None:
        result = point if _keeps(point) else None
        if len(self) < 8192:  # a hostile text could otherwise fill it with all of Unicode, 100 MB
            self[point] = result
        return result


def _keeps(point: int) -> bool:
    if point in (0x09, 0x0A, 0x200C, 0x200D):
        return True
    category = unicodedata.category(chr(point))
    if category == "Cf":
        return point in _VISIBLE_FORMAT
    if category == "Cn":
        return 0x1F300 <= point <= 0x1FAFF
    return category not in ("Cc", "Cs", "Co", "Zl", "Zp") and point not in _INVISIBLE


_table: Final = _Table()


def clean(text: str, *, max_chars: int | None = None, newlines: bool = True) -> str:
    r"""Return ``text`` without what the module drops, in NFC; cleaning it again changes nothing.

    Blank lines in front and white space at the end go; spaces that begin the first line stay, for drawings need them.
    With ``newlines`` false a newline or tab and the spaces around it become one space, and both ends are stripped.

    Raises `TextError` when the result has more than ``max_chars`` characters (code points), else nothing.
    """
    # Two C calls decide most messages in 0.2 µs; a regular expression of wide classes the rest of ordinary writing.
    if not (
        (text.isascii() and text.isprintable() and text[-1:] != " " and (newlines or text[:1] != " "))
        or (newlines and _CLEAN.fullmatch(text) is not None)
    ):
        text = _scrub(text, newlines)
    if max_chars is not None and len(text) > max_chars:
        raise TextError(f"That has {len(text):,} characters and at most {max_chars:,} are taken; send it in parts.")
    return text


def _scrub(text: str, newlines: bool) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.translate(_table)
    if _LONG_RUN.search(text):
        text = _cap_marks(text, _MAX_RAW_MARKS)
    text = _settle(unicodedata.normalize("NFC", text))
    if not newlines:
        return " ".join(filter(None, map(str.strip, text.replace("\t", "\n").split("\n"))))
    if front := _BLANK_FRONT.match(text):
        text = text[front.end() :]
    return text.rstrip()


def _settle(text: str) -> str:
    """Drop from ``text``, in NFC, joiners and marks out of place, until what is left is in place and in NFC."""
    for _ in range(_MAX_ROUNDS):
        before = text
        text = _cap_marks(_JOINER.sub(r"\1", text), MAX_MARKS)
        if text == before:
            return text
        text = unicodedata.normalize("NFC", text)
    # Without joiners there is one order and one cap, so this settles whatever it was; `clean` stays linear.
    text = _cap_marks(_JOINERS.sub("", text), MAX_MARKS)
    return _cap_marks(unicodedata.normalize("NFC", text), MAX_MARKS)


def _cap_marks(text: str, most: int) -> str:
    """Drop combining marks that stand first on a line or after a tab, or are more than ``most`` on one base.

    Joiners count for nothing here: marks on both sides of one sit on the same base.
    """
    kept: list[str] = []
    blank = True  # only spaces so far since the line or the tab
    marks = 0  # on the base before
    for char in text:
        if char >= "\u0300" and char not in "\u200c\u200d":
            if unicodedata.category(char)[0] == "M":
                marks += 1
                if blank or marks > most:
                    continue
            else:
                marks = 0
                blank = blank and char.isspace()
        elif char < "\u0300":
            marks = 0
            blank = char in "\n\t" or (blank and char.isspace())
        kept.append(char)
    return "".join(kept) if len(kept) < len(text) else text
