"""`/train` and `/xeyes`: the stills and the animations that clients play from `funcmds.animations`."""

from random import Random

from funcmds import animations
from funcmds.registry import MAX_WIDTH, funcmd
from protocol.ipc import Art
from protocol.native import Anim


@funcmd("train", usage="/train")
def train(args: str, rng: Random) -> Art:
    """A steam locomotive crosses everyone's screen."""
    still = "\n".join(animations.train_still(MAX_WIDTH))
    return Art(still, anim=Anim("train", rng.getrandbits(31), animations.TRAIN_SECONDS))


@funcmd("xeyes", usage="/xeyes")
def xeyes(args: str, rng: Random) -> Art:
    """A pair of eyes that follow the mouse where there is one."""
    still = "\n".join(line.rstrip() for line in animations.eyes(0, 0))
    return Art(still, anim=Anim("eyes", rng.getrandbits(31), animations.EYES_SECONDS))
