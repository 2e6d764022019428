"""The words of the world: which shapes, colours and sizes there are, and what a reader gets who asks for another one."""

from difflib import get_close_matches

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "star", "ring", "heart")
COLOURS = {  # name → RGB in [0, 1]
    "red": (0.85, 0.08, 0.12),
    "orange": (0.95, 0.48, 0.02),
    "yellow": (0.98, 0.88, 0.10),
    "green": (0.05, 0.58, 0.20),
    "cyan": (0.15, 0.78, 0.88),
    "blue": (0.08, 0.20, 0.82),
    "purple": (0.60, 0.18, 0.68),
    "white": (1.00, 1.00, 1.00),
}
SAFE_COLOURS = ("orange", "yellow", "cyan", "blue", "white")  # told apart with every kind of colour blindness
SIZES = {"small": 0.10, "large": 0.16}  # name → mean radius, in image widths
MAX_OBJECTS = 6


def numbers_of(names, known, what):
    """Positions of ``names`` in ``known``, sorted: numbers_of(["square"], SHAPES, "shape") → (1,). None means all.

    Raises ValueError on an unknown name, with the nearest known ones, and when no name is left.
    """
    known = tuple(known)
    if names is None:
        return tuple(range(len(known)))
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names:
        raise ValueError(f"name at least one {what} of {', '.join(known)}; got none")
    for name in names:
        if name not in known:
            near = get_close_matches(str(name).lower(), known, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise ValueError(f"the world has no {what} {name!r}: {hint}There are {', '.join(known)}")
    return tuple(sorted({known.index(name) for name in names}))
