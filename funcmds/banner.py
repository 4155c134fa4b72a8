"""`/banner`: letters five lines tall, in a block font of our own."""

from random import Random
from typing import Final

from funcmds import cells
from funcmds.registry import MAX_HEIGHT, MAX_WIDTH, FunError, funcmd

HEIGHT: Final = 5  # lines a letter takes
INK: Final = "█"

# One glyph a line: the character, then its five rows, "#" for ink.
_GLYPHS: Final = """\
A .##. #..# #### #..# #..#
B ###. #..# ###. #..# ###.
C .### #... #... #... .###
D ###. #..# #..# #..# ###.
E #### #... ###. #... ####
F #### #... ###. #... #...
G .### #... #.## #..# .###
H #..# #..# #### #..# #..#
I ### .#. .#. .#. ###
J ..## ...# ...# #..# .##.
K #..# #.#. ##.. #.#. #..#
L #... #... #... #... ####
M #...# ##.## #.#.# #...# #...#
N #..# ##.# #.## #..# #..#
O .##. #..# #..# #..# .##.
P ###. #..# ###. #... #...
Q .##. #..# #..# #.#. .#.#
R ###. #..# ###. #.#. #..#
S .### #... .##. ...# ###.
T ##### ..#.. ..#.. ..#.. ..#..
U #..# #..# #..# #..# .##.
V #...# #...# .#.#. .#.#. ..#..
W #...# #...# #.#.# ##.## #...#
X #...# .#.#. ..#.. .#.#. #...#
Y #...# .#.#. ..#.. ..#.. ..#..
Z #### ..#. .#.. #... ####
0 .##. #.## #..# ##.# .##.
1 .#. ##. .#. .#. ###
2 ###. ...# .##. #... ####
3 ###. ...# .##. ...# ###.
4 #..# #..# #### ...# ...#
5 #### #... ###. ...# ###.
6 .##. #... ###. #..# .##.
7 #### ...# ..#. .#.. .#..
8 .##. #..# .##. #..# .##.
9 .##. #..# .### ...# .##.
! # # # . #
? ###. ...# .##. .... .#..
. . . . . #
, .. .. .. .# #.
: . # . # .
; .. .# .. .# #.
' # # . . .
" #.# #.# ... ... ...
- ... ... ### ... ...
+ ... .#. ### .#. ...
= ... ### ... ### ...
_ .... .... .... .... ####
/ ...# ..#. .##. .#.. #...
\\ #... .#.. .##. ..#. ...#
( .# #. #. #. .#
) #. .# .# .# #.
[ ## #. #. #. ##
] ## .# .# .# ##
< ..# .#. #.. .#. ..#
> #.. .#. ..# .#. #..
* ..... #.#.# .###. #.#.# .....
# .#.#. ##### .#.#. ##### .#.#.
@ .###. #.#.# #.### #.... .###.
& .##.. #.#.. .##.# #..#. .##.#
% #...# ...#. ..#.. .#... #...#
$ .#### #.#.. .###. ..#.# ####.
^ .#. #.# ... ... ...
~ ..... .#... #.#.# ...#. .....
| # # # # #
"""
FONT: Final = {
    char: [row.replace("#", INK).replace(".", " ") for row in rows]
    for char, *rows in (line.split(" ") for line in _GLYPHS.splitlines())
}
FONT[" "] = ["  "] * HEIGHT


@funcmd("banner", usage="/banner text")
def banner(args: str, rng: Random) -> str:
    """Writes your text in big letters: A-Z, digits and punctuation."""
    text = " ".join(args.split()).upper().replace("’", "'")
    if not text:
        raise FunError("write what? Try /banner moot")
    strange = sorted({char for char in text if char not in FONT})
    if strange:
        raise FunError(f"no big letter for {cells.clip(' '.join(strange), 20)}; there are A-Z, 0-9 and punctuation")
    rows = _rows(text)
    if len(rows) * (HEIGHT + 1) - 1 > MAX_HEIGHT:
        raise FunError(f"too long for a banner: it takes {len(rows)} rows of big letters, 3 fit")
    return "\n\n".join("\n".join(_letters(row)) for row in rows)


def _rows(text: str) -> list[str]:
    """Break ``text`` between words, and within words too wide, into rows of at most 60 cells."""
    rows = [""]
    for word in text.split(" "):
        longer = f"{rows[-1]} {word}".lstrip()
        if _width(longer) <= MAX_WIDTH:
            rows[-1] = longer
            continue
        if rows[-1]:
            rows.append("")
        for char in word:
            if _width(rows[-1] + char) > MAX_WIDTH:
                rows.append("")
            rows[-1] += char
    return rows


def _width(text: str) -> int:
    return sum(len(FONT[char][0]) + 1 for char in text) - 1


def _letters(text: str) -> list[str]:
    return [" ".join(FONT[char][row] for char in text).rstrip() for row in range(HEIGHT)]
