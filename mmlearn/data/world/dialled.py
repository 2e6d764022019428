"""The dialled task: how much is redundant, synergistic or unique is set by four numbers."""

from itertools import product
from numbers import Real

from .attributes import COLOURS, SHAPES, SIZES
from .grammar import a as with_article
from .sampling import compose
from .task import begin, examples, near_middle, positions, table_of, with_table

DIAL_COLOURS = ("orange", "blue")
DIAL_SHAPES = ("square", "cross")
DIAL_SIZES = ("small", "large")
TIMES = ("morning", "evening")
AGREEMENT = ("wrong colour", "right colour")
_TIME = "{object} in the {time}"
WORDS = ("a", "an", *DIAL_COLOURS, *DIAL_SHAPES, *DIAL_SIZES, *TIMES, *AGREEMENT, _TIME)

LATENTS = ("shape", "colour", "claimed", "size", "time")  # one fair bit each
# For each bit of the label: its two names, and which latents show it in the image and in the text (latent, its two names)
_BITS = {
    "eps_r": (DIAL_SHAPES, ("shape", DIAL_SHAPES), ("shape", DIAL_SHAPES)),
    "eps_s": (AGREEMENT, ("colour", DIAL_COLOURS), ("claimed", DIAL_COLOURS)),
    "eps_image": (DIAL_SIZES, ("size", DIAL_SIZES), None),
    "eps_text": (TIMES, None, ("time", TIMES)),
}
_CLEAN = {
    "eps_r": lambda latent: latent["shape"],
    "eps_s": lambda latent: 1 - (latent["colour"] ^ latent["claimed"]),
    "eps_image": lambda latent: latent["size"],
    "eps_text": lambda latent: latent["time"],
}


def _dial_table(eps_r=None, eps_s=None, eps_image=None, eps_text=None):
    """P[a, b, y] of ``dial`` with the same arguments, without drawing."""
    asked = _asked(eps_r, eps_s, eps_image, eps_text)
    cells = []
    for bits in product(range(2), repeat=len(LATENTS)):
        latent = dict(zip(LATENTS, bits, strict=True))
        a, b = (_number(latent[name] for name, _ in _shown(asked, side)) for side in (1, 2))
        for flips in product(range(2), repeat=len(asked)):
            probability = 1 / 2 ** len(LATENTS)
            for flip, eps in zip(flips, asked.values(), strict=True):
                probability *= eps if flip else 1 - eps
            y = _number(_CLEAN[name](latent) ^ flip for name, flip in zip(asked, flips, strict=True))
            cells.append((a, b, y, probability))
    return table_of(cells, *(2 ** len(_shown(asked, side)) for side in (1, 2)), 2 ** len(asked))


@with_table(_dial_table)
def dial(
    eps_r=None,
    eps_s=None,
    eps_image=None,
    eps_text=None,
    *,
    n=None,
    seed,
    split="train",
    size=24,
    start=0,
    index=None,
    texture=0.5,
    noise=0.03,
):
    """Redundancy, synergy and unique information as you like them: a Task whose label is up to four noisy bits.

    Each picture shows an orange or blue, small or large square or cross. Each sentence reads "a blue cross in the morning": the
    shape is true, the colour need not be. The bits of the label, each asked for by its ε:

        eps_r      the shape, which picture and sentence give      R = 1 − h(ε)
        eps_s      does the sentence say the right colour?         S = 1 − h(ε)
        eps_image  the size, which the picture alone shows         U_image = 1 − h(ε)
        eps_text   the time, which the sentence alone says         U_text = 1 − h(ε)

    In the label a bit is flipped with probability ε in [0, 1/2]; h(ε) = −ε log₂ ε − (1 − ε) log₂(1 − ε) is the information
    that this costs. None: the bit is not part of the label. The bits are independent of each other, so their parts add up.
    The label is the tuple of the bits that are asked for, one of 2, 4, 8 or 16 classes; a and b are the tuples of what shows
    them in the picture and in the sentence. Pictures and sentences are the same whatever is asked for.
    ``dial.table(eps_r=…, …)`` is P[a, b, y] without drawing. The other arguments are those of ``redundant``.
    Raises ValueError on an ε outside [0, 1/2], and when no bit is asked for.
    """
    asked = _asked(eps_r, eps_s, eps_image, eps_text)
    chance, drawing = begin(n, seed, split, size, start, index, texture, noise)
    latent = {name: chance.integers(f"task dial {name}", 2, 1)[:, 0] for name in LATENTS}  # (N,) each
    scenes = compose(
        shape=positions(SHAPES, DIAL_SHAPES)[latent["shape"], None],
        colour=positions(COLOURS, DIAL_COLOURS)[latent["colour"], None],
        size=positions(SIZES, DIAL_SIZES)[latent["size"], None],
        **near_middle(chance),
        **drawing,
    )
    spoken = zip(*(latent[name].tolist() for name in ("claimed", "shape", "time")), strict=True)
    text = [
        _TIME.format(object=with_article(f"{DIAL_COLOURS[claimed]} {DIAL_SHAPES[shape]}"), time=TIMES[time])
        for claimed, shape, time in spoken
    ]
    zero = latent["shape"] * 0  # (N,): the symbol of a side that shows nothing of the label
    a, b = (_number((latent[name] for name, _ in _shown(asked, side)), zero) for side in (1, 2))
    flips = {name: (chance.uniform(f"task dial {name}", 1)[:, 0] < eps).long() for name, eps in asked.items()}
    label = _number((_CLEAN[name](latent) ^ flip for name, flip in flips.items()), zero)
    symbols = tuple(_tuples(names for _, names in _shown(asked, side)) for side in (1, 2))
    classes = _tuples(_BITS[name][0] for name in asked)
    return examples("dial", scenes, text, label, classes, a, b, symbols, _dial_table(eps_r, eps_s, eps_image, eps_text))


def _asked(*eps):
    """The bits that are asked for, name → ε, in the order of _BITS."""
    asked = {name: value for name, value in zip(_BITS, eps, strict=True) if value is not None}
    if not asked:
        raise ValueError(f"the label needs at least one bit: give one or more of {', '.join(_BITS)}, each from 0 to 0.5")
    for name, value in asked.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 0.5:
            raise ValueError(
                f"{name} is the probability that its bit is flipped: from 0, all information, to 0.5, none; got {value!r}. "
                "None leaves the bit out"
            )
    return asked


def _shown(asked, side):
    """What shows the asked bits, in the image (side 1) or the text (side 2): a list of (latent, its two names)."""
    return [_BITS[name][side] for name in asked if _BITS[name][side] is not None]


def _number(bits, start=0):
    """Bits, the first the highest, as one number; also for tensors of bits."""
    for bit in bits:
        start = 2 * start + bit
    return start


def _tuples(names):
    """Every combination in words, in the order of the numbers: ("orange, small", "orange, large", …)."""
    return tuple(map(", ".join, product(*names)))
