"""The LSTM cell as a picture: the cell's straight way above, the gates that open and close it below."""

from itertools import pairwise

from matplotlib.patches import Circle, FancyBboxPatch

from mmlearn.show.canvas import POINTS, canvas, cell_number, write
from mmlearn.show.figures import figure
from mmlearn.show.pieces import rules
from mmlearn.show.style import CARD, COLOURS, INK, MUTED

_WIDTH, _HEIGHT = 720, 336
_BELT, _MEET, _GATES, _SUMS = 62, 142, 222, 296  # heights: the cell's way, the products, the gates, what all of them read
_F, _I, _G, _O, _OUT = 190, 320, 430, 530, 600  # from the left
_PLUS = (_I + _G) / 2
_NAMES = ("i", "f", "g", "o", "c", "h")


def lstm_diagram(values=None, before=None):
    """Display how one step of an LSTM is computed, as arrows from x_t, h_{t−1} and c_{t−1} to c_t and h_t.

    values: the numbers of one unit to write at the arrows, by the names i, f, g, o, c, h   before: c_{t−1}; both or none
    Raises ValueError naming a number that is missing.
    """
    values = dict(values or {})
    if values or before is not None:
        missing = [name for name in _NAMES if name not in values] + ["before"] * (before is None)
        if missing:
            raise ValueError(f"values hold i, f, g, o, c, h, and before is the old cell; missing: {', '.join(missing)}")
    fig, axes = canvas(_WIDTH, _HEIGHT)
    _arrows(axes)
    for x, name, function in ((_F, "f", "σ"), (_I, "i", "σ"), (_G, "g", "tanh"), (_O, "o", "σ")):
        _box(axes, x, _GATES, function)
        write(axes, x + 33, _GATES - 26, name, 14, COLOURS.blue, "center", "bold")
    _box(axes, _OUT, (_BELT + _MEET) / 2, "tanh")
    for x, y, sign in ((_F, _BELT, "×"), (_PLUS, _BELT, "+"), (_PLUS, _MEET, "×"), (_OUT, _MEET, "×")):
        axes.add_patch(Circle((x, y), 13, facecolor=CARD, edgecolor=COLOURS.vermilion, linewidth=1.8 * POINTS, zorder=5))
        write(axes, x, y, sign, 17, COLOURS.vermilion).set_zorder(6)
    _words(axes, values, before)
    figure(fig, _describe(values, before))


def _arrows(axes):
    belt = [((64, _BELT), (_F - 13, _BELT)), ((_F + 13, _BELT), (_PLUS - 13, _BELT)), ((_PLUS + 13, _BELT), (668, _BELT))]
    others = [
        ((_F, _GATES - 15), (_F, _BELT + 13)),
        ((_I, _GATES - 15), (_I, _MEET), (_PLUS - 13, _MEET)),
        ((_G, _GATES - 15), (_G, _MEET), (_PLUS + 13, _MEET)),
        ((_PLUS, _MEET - 13), (_PLUS, _BELT + 13)),
        ((_OUT, _BELT), (_OUT, (_BELT + _MEET) / 2 - 15)),
        ((_OUT, (_BELT + _MEET) / 2 + 15), (_OUT, _MEET - 13)),
        ((_O, _GATES - 15), (_O, _MEET), (_OUT - 13, _MEET)),
        ((_OUT + 13, _MEET), (668, _MEET)),
        *(((x, _SUMS), (x, _GATES + 15)) for x in (_F, _I, _G, _O)),
    ]
    rules(axes, [((108, _SUMS), (_O, _SUMS))], INK, 1.6)
    for points, colour, width in [*((line, COLOURS.vermilion, 3.2) for line in belt), *((line, INK, 1.6) for line in others)]:
        rules(axes, list(pairwise(points)), colour, width)
        style = {
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": width * POINTS,
            "mutation_scale": 11,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        (x0, y0), end = points[-2:]
        away = max(abs(end[0] - x0), abs(end[1] - y0))
        start = tuple(e - 12 * (e - s) / away for e, s in zip(end, (x0, y0), strict=True))
        axes.annotate("", end, start, arrowprops=style, zorder=4)


def _box(axes, x, y, text):
    box = FancyBboxPatch(
        (x - 22, y - 15), 44, 30, boxstyle="round,pad=0,rounding_size=5", fc="#d7e4f5", ec=COLOURS.blue, lw=1.3 * POINTS, zorder=5
    )
    axes.add_patch(box)
    write(axes, x, y, text, 13, INK).set_zorder(6)


def _words(axes, values, before):
    for x, y, text in ((34, _BELT, "c"), (690, _BELT, "c"), (690, _MEET, "h")):
        weight = f"{text}ₜ" if x > 100 else f"{text}ₜ₋₁"
        write(axes, x, y, weight, 16, INK, "center", "bold")
    write(axes, 56, _SUMS, "xₜ and hₜ₋₁", 14, INK, "center", "bold")
    for x, y, text in (
        (_F, _SUMS + 20, "what to keep?"),
        (_I, _SUMS + 20, "write it?"),
        (_G, _SUMS + 20, "what is new?"),
        (_O + 6, _SUMS + 20, "show it?"),
    ):
        write(axes, x, y, text, 12, MUTED)
    write(axes, 34, _BELT - 28, "the cell", 12, COLOURS.vermilion)
    if not values:
        return
    numbers = {name: cell_number(float(values[name])) for name in _NAMES}
    kept, written = float(values["f"]) * float(before), float(values["i"]) * float(values["g"])
    for x, y, text in (
        (124, _BELT - 16, cell_number(float(before))),
        ((_F + _PLUS) / 2, _BELT - 16, cell_number(kept)),
        (_F + 26, _MEET, numbers["f"]),
        (_I - 24, _MEET + 30, numbers["i"]),
        (_G + 26, _MEET + 30, numbers["g"]),
        (_PLUS + 27, (_BELT + _MEET) / 2 + 2, cell_number(written)),
        (_O - 24, _MEET + 30, numbers["o"]),
        ((_PLUS + _OUT) / 2, _BELT - 16, numbers["c"]),
        (642, _MEET - 16, numbers["h"]),
    ):
        write(axes, x, y, text, 13, COLOURS.mauve, "center", "bold")


def _describe(values, before):
    text = (
        "A diagram. The old cell runs straight from left to right: it is multiplied by the forget gate f, then the product of "
        "input gate i and candidate g is added, and the result is the new cell. A branch goes through tanh and is multiplied "
        "by the output gate o, which gives the new state. The three gates and the candidate read the input and the old state."
    )
    if values:
        numbers = ", ".join(f"{name} = {cell_number(float(values[name]))}" for name in _NAMES)
        text += f" With the old cell {cell_number(float(before))}: {numbers}."
    return text
