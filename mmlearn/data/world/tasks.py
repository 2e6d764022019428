"""Six tasks with an image, a sentence and a label, whose information is known exactly before anything is trained.

Of each picture only one thing a matters for the label, of each sentence only one thing b, and the table P[a, b, y] of the three
says what can be learnt: from one of them, from adding what both say, from both together.

    redundant     one object; the sentence names its colour too; which colour is it?
    unique_image  the sentence is about something else; which colour has the object?
    unique_text   the same pictures and sentences; which colour does the sentence name?
    matching      "a blue circle": is that the object's colour?
    selection     two objects; "what colour is the left object?"
    dial          up to four bits, one of each kind, each made as noisy as you like

Colours are orange, cyan, blue and white, which are told apart with every kind of colour blindness. Place and shape vary by
chance and mean nothing, unless said otherwise. Like the scenes, example i of a seed and split is the same alone and among
thousands.
"""

from itertools import product

import torch

from .attributes import COLOURS, SHAPES, SIZES
from .dialled import WORDS as _DIAL_WORDS
from .dialled import dial
from .grammar import a as with_article
from .sampling import RADIUS_VARIES, compose
from .task import Task, begin, examples, near_middle, positions, table_of, with_table

__all__ = ["WORDS", "Task", "dial", "matching", "redundant", "selection", "unique_image", "unique_text"]

NAMES = ("orange", "cyan", "blue", "white")  # of the colours, in the order of the symbols
SIDES = ("left", "right")
ANSWERS = ("no", "yes")
_CARD = "the card says {colour}"
_SIDE = "what colour is the {side} object?"
WORDS = ("a", "an", *SHAPES, *NAMES, *SIDES, *ANSWERS, _CARD, _SIDE, *_DIAL_WORDS)


def _redundant_table():
    """P = 1/4 where a = b = y."""
    return table_of(((k, k, k, 1 / 4) for k in range(4)), 4, 4, 4)


def _unique_image_table():
    """P = 1/16 where y = a."""
    return table_of(((a, b, a, 1 / 16) for a, b in product(range(4), repeat=2)), 4, 4, 4)


def _unique_text_table():
    """P = 1/16 where y = b."""
    return table_of(((a, b, b, 1 / 16) for a, b in product(range(4), repeat=2)), 4, 4, 4)


def _matching_table():
    """P = 1/8 where a = b and y = 1, 1/24 where a ≠ b and y = 0."""
    cells = ((a, b, int(a == b), 1 / 8 if a == b else 1 / 24) for a, b in product(range(4), repeat=2))
    return table_of(cells, 4, 4, 2)


def _selection_table():
    """P = 1/32 where y is the colour on side b; a = 4·left + right."""
    cells = ((4 * left + right, b, (left, right)[b], 1 / 32) for left, right, b in product(range(4), range(4), range(2)))
    return table_of(cells, 16, 2, 4)


@with_table(_redundant_table)
def redundant(n=None, *, seed, split="train", size=24, start=0, index=None, texture=0.5, noise=0.03):
    """Which colour? The picture shows it and the sentence names it ("a blue circle"): R = 2 bits. A Task.

    n        how many examples   seed: a whole number from 0   split: "train", "validation" or "test"
    size     height and width of the images, in pixels
    start, index  which scenes: start … start + n − 1, or those with the numbers ``index`` (then n may be left out)
    texture  0 to 1, of the background      noise  0 to 0.5, standard deviation of the noise of each pixel and channel
    ``redundant.table()`` is P[a, b, y] without drawing; each of the tasks has it. Raises ValueError on what is out of range.
    """
    chance, drawing = begin(n, seed, split, size, start, index, texture, noise)
    colour = chance.integers("task colour", 4, 1)[:, 0]
    scenes = _one_object(chance, drawing, colour)
    return examples(
        "redundant", scenes, _named(scenes, colour), colour, NAMES, colour, colour, (NAMES, NAMES), _redundant_table()
    )


@with_table(_unique_image_table)
def unique_image(n=None, *, seed, split="train", size=24, start=0, index=None, texture=0.5, noise=0.03):
    """Which colour has the object? The sentence ("the card says blue") is about something else: U_image = 2 bits. A Task.

    Arguments as for ``redundant``.
    """
    scenes, text, a, b = _unrelated(*begin(n, seed, split, size, start, index, texture, noise))
    return examples("unique_image", scenes, text, a, NAMES, a, b, (NAMES, NAMES), _unique_image_table())


@with_table(_unique_text_table)
def unique_text(n=None, *, seed, split="train", size=24, start=0, index=None, texture=0.5, noise=0.03):
    """Which colour does the sentence name ("the card says blue")? The picture shows any: U_text = 2 bits. A Task.

    The pictures and sentences are those of ``unique_image`` with the same seed. Arguments as for ``redundant``.
    """
    scenes, text, a, b = _unrelated(*begin(n, seed, split, size, start, index, texture, noise))
    return examples("unique_text", scenes, text, b, NAMES, a, b, (NAMES, NAMES), _unique_text_table())


@with_table(_matching_table)
def matching(n=None, *, seed, split="train", size=24, start=0, index=None, texture=0.5, noise=0.03):
    """Is the object of the colour that the sentence says ("a blue circle")? No input alone tells anything: S = 1 bit. A Task.

    "yes" and "no" are alike probable, and so are the wrong colours. The shape is always right. Arguments as for ``redundant``.
    """
    chance, drawing = begin(n, seed, split, size, start, index, texture, noise)
    a = chance.integers("task colour", 4, 1)[:, 0]
    label = chance.integers("task match", 2, 1)[:, 0]
    b = (a + (1 - label) * (1 + chance.integers("task mismatch", 3, 1)[:, 0])) % 4
    scenes = _one_object(chance, drawing, a)
    return examples("matching", scenes, _named(scenes, b), label, ANSWERS, a, b, (NAMES, NAMES), _matching_table())


@with_table(_selection_table)
def selection(n=None, *, seed, split="train", size=24, start=0, index=None, texture=0.5, noise=0.03):
    """Two objects; "what colour is the left object?" The sentence selects what counts in the picture. A Task.

    a = 4 · (colour on the left) + (colour on the right); b is the side. Slot 0 of the scenes is the left object, slot 1 the right
    one. Arguments as for ``redundant``.
    """
    chance, drawing = begin(n, seed, split, size, start, index, texture, noise)
    colour = chance.integers("task colour", 4, 2)  # (N, 2)
    b = chance.integers("task side", 2, 1)[:, 0]
    reach = SIZES["large"] * (1 + RADIUS_VARIES)  # of an object from its centre, at most
    x = reach + (0.5 - 2 * reach) * chance.uniform("task x", 2) + torch.tensor([0, 0.5])  # (N, 2): each within its half
    scenes = compose(
        shape=chance.integers("task shape", len(SHAPES), 2),
        colour=positions(COLOURS, NAMES)[colour],
        size=torch.full_like(colour, tuple(SIZES).index("large")),
        x=x,
        **drawing,
    )
    text = [_SIDE.format(side=SIDES[side]) for side in b.tolist()]
    label = colour.gather(1, b[:, None])[:, 0]
    symbols = (tuple(map(", ".join, product(NAMES, repeat=2))), SIDES)
    return examples("selection", scenes, text, label, NAMES, colour @ torch.tensor([4, 1]), b, symbols, _selection_table())


def _one_object(chance, drawing, colour):
    """Scenes of one large object of any shape near the middle, of the given colour, positions in NAMES."""
    shape = chance.integers("task shape", len(SHAPES), 1)
    kind = {"colour": positions(COLOURS, NAMES)[colour, None], "size": torch.full_like(shape, tuple(SIZES).index("large"))}
    return compose(shape=shape, **kind, **near_middle(chance), **drawing)


def _named(scenes, colour):
    """ "a blue circle": the object's shape, and the colour that is given."""
    shapes = scenes.shape[:, 0].tolist()
    return [with_article(f"{NAMES[name]} {SHAPES[shape]}") for name, shape in zip(colour.tolist(), shapes, strict=True)]


def _unrelated(chance, drawing):
    """Pictures of one colour and sentences about another: (scenes, text, a, b)."""
    a, b = chance.integers("task colour", 4, 1)[:, 0], chance.integers("task card", 4, 1)[:, 0]
    return _one_object(chance, drawing, a), [_CARD.format(colour=NAMES[name]) for name in b.tolist()], a, b
