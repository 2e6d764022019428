"""Which captions stay true when their picture is augmented.

flip      true again once left and right are exchanged in the words (``mirror_words``)
crop      true while every object stays in the picture, unless the words say where in the picture something is
rotation  true while every object stays, unless the words say where something is; a large one also makes a diamond of a square
brightness, contrast   true, unless the words are about light
saturation, hue        true, unless the words are about colour
"""

import re

LARGE_ROTATION = 20  # degrees; halfway to the 45 that make a square a diamond is 22.5
_PLACE = "top bottom corner middle centre center edge side left right leftmost rightmost"
_DIRECTION = "above below under underneath over beneath horizontal vertical upright upside clockwise anticlockwise"
_COLOUR = "red orange yellow green cyan blue purple white black grey gray pink brown violet magenta turquoise gold silver"
_LIGHT = "dark bright pale dim shadow shadows night white black grey gray"
BREAKS = {  # augmentation → words that it can make false
    "crop": frozenset(_PLACE.split()),
    "rotation": frozenset(f"{_PLACE} {_DIRECTION}".split()),
    "large rotation": frozenset(["square", "squares", "diamond", "diamonds"]),
    "brightness": frozenset(_LIGHT.split()),
    "contrast": frozenset(_LIGHT.split()),
    "saturation": frozenset(_COLOUR.split()),
    "hue": frozenset(_COLOUR.split()),
}
_BETWEEN_OBJECTS = re.compile(r"\b(?:left|right|on top) of\b")  # a crop leaves this as it is
_SIDED = re.compile(r"\b(?:left|right)(?=(?:most|wards?|-hand(?:ed)?)?\b)|\b(?:anti-?|counter-?)?clockwise\b", re.IGNORECASE)
_MIRRORED = {"left": "right", "right": "left", "clockwise": "anticlockwise"}


def breaks(caption, augmentations=tuple(BREAKS)):
    """Which words of a caption an augmentation can make false: augmentation → sorted words, for those that break any.

    Cautious: it knows words, not meanings ("the side of the road" counts as a place in the picture), and English only.
    Raises ValueError for an augmentation that is not in BREAKS.

    >>> breaks("a red circle at the top", ["crop", "hue", "brightness"])
    {'crop': ['top'], 'hue': ['red']}
    >>> breaks("a red circle is left of a square", ["crop", "rotation"])
    {'rotation': ['left']}
    """
    if unknown := [name for name in augmentations if name not in BREAKS]:
        raise ValueError(f"no augmentation is called {unknown[0]!r}; there are {', '.join(BREAKS)}")
    caption = caption.lower()
    words, apart = (set(re.findall(r"\w+", text)) for text in (caption, _BETWEEN_OBJECTS.sub(" ", caption)))
    found = {name: sorted((apart if name == "crop" else words) & BREAKS[name]) for name in augmentations}
    return {name: broken for name, broken in found.items() if broken}


def mirror_words(text):
    """The text with left and right exchanged, as it describes the mirror image; clockwise and anticlockwise, too.

    Whole words, with their endings (leftmost, right-hand), in their case. It does not know English: "right" in "the right answer"
    becomes "left", too.

    >>> mirror_words("Left of the upright box, at the far right")
    'Right of the upright box, at the far left'
    """

    def exchanged(found):
        word = found.group()
        new = _MIRRORED.get(word.lower(), "clockwise")
        return new.upper() if word.isupper() else new.capitalize() if word[0].isupper() else new

    return _SIDED.sub(exchanged, text)
