"""A card measured in CSS pixels, and the few things that figures put on it: cells with numbers, pictures, colour bars, words."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from mmlearn.show.style import CARD, CSS_DPI, HAIRLINE, INK, MUTED, SCALE, SIGNED, text_on

POINTS = 72 / CSS_DPI  # points in a CSS pixel
_SMALLEST = 8.5  # CSS pixels of the smallest number worth printing
_QUIET = "#6b7279"  # numbers that matter less: zeros


_EM = 100  # the size at which outlines of words are kept
_CANVAS = "canvas of mmlearn.show"


class Box(NamedTuple):
    """A rectangle on the canvas, in CSS pixels from the top left."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self):
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def overlaps(self, other):
        """Whether they share more than an edge.

        >>> Box(0, 0, 2, 2).overlaps(Box(1, 1, 3, 3)), Box(0, 0, 2, 2).overlaps(Box(2, 0, 3, 2))
        (True, False)
        """
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def canvas(width, height):
    """An empty card, (figure, axes), whose axes count CSS pixels from its top left corner. Nothing on it moves by itself."""
    fig = Figure(figsize=(width / CSS_DPI, height / CSS_DPI), dpi=CSS_DPI * SCALE, layout="none", facecolor=CARD, label=_CANVAS)
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(height, 0))
    return fig, axes


def is_canvas(fig):
    """Whether a figure was made by ``canvas``, and so is shown as it stands instead of cut to its contents."""
    return fig.get_label() == _CANVAS


def number(value, digits=2):
    """A number as a cell prints it: whole numbers whole, others to so many digits, with a true minus sign.

    >>> number(-3.0), number(0.256), number(0.0004), number(12345678.0)
    ('−3', '0.26', '4e−4', '1.2e7')
    """
    value = float(value)
    size = abs(value)
    if value.is_integer() and size < 1e5:
        text = f"{value:.0f}"
    elif size >= 1e5 or size < 0.5 * 10**-digits:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    else:
        text = f"{value:.{digits}f}"
    return ("0" if text == "-0" else text).replace("-", "−")


def write(axes, x, y, text, size=13, colour=INK, align="center", weight="normal"):
    """Words on the canvas, centred vertically on y. size: CSS pixels."""
    style = {"fontsize": size * POINTS, "color": colour, "weight": weight, "family": "DejaVu Sans"}
    return axes.text(x, y, text, ha=align, va="center_baseline", **style)


def text_width(text, size=13):
    """About how many CSS pixels a line of text takes."""
    return 0.6 * size * len(text)


def colours_of(values, cmap, vmin, vmax):
    """The RGB colour of each value. values: (...); returns (..., 3) in [0, 1]."""
    cmap = colormaps[cmap] if isinstance(cmap, str) else cmap
    return cmap(Normalize(vmin, vmax, clip=True)(values))[..., :3]


def draw_picture(axes, rgb, left, top, width, height, zorder=1):
    """A picture with square, unsmoothed pixels where it is enlarged. rgb: (H, W, 3) in [0, 1]; returns its Box."""
    box = Box(left, top, left + width, top + height)
    extent = (box.left, box.right, box.bottom, box.top)
    axes.imshow(np.clip(rgb, 0, 1), extent=extent, aspect="auto", interpolation="antialiased", zorder=zorder)
    return box


def cell_number(value, digits=2):
    """A number as a cell of a grid prints it: whole or with a fixed count of digits, so that neighbours line up.

    >>> cell_number(2.0), cell_number(-0.375), cell_number(-0.0004)
    ('2', '−0.38', '0.00')
    """
    text = f"{value:.0f}" if float(value).is_integer() else f"{value:.{digits}f}"
    return text.replace("-", "") if float(text) == 0 else text.replace("-", "−")


def cell_text_size(texts, size):
    """The largest text, in CSS pixels, that fits every string into a cell of that size; 0 where it would be too small to read."""
    longest = max(len(text) for row in texts for text in row)
    fitting = min(0.42 * size, 14, 1.45 * size / max(longest, 1))
    return fitting if fitting >= _SMALLEST else 0


def draw_cells(axes, values, left, top, size, *, cmap=SIGNED, limits, texts=None, text_size=None, quiet_zeros=False):
    """A small array as coloured squares with words in them. values: (R, C); size: CSS pixels a cell; returns its Box.

    limits: (lowest, highest) of the colour scale. texts: R rows of C strings, printed where they are large enough to read.
    """
    rows, columns = values.shape
    box = Box(left, top, left + columns * size, top + rows * size)
    rgb = colours_of(values, cmap, *limits)
    axes.imshow(rgb, extent=(box.left, box.right, box.bottom, box.top), aspect="auto", interpolation="nearest", zorder=1)
    if size >= 6:
        lines = [[(left, y), (box.right, y)] for y in np.linspace(top, box.bottom, rows + 1)]
        lines += [[(x, top), (x, box.bottom)] for x in np.linspace(left, box.right, columns + 1)]
        axes.add_collection(LineCollection(lines, colors=HAIRLINE, linewidths=0.8 * POINTS, zorder=2))
    else:
        outline(axes, box, HAIRLINE, 0.8)
    text_size = cell_text_size(texts, size) if texts and text_size is None else text_size
    if texts and text_size:
        white = text_on(rgb)
        places = {}
        for r, c in np.ndindex(rows, columns):
            colour = _QUIET if quiet_zeros and values[r, c] == 0 else "white" if white[r, c] else "black"
            places.setdefault((texts[r][c], colour), []).append((left + (c + 0.5) * size, top + (r + 0.5) * size))
        for (text, colour), centres in places.items():
            _write_often(axes, centres, text, text_size, colour)
    return box


def _write_often(axes, centres, text, size, colour):
    """The same word at many places: drawn as one shape, which is far quicker than as many texts."""
    shape = _glyphs(text)
    axes.add_collection(
        PathCollection(
            [shape],
            sizes=None,
            offsets=centres,
            offset_transform=axes.transData,
            transform=Affine2D().scale(size * SCALE / _EM),
            facecolors=colour,
            linewidths=0,
            zorder=3,
        )
    )


@lru_cache(maxsize=4096)
def _glyphs(text):
    """The outline of a word, centred on the origin by its width and the height of a digit."""
    path = TextPath((0, 0), text, size=_EM, prop=FontProperties(family="DejaVu Sans"))
    box = path.get_extents()
    return path.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -0.365 * _EM))


def cell_texts(values, digits=2):
    """The numbers of an array as a grid prints them. values: (R, C); returns R rows of C strings."""
    return [[cell_number(value, digits) for value in row] for row in values]


def outline(axes, box, colour=INK, width=2.0, dashed=False):
    """A frame around a Box; width in CSS pixels."""
    _rectangle(
        axes, box, fill=False, edgecolor=colour, linewidth=width * POINTS, linestyle=(0, (3, 2)) if dashed else "solid", zorder=4
    )


def hatch(axes, box):
    """The ground of padding: pale, with diagonal lines."""
    with rc_context({"hatch.linewidth": 0.5}):
        _rectangle(axes, box, facecolor="#eff1f3", edgecolor="#b9bec4", linewidth=0.5, hatch="/////", zorder=0.5)


def _rectangle(axes, box, **style):
    axes.add_patch(Rectangle((box.left, box.top), box.right - box.left, box.bottom - box.top, joinstyle="miter", **style))


def rule(axes, start, end, colour=MUTED, width=1.0, alpha=1.0):
    """A straight line from one point to another, (x, y) each."""
    axes.add_collection(LineCollection([[start, end]], colors=colour, linewidths=width * POINTS, alpha=alpha, zorder=3))


def cell_box(box, size, row, column, rows=1, columns=1):
    """The Box of a block of cells inside a grid drawn at box."""
    left, top = box.left + column * size, box.top + row * size
    return Box(left, top, left + columns * size, top + rows * size)


def frame_cells(axes, box, size, cells, colour=INK, width=2.0):
    """One frame around all the cells, (row, column), that touch; those of a window share its border."""
    cells = set(cells)
    lines = []
    for row, column in cells:
        cell = cell_box(box, size, row, column)
        if (row - 1, column) not in cells:
            lines.append([(cell.left, cell.top), (cell.right, cell.top)])
        if (row + 1, column) not in cells:
            lines.append([(cell.left, cell.bottom), (cell.right, cell.bottom)])
        if (row, column - 1) not in cells:
            lines.append([(cell.left, cell.top), (cell.left, cell.bottom)])
        if (row, column + 1) not in cells:
            lines.append([(cell.right, cell.top), (cell.right, cell.bottom)])
    axes.add_collection(LineCollection(sorted(lines), colors=colour, linewidths=width * POINTS, capstyle="projecting", zorder=4))


def colour_bar(axes, left, top, width, cmap, vmin, vmax, digits=2, beyond=(False, False)):
    """A horizontal scale with its ends, and zero where it lies between them, written underneath. Takes 28 px of height.

    beyond: whether there are values below the lower end, and above the upper one, which get the colour of that end
    """
    ramp = colours_of(np.linspace(vmin, vmax, 256)[None], cmap, vmin, vmax)
    axes.imshow(ramp, extent=(left, left + width, top + 8, top), aspect="auto", interpolation="bilinear")
    marks = [vmin, vmax] if vmin >= 0 or vmax <= 0 else [vmin, 0.0, vmax]
    for value in marks:
        x = left + width * (value - vmin) / ((vmax - vmin) or 1)
        align = "left" if value == vmin else "right" if value == vmax else "center"
        sign = "≤ " if value == vmin and beyond[0] else "≥ " if value == vmax and beyond[1] else ""
        write(axes, x, top + 19, sign + number(value, digits), 11, MUTED, align)
