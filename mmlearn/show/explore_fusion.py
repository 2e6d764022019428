"""Chapter 15's figure: swap the fusion, watch its accuracy against its ceilings, and see which pairs of symbols it gets wrong."""

import numpy as np

from mmlearn.show.canvas import POINTS, Box, canvas, draw_cells, write
from mmlearn.show.ceilings import CEILINGS, names_of
from mmlearn.show.pieces import count_of, dots, listed, rules, width_of, wrapped, write_many
from mmlearn.show.style import CARD, COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

_WIDTH = 720
_CHART = Box(54, 78, 486, 250)
_LEVELS = names_of(("picture", "text"))[1]
_NONE = "nothing"
_ANY = "anything"  # the name of a side's only symbol, which tells nothing


def fusion_explorer(runs, ceilings, symbols, *, task=None, operator=None, beside=None, formulas=None):
    """Display the accuracy of one fusion on one task, epoch by epoch, against the task's ceilings, and its answers pair by pair.

    runs: {task: {operator: (curve, right)}}: curve (S, E) the test accuracy in [0, 1] of S seeds after each of E epochs; right
        (A, B) the share of right answers for each picture symbol a and text symbol b at the end, NaN for pairs that never occur
    ceilings: {task: mmlearn.data.ceilings.Ceilings}   symbols: {task: (names of a, names of b)}
    task, operator, beside: what is shown first; beside is a second operator for comparison, None for none
    formulas: {operator: what it computes, in a line}
    The handle's ``state`` holds curve (S, E), other (S, E) or None, right (A, B), and levels {ceiling: accuracy}, among others.
    Raises ValueError where the shapes do not belong together or a setting is not offered.
    """
    tasks, operators = [*runs], [*next(iter(runs.values()), {})]
    _check(runs, ceilings, symbols, operators)
    task = _choice("task", tasks[0] if task is None else task, tasks)
    operator = _choice("operator", operators[0] if operator is None else operator, operators)
    beside = _choice("beside", _NONE if beside is None else beside, [_NONE, *operators])

    import ipywidgets

    def menu(options, value, words):
        return ipywidgets.Dropdown(options=options, value=value, description=words)

    def compute(task, operator, beside):
        curve, right = (np.asarray(part, dtype=float) for part in runs[task][operator])
        other = None if beside in (_NONE, operator) else np.asarray(runs[task][beside][0], dtype=float)
        return {
            "task": task,
            "operator": operator,
            "formula": (formulas or {}).get(operator, ""),
            "beside": beside,
            "curve": curve,
            "other": other,
            "right": right,
            "names": tuple(tuple(name or _ANY for name in side) for side in symbols[task]),
            "levels": {name: ceilings[task]._asdict()[name].accuracy for name in CEILINGS if name != "majority"},
        }

    controls = {
        "task": menu(tasks, task, "task"),
        "operator": menu(operators, operator, "fusion"),
        "beside": menu([_NONE, *operators], beside, "beside it"),
    }
    return interactive(_draw, _describe, note=_explain, compute=compute, **controls)


def _choice(name, value, offered):
    if value not in offered:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, offered))}; got {value!r}")
    return value


def _check(runs, ceilings, symbols, operators):
    if not runs or not operators:
        raise ValueError("runs must hold at least one task with at least one operator: {task: {operator: (curve, right)}}")
    for task, found in runs.items():
        if list(found) != operators:
            raise ValueError(f"every task needs the same operators, {', '.join(operators)}; {task!r} has {', '.join(found)}")
        for name, given in (("ceilings", ceilings), ("symbols", symbols)):
            if task not in given:
                raise ValueError(f"{name} lacks {task!r}; it has {', '.join(map(repr, given))}")
        shape = tuple(len(side) for side in symbols[task])
        for operator, (curve, right) in found.items():
            if np.ndim(curve) != 2 or 0 in np.shape(curve):
                raise ValueError(f"the curve of {operator!r} on {task!r} must be (seeds, epochs); got {np.shape(curve)}")
            if np.shape(right) != shape:
                raise ValueError(f"the pairs of {operator!r} on {task!r} must be {shape}, as its symbols; got {np.shape(right)}")


def _draw(task, operator, formula, beside, curve, other, right, names, levels):
    A, B = right.shape
    size = min(40, (_WIDTH - 170) / A)
    fig, axes = canvas(_WIDTH, 306 + size * B + 44)
    write(axes, 14, 18, f"{operator} on {task}", 14.5, INK, "left", "bold")
    write(axes, 14, 40, formula, 12.5, MUTED, "left")
    _chart(axes, curve, other, beside, levels)
    _pairs(axes, right, names, size)
    return fig


def _chart(axes, curve, other, beside, levels):
    box, epochs = _CHART, curve.shape[1]
    wide, tall = box.right - box.left, box.bottom - box.top

    def place(values):
        x = box.left + wide * (np.arange(1, epochs + 1) - 1) / max(epochs - 1, 1)
        return np.stack([x[: len(values)], box.bottom - tall * np.asarray(values)], 1)

    ticks = np.linspace(0, 1, 5)
    rules(axes, [((box.left, box.bottom - tall * t), (box.right, box.bottom - tall * t)) for t in ticks], HAIRLINE, zorder=0.5)
    write_many(axes, [(box.left - 8, box.bottom - tall * t, f"{100 * t:.0f}", "right") for t in ticks], 11, MUTED)
    write(axes, 14, box.top - 12, "% right on the test", 11.5, MUTED, "left")
    numbers = [e for e in range(1, epochs + 1) if epochs <= 12 or e in (1, epochs)]
    x = place(np.zeros(epochs))[:, 0]
    write_many(axes, [(x[e - 1], box.bottom + 13, str(e), "center") for e in numbers], 11, MUTED)
    write(axes, box.right + 12, box.bottom + 13, "epoch", 11.5, MUTED, "left")
    _levels(axes, levels)
    if other is not None:
        mean = place(other.mean(0))
        axes.plot(*mean.T, color=CARD, lw=4 * POINTS, zorder=3.1)  # or a ceiling in the same place would hide it
        axes.plot(*mean.T, color=MUTED, lw=1.6 * POINTS, ls=(0, (1.2, 1.6)), zorder=3.2)
        dots(axes, mean[-1:], 3, MUTED)
        inwards = 13 if other[:, -1].mean() > curve[:, -1].mean() else -13  # the room between the two ends
        apart = abs(other[:, -1].mean() - curve[:, -1].mean()) > 0.15
        side = "right" if epochs > 1 else "left"
        write(axes, mean[-1, 0], mean[-1, 1] + (inwards if apart else -inwards), beside, 11.5, MUTED, side)
    for one in curve:
        axes.plot(*place(one).T, color=COLOURS.mauve, lw=1 * POINTS, alpha=0.55, zorder=3.4)
    mean = place(curve.mean(0))
    axes.plot(*mean.T, color=COLOURS.mauve, lw=2.6 * POINTS, zorder=3.6)
    dots(axes, mean[-1:], 4.5, COLOURS.mauve)


def _levels(axes, levels):
    """The ceilings as dashed lines with their names at the right, pushed apart where they would lie on each other."""
    box = _CHART
    tall = box.bottom - box.top
    groups = {}
    for name, value in levels.items():
        groups.setdefault(round(value, 4), []).append(name)
    low = box.bottom + 2
    for value in sorted(groups):
        name = groups[value][-1]
        colour, dashes = CEILINGS[name]
        y = box.bottom - tall * value
        axes.plot(
            [box.left, box.right + 8], [y, y], color=colour, lw=1.4 * POINTS, ls="-" if dashes is None else (0, dashes), zorder=2
        )
        words = f"{listed([_LEVELS[name] for name in groups[value]])}: {100 * value:.1f}"
        lines = wrapped(words, _WIDTH - box.right - 26, 12)
        middle = min(y, low - 8 * len(lines))
        for n, line in enumerate(lines):
            write(axes, box.right + 14, middle + 15 * (n - (len(lines) - 1) / 2), line, 12, colour, "left")
        low = middle - 8 * len(lines)


def _pairs(axes, right, names, size):
    left = max(100, 24 + max(width_of(name, 12) for name in names[1]))
    top = 320
    write(axes, 14, 286, "Right answers for each pair, %", 13.5, INK, "left", "bold")
    write(axes, 250, 286, "across: what the picture shows; down: what the text says", 12, MUTED, "left")
    texts = [["–" if np.isnan(value) else f"{100 * value:.0f}" for value in row] for row in right.T]
    box = draw_cells(axes, np.nan_to_num(right.T, nan=0.5) - 0.5, left, top, size, limits=(-0.62, 0.62), texts=texts)
    write_many(axes, [(left - 8, top + (b + 0.5) * size, name, "right") for b, name in enumerate(names[1])], 12, INK)
    shown = [(left + (a + 0.5) * size, top - 10, _short(name, size), "center") for a, name in enumerate(names[0])]
    write_many(axes, shown, 11, INK)
    if np.isnan(right).any():
        write(axes, box.right + 12, box.middle[1], "–: never occurs", 11.5, MUTED, "left")


def _short(name, room):
    """A symbol's name, or the first letters of its words where there is no room."""
    return name if width_of(name, 11) <= room + 2 else "·".join(word[0] for word in name.split(", "))


def _ends(curve):
    mean, spread = 100 * curve[:, -1].mean(), 100 * curve[:, -1].std(ddof=min(1, len(curve) - 1))
    return f"{mean:.1f} ± {spread:.1f} %"


def _explain(operator, beside, curve, other, right, names, levels, **_):
    said = f"{operator} ends at {_ends(curve)} ({count_of(len(curve), 'seed')}); "
    said += f"the additive ceiling is {100 * levels['additive']:.1f} %, that of both {100 * levels['both']:.1f} %."
    if other is not None:
        said += f" {beside}, dotted, ends at {_ends(other)}."
    worst = np.unravel_index(np.nanargmin(right), right.shape)
    pair = " with ".join(f"“{side[place]}”" for side, place in zip(names, worst, strict=True))
    return f"{said} Worst pair: {pair}, {right[worst]:.0%} right."


def _describe(task, operator, formula, curve, right, names, levels, **state):
    said = _explain(operator=operator, curve=curve, right=right, names=names, levels=levels, **state)
    epochs = ", ".join(f"{100 * value:.0f}" for value in curve.mean(0))
    lines = ", ".join(f"{_LEVELS[name]} {100 * value:.1f}" for name, value in levels.items())
    rows = "; ".join(
        f"{name}: " + " ".join("–" if np.isnan(value) else f"{100 * value:.0f}" for value in row)
        for name, row in zip(names[1], right.T, strict=True)
    )
    return (
        f"{operator}{f', {formula},' if formula else ''} on {task}. Mean accuracy by epoch, %: {epochs}. "
        f"Ceilings, %: {lines}. {said} Percent right, a row for each text symbol, a column for each of "
        f"{', '.join(names[0])}: {rows}."
    )
