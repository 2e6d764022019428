"""Two things and a phrase that names one of them by half: "the star" asks for its colour, "the blue object" for its shape."""

from itertools import permutations

import torch

from .arguments import scene_numbers
from .attributes import COLOURS, SHAPES, SIZES
from .chance import Chance
from .sampling import RADIUS_VARIES, compose
from .task import examples, positions, table_of, with_table
from .tasks import NAMES

KINDS = ("circle", "cross", "star")
ANSWERS = (*NAMES, *KINDS)
_BY_KIND, _BY_COLOUR = "the {kind}", "the {colour} object"
_PICTURES = tuple(
    (*colours, *kinds) for colours in permutations(range(4), 2) if colours[0] < colours[1] for kinds in permutations(range(3), 2)
)  # (colour, colour, kind, kind) of two things, the one with the smaller colour first


def _referring_table():
    """P = 1/144 for each picture, each of its two things, and each way to name it."""
    cells = []
    for a, (*colours, first, second) in enumerate(_PICTURES):
        for colour, kind in zip(colours, (first, second), strict=True):
            cells += [(a, colour, 4 + kind, 1 / 144), (a, 4 + kind, colour, 1 / 144)]
    return table_of(cells, len(_PICTURES), 7, 7)


@with_table(_referring_table)
def referring(n=None, *, seed, split="train", size=24, start=0, index=None, texture=0.5, noise=0.03):
    """The phrase names one of two things by its colour or its shape; which is the other attribute? A Task.

    The things differ in colour (orange, cyan, blue, white) and in shape (circle, cross, star), one stands on the left, one on the
    right. Slot 0 of the scenes is the thing that the phrase names: ``scenes.mask[:, 0]`` is where a reader should look.
    a: the two things, 36 of them; b and label: positions in ``ANSWERS``. Arguments as for ``mmlearn.data.world.redundant``.

    >>> task = referring(2, seed=0)
    >>> task.captions
    ['“the orange object” → star', '“the star” → cyan']
    """
    index = scene_numbers(n, start, index)
    chance = Chance(seed, split, index)
    colour, kind = chance.ranks("task colour", 4)[:, :2], chance.ranks("task shape", 3)[:, :2]  # (N, 2), no two alike
    side = chance.ranks("task side", 2)
    reach = SIZES["large"] * (1 + RADIUS_VARIES)  # of a thing from its centre, at most
    x = reach + (0.5 - 2 * reach) * chance.uniform("task x", 2) + 0.5 * side  # each within its half
    scenes = compose(
        shape=positions(SHAPES, KINDS)[kind],
        colour=positions(COLOURS, NAMES)[colour],
        size=torch.full_like(kind, tuple(SIZES).index("large")),
        x=x,
        seed=seed,
        split=split,
        index=index,
        resolution=size,
        texture=texture,
        noise=noise,
    )
    by_colour = chance.integers("task named by", 2, 1)[:, 0] == 1
    b = torch.where(by_colour, colour[:, 0], 4 + kind[:, 0])
    label = torch.where(by_colour, 4 + kind[:, 0], colour[:, 0])
    text = [_BY_COLOUR.format(colour=ANSWERS[k]) if k < 4 else _BY_KIND.format(kind=ANSWERS[k]) for k in b.tolist()]
    order = colour.argsort(1)
    things = torch.cat([colour.gather(1, order), kind.gather(1, order)], 1).tolist()
    a = torch.tensor([_PICTURES.index(tuple(four)) for four in things])
    symbols = (tuple(f"{NAMES[c]} {KINDS[k]}, {NAMES[d]} {KINDS[m]}" for c, d, k, m in _PICTURES), ANSWERS)
    return examples("referring", scenes, text, label, ANSWERS, a, b, symbols, _referring_table())
