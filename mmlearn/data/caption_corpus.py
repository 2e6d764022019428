"""A corpus to learn words from: captions of scenes whose objects have habits, so that a word's company says something about it.

>>> caption_corpus(3, seed=0)
['a yellow square is right of a white cross', 'a green square is below a purple triangle', 'a large red triangle in the middle']
"""

from numbers import Real

import numpy as np
import torch

from mmlearn.data import world
from mmlearn.data.world.chance import Chance

FAVOURITES = {  # the colour that a shape has more often than chance
    "circle": "orange",
    "square": "green",
    "triangle": "purple",
    "diamond": "cyan",
    "cross": "white",
    "star": "yellow",
    "ring": "blue",
    "heart": "red",
}
MOST = 4  # objects in a scene
_PIXELS = 16  # nobody looks at the pictures; captions need to know only what hides what


def caption_corpus(n, *, seed, preference=0.5, repeats=0.4, split="train"):
    """n captions, one of each scene, by all templates of the world: a list of strings.

    A scene has 1 to 4 objects. Shapes and sizes are equally probable; a thing's colour is its shape's of FAVOURITES with
    probability ``preference``, and else one of all eight. With probability ``repeats`` an object looks exactly like the one
    before it, so that plurals ("two small red hearts") are no rarities. With preference 0 colours say nothing about shapes.

    preference, repeats   0 to 1      split   "train", "validation" or "test": their scenes never coincide
    Caption i depends on nothing but seed, split, preference and repeats. Raises ValueError on what is out of range.

    >>> caption_corpus(1, seed=3) == caption_corpus(5, seed=3)[:1]
    True
    """
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise ValueError(f"n must be a whole number of captions, at least 1; got {n!r}")
    for name, share in {"preference": preference, "repeats": repeats}.items():
        if not isinstance(share, Real) or not 0 <= share <= 1:
            raise ValueError(f"{name} must be a probability from 0 to 1; got {share!r}")
    chance = Chance(seed, split, torch.arange(n))
    shape = chance.integers("corpus shape", len(world.SHAPES), MOST)  # (n, 4)
    colour = chance.integers("corpus colour", len(world.COLOURS), MOST)
    size = chance.integers("corpus size", len(world.SIZES), MOST)
    names = list(world.COLOURS)
    favourite = torch.tensor([names.index(FAVOURITES[name]) for name in world.SHAPES])[shape]
    colour = torch.where(chance.uniform("corpus preference", MOST) < preference, favourite, colour)
    repeated = chance.uniform("corpus repeat", MOST) < repeats
    for slot in range(1, MOST):
        for looks in (shape, colour, size):
            looks[:, slot] = torch.where(repeated[:, slot], looks[:, slot - 1], looks[:, slot])
    present = torch.arange(MOST) <= chance.integers("corpus count", MOST, 1)
    looks = {"shape": shape, "colour": colour, "size": size}
    looks = {name: values.where(present, -1) for name, values in looks.items()}
    return world.compose(seed=seed, split=split, index=torch.arange(n), **looks, resolution=_PIXELS).captions()
