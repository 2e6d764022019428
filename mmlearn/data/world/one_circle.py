"""Scenes with one circle among other things, to be asked for its colour: in the picture or in the caption."""

import torch

from .arguments import scene_numbers
from .attributes import COLOURS, SHAPES, SIZES
from .chance import Chance
from .sampling import compose

OTHERS = ("cross", "star")


def one_circle(n=None, *, seed, split="train", start=0, index=None, size=24):
    """n scenes with a large circle and one or two other large things, a cross, a star or both: Scenes of size × size pixels.

    The circle is in slot 0, so ``scenes.colour[:, 0]`` is its colour: the label. Every colour is drawn alone, from all eight, so
    what the other things look like says nothing about it; whoever knows the colours but not what has which can only guess.
    The inventory caption of such a scene is "a large red circle and a large blue star", from left to right.
    n, seed, split, start, index: as in ``sample``

    >>> scenes = one_circle(2, seed=0)
    >>> scenes.image.shape, scenes.shape[:, 0].tolist()
    (torch.Size([2, 3, 24, 24]), [0, 0])
    """
    index = scene_numbers(n, start, index)
    chance = Chance(seed, split, index)
    others = torch.tensor([SHAPES.index(name) for name in OTHERS])[chance.ranks("other shapes", len(OTHERS))]  # (N, 2)
    shape = torch.cat([torch.full_like(others[:, :1], SHAPES.index("circle")), others], 1)  # (N, 3)
    present = torch.arange(3) < 2 + chance.integers("how many", 2, 1)  # (N, 3)
    drawn = {
        "shape": shape,
        "colour": chance.integers("its colour", len(COLOURS), 3),
        "size": torch.full_like(shape, list(SIZES).index("large")),
    }
    drawn = {name: values.where(present, -1) for name, values in drawn.items()}
    return compose(seed=seed, split=split, index=index, resolution=size, **drawn)


def guess_without_order(scenes):
    """How often the best guess of the circle's colour is right, of one who knows the colours of a scene but not what has which.

    scenes: of ``one_circle``   returns: (N,), the share of the most frequent colour among the things of each scene

    >>> guess_without_order(one_circle(3, seed=0))
    tensor([0.5000, 0.3333, 0.3333])
    """
    colours = torch.nn.functional.one_hot(scenes.colour.clamp(min=0), len(COLOURS)) * scenes.present[..., None]  # (N, K, 8)
    return colours.sum(1).amax(1) / scenes.present.sum(1)
