"""The English of scenes: names and articles, numbers and lists, where a thing stands, and which words single one out.

Everything is lower case, as captions for a model usually are; a caption has no full stop, a question ends with its mark.
"""

from itertools import combinations
from typing import NamedTuple

from .attributes import COLOURS, SHAPES, SIZES

MARGIN = 0.1  # image widths: centres that lie closer than this along an axis are neither left nor right, above nor below

VALUES = {"shape": SHAPES, "colour": tuple(COLOURS), "size": tuple(SIZES)}  # attribute → its words
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
PLURALS = {word: f"{word}es" if word.endswith("s") else f"{word}s" for word in (*SHAPES, "object")}
RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}  # relation → its converse
PLACES = (  # rows from the top, in each the left, middle and right third of the image
    ("in the top left corner", "at the top", "in the top right corner"),
    ("on the left", "in the middle", "on the right"),
    ("in the bottom left corner", "at the bottom", "in the bottom right corner"),
)
NOTHING = "there is nothing"
WORDS = (
    *("a", "an", "the", "and", ",", "object", NOTHING),
    *(*SHAPES, *COLOURS, *SIZES, *NUMBERS, *PLURALS.values()),
    *(*RELATIONS, *(place for row in PLACES for place in row)),
)


class Thing(NamedTuple):
    """One object of a scene in plain Python: words, places in image widths, depth (0 is nearest), the share that is visible."""

    shape: str
    colour: str
    size: str
    x: float
    y: float
    radius: float
    depth: int
    visible: float


def things(scenes):
    """The objects of each scene, from left to right: N lists of Thing."""
    names = [VALUES[attribute] for attribute in ("shape", "colour", "size")]
    fields = ("present", "shape", "colour", "size", "x", "y", "radius", "depth", "visible")
    found = []
    for slots in zip(*(getattr(scenes, field).tolist() for field in fields), strict=True):  # slots: nine lists of K, one scene
        scene = [
            Thing(names[0][shape], names[1][colour], names[2][size], *places)
            for present, shape, colour, size, *places in zip(*slots, strict=True)
            if present
        ]
        found.append(sorted(scene, key=lambda thing: (thing.x, thing.y)))
    return found


def noun(size=None, colour=None, shape=None, plural=False):
    """What the attributes are called together: noun(colour="red", shape="circle") → "red circle"; no shape is an object.

    >>> noun(size="small", plural=True), noun(shape="cross", plural=True), noun()
    ('small objects', 'crosses', 'object')
    """
    head = shape or "object"
    return " ".join(word for word in (size, colour, PLURALS[head] if plural else head) if word)


def a(phrase):
    """The phrase with its indefinite article: "a red circle", "an orange ring"."""
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def counted(number, **attributes):
    """How many of what: counted(1, colour="orange") → "an orange object", counted(2, shape="star") → "two stars"."""
    return a(noun(**attributes)) if number == 1 else f"{NUMBERS[number]} {noun(**attributes, plural=True)}"


def listed(phrases):
    """An English list: "a", "a and b", "a, b and c"."""
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last


def describe(thing, attributes=("size", "colour", "shape")):
    """A thing as it is introduced, by the attributes that are to be named: "a large red circle", "a red circle"."""
    return a(noun(**{attribute: getattr(thing, attribute) for attribute in attributes}))


def references(thing, scene, unsaid=None, together=False):
    """The shortest phrases with "the" that fit this thing of the scene alone: ["the circle", "the red object"].

    Shortest means fewest attributes. All phrases that name so few are listed, those with a shape first; the list is empty where
    no phrase does. ``unsaid`` is an attribute that may not be named, as in a question about it. With ``together``, the phrases
    fit the thing and those that look exactly like it, and no other: ["the circles"].
    """
    attributes = [attribute for attribute in ("shape", "colour", "size") if attribute != unsaid]
    alike = sum(other[:3] == thing[:3] for other in scene) if together else 1
    for count in range(len(attributes) + 1):
        found = [
            f"the {noun(**{attribute: getattr(thing, attribute) for attribute in named}, plural=alike > 1)}"
            for named in combinations(attributes, count)
            if sum(all(getattr(other, each) == getattr(thing, each) for each in named) for other in scene) == alike
        ]
        if found:
            return found
    return []


def place(thing):
    """In which of the nine parts of the image the centre lies: "in the top left corner", "in the middle", …"""
    column, row = (min(max(int(3 * centre), 0), 2) for centre in (thing.x, thing.y))
    return PLACES[row][column]


def distance(thing, relation, other):
    """How far ``thing`` lies to the given side of ``other``, in image widths; negative on the opposite side.

    "thing is left of other" is said where this is greater than MARGIN, denied where it is smaller than −MARGIN, and neither
    said nor asked in between. y counts from the top, so what is above has the smaller y.
    """
    along = other.x - thing.x if relation in ("left of", "right of") else other.y - thing.y
    return along if relation in ("left of", "above") else -along


def pick(options, chances):
    """One of the options, by the next of the uniform numbers ``chances``."""
    return options[int(next(chances) * len(options))]
