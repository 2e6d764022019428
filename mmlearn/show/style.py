"""One look for every figure of the course: colours, fonts, lines and an opaque card to stand on."""

from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb

CARD = "#fcfcfa"  # the near-white ground of every figure, so that it reads the same in a dark notebook
INK = "#1f2328"  # text
MUTED = "#5b626b"  # secondary text, ticks
HAIRLINE = "#d5d8dc"  # grid lines and cell borders

CSS_DPI = 100  # one inch of a matplotlib figure is 100 CSS pixels wide in the notebook …
SCALE = 2  # … and is drawn with twice as many dots each way


class Palette(NamedTuple):
    """Six colours for categories, told apart with any kind of colour vision and legible as text on the card.

    Blue and vermilion are Okabe & Ito's (2008), darkened to a contrast of 4.5 on the card; the other four differ from them and
    from one another in lightness too, so that they survive simulated protanopia, deuteranopia and tritanopia.
    """

    blue: str = "#0072b2"
    vermilion: str = "#c44a00"
    green: str = "#004d33"
    mauve: str = "#8a5278"
    indigo: str = "#33158f"
    ink: str = "#15181c"


COLOURS = Palette()

SEQUENTIAL = "viridis"  # amounts: perceptually uniform (Smith & van der Walt 2015)
_BELOW = ["#00639f", "#007dc1", "#4c96d6", "#7eafe5", "#abc9ef", "#d7e4f5"]
_ABOVE = ["#f9ddd1", "#f5b99f", "#ec966f", "#dd7443", "#c5541f", "#a23f0f"]
SIGNED = LinearSegmentedColormap.from_list(  # signed values: equal steps of CIELAB lightness on both sides of a white zero
    "mmlearn.signed",
    [*_BELOW, "#f9f9f9", *_ABOVE],
    N=255,
)

_RULES = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "figure.figsize": (7.0, 3.2),
    "figure.dpi": CSS_DPI,
    "figure.facecolor": CARD,
    "figure.constrained_layout.use": True,
    "savefig.dpi": CSS_DPI * SCALE,
    "savefig.facecolor": CARD,
    "axes.facecolor": CARD,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "axes.unicode_minus": True,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "image.cmap": SEQUENTIAL,
    "image.interpolation": "nearest",
}


def set_style():
    """Make the course's look matplotlib's default for this session. Draws nothing and may be called twice."""
    matplotlib.rcParams.update(_RULES)


def in_style():
    """A context in which figures take the course's look, whatever the session's settings are."""
    return matplotlib.rc_context(_RULES)


def luminance(colour):
    """Relative luminance of an sRGB colour, 0 (black) to 1 (white), as WCAG 2.2 defines it. colour: name, hex or (..., 3)."""
    rgb = np.asarray(to_rgb(colour) if isinstance(colour, str) else colour, dtype=float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """WCAG 2.2 contrast ratio of two colours, 1 to 21; text needs 4.5.

    >>> round(contrast("black", "white"), 1)
    21.0
    """
    dark, light = sorted((float(luminance(one)), float(luminance(other))))
    return (light + 0.05) / (dark + 0.05)


def text_on(background):
    """Whether white reads better than black on each background; the better one has a contrast of at least 4.5.

    background: (..., 3) in [0, 1]; returns (...) bool.
    """
    ground = luminance(background) + 0.05
    return 1.05 / ground > ground / 0.05
