"""`/emoji`: searches and lists emoji for the caller alone."""

from random import Random
from typing import Final

from funcmds import cells, emojis
from funcmds.registry import FunError, funcmd
from protocol.ipc import Art

MAX_LISTED: Final = 100
_SAMPLE: Final = """
grinning_face smile joy rofl wink blush heart_eyes kissing_heart yum sunglasses thinking_face neutral_face
roll_eyes smirk sleeping cry sob scream rage cowboy_hat_face nerd_face partying_face exploding_head clown_face
ghost skull robot poop see_no_evil +1 -1 clap wave pray muscle ok_hand eyes red_heart broken_heart fire
sparkles star tada rocket 100 cow_face cow cat dog rabbit_face unicorn train coffee beer pizza cake
"""


@funcmd("emoji", aliases=["emogi"], usage="/emoji [word]")
def emoji(args: str, rng: Random) -> Art:
    """Searches emoji by a word, or lists some to begin with; only you see the list."""
    if not args:
        found = [(name, emojis.names()[name]) for name in _SAMPLE.split() if name in emojis.names()]
        heading = "write :name: or $name$; /emoji word searches all of them"
    else:
        found = emojis.search(args, MAX_LISTED + 1)
        if not found:
            raise FunError(f"no emoji is called anything like {cells.clip(args, 20)!r}")
        more = len(found) > MAX_LISTED
        found = found[:MAX_LISTED]
        heading = f"the best {MAX_LISTED}; a longer word finds fewer" if more else f"{len(found)} found"
    return Art(
        "\n".join([heading, *(f"{symbol}  :{name}:  ${name.replace('_', ' ')}$" for name, symbol in found)]),
        private=True,
    )
