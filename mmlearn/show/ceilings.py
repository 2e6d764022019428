"""Where a label's bits are, and how near to its ceiling a model comes."""

import numpy as np
from matplotlib.patches import Rectangle

from mmlearn.show.canvas import POINTS, Box, canvas, write
from mmlearn.show.figures import check_alt, figure
from mmlearn.show.pieces import count_of, dots, listed, rules, width_of, wrapped, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED

PARTS = {  # part of a Decomposition → its colour; in this order what one input tells is one piece of the bar
    "unique_a": COLOURS.blue,
    "redundancy": COLOURS.green,
    "unique_b": COLOURS.vermilion,
    "synergy": COLOURS.mauve,
}
CEILINGS = {  # field of Ceilings → colour and dashes
    "majority": (MUTED, (1, 2)),
    "a": (COLOURS.blue, (5, 2)),
    "b": (COLOURS.vermilion, (5, 2)),
    "additive": (COLOURS.indigo, (9, 2)),
    "both": (INK, None),
}
_DOTS = list(zip((COLOURS.indigo, COLOURS.mauve, COLOURS.green, COLOURS.ink, COLOURS.vermilion), "oDs^v", strict=True))


def names_of(inputs):
    """What the parts and the ceilings are called when the two inputs are called so."""
    one, other = inputs
    parts = {
        "unique_a": f"unique to {one}",
        "redundancy": "redundant",
        "unique_b": f"unique to {other}",
        "synergy": "synergistic",
    }
    levels = {"majority": "chance", "a": f"{one} only", "b": f"{other} only", "additive": "additive", "both": "both"}
    return parts, levels


def decomposition(tasks, *, inputs=("image", "text"), alt=None, width=700, caption=None):
    """Display where the bits about each label are: redundant, unique to one input, synergistic, as stacked bars.

    tasks: {name: a Task, a Decomposition, or a table P[a, b, y]}. inputs: what a and b are called.
    Raises ValueError without a task, and on a value that is none of these.
    """
    found = {str(name): _decomposed(name, value) for name, value in _named(tasks, "tasks").items()}
    names, _ = names_of(inputs)
    totals = {name: sum(getattr(parts, part) for part in PARTS) for name, parts in found.items()}
    alt = _told(found, totals, names) if alt is None else alt
    check_alt(alt)
    left = 24 + max(width_of(name, 13) for name in found)
    left = min(left, 200)
    top, pitch = 46, 34
    fig, axes = canvas(width, top + pitch * len(found) + 34)
    _legend(axes, left, [(names[part], colour) for part, colour in PARTS.items()], 17)
    most = max(*totals.values(), 0.1)
    scale = (width - left - 110) / most  # CSS pixels a bit
    bottom = top + pitch * len(found)
    step = next(step for step in (0.1, 0.25, 0.5, 1, 2, 5) if most / step <= 6)
    ticks = np.arange(0, most * 1.001, step)
    rules(axes, [((left + tick * scale, top - 6), (left + tick * scale, bottom)) for tick in ticks], HAIRLINE, zorder=0.5)
    labels = [(left + t * scale, bottom + 12, f"{t:g}" + (" bits" if t == ticks[-1] else ""), "center") for t in ticks]
    write_many(axes, labels, 11, MUTED)
    for row, (name, parts) in enumerate(found.items()):
        y = top + row * pitch
        write(axes, left - 12, y + 12, _shortened(name, left - 20), 13, INK, "right")
        end = draw_parts(axes, left, y, 24, scale, parts)
        write(axes, end + 10, y + 12, f"{totals[name]:.2f} bits", 12, INK if totals[name] else MUTED, "left")
    figure(fig, alt, caption=caption)


def draw_parts(axes, left, top, height, scale, parts):
    """One stacked bar, its numbers inside where they fit; returns where it ends. scale: CSS pixels a bit."""
    x = left
    for part, colour in PARTS.items():
        bits = getattr(parts, part)
        wide = bits * scale
        if wide > 0.3:
            axes.add_patch(Rectangle((x, top), wide, height, facecolor=colour, edgecolor="#fcfcfa", linewidth=POINTS, zorder=2))
            if wide > 34:
                write(axes, x + wide / 2, top + height / 2, f"{bits:.2f}", 12, "white")
        x += wide
    return x


def measured_against_ceilings(measured, ceilings, *, inputs=("image", "text"), alt=None, width=720, caption=None):
    """Display the accuracies that were measured, a dot for each seed, against those that theory gives.

    The additive line is where the least cross-entropy of a sum lies, for that is what training seeks. It bounds no accuracy:
    another sum may be right more often (``data.best_additive_accuracy``). The other lines are bounds.
    measured: {task: {model: accuracies in [0, 1], one for each seed}}.
    ceilings: {task: a Task or a Ceilings}. inputs: what a and b are called.
    At the right stand mean and standard deviation over the seeds, in percent.
    Raises ValueError on a task without ceilings, and on accuracies outside [0, 1].
    """
    runs = {str(task): _runs(task, models) for task, models in _named(measured, "measured").items()}
    if missing := [task for task in runs if task not in ceilings]:
        raise ValueError(
            f"no ceilings for {', '.join(missing)}; there are ceilings for {', '.join(map(str, ceilings)) or 'none'}"
        )
    levels = {task: _levels(task, ceilings[task]) for task in runs}
    _, names = names_of(inputs)
    alt = _compared(runs, levels, names) if alt is None else alt
    check_alt(alt)
    models = list(dict.fromkeys(model for each in runs.values() for model in each))
    looks = {model: _DOTS[index % len(_DOTS)] for index, model in enumerate(models)}
    left = min(max(24 + max(width_of(model, 12) for model in models), 96), 190)
    axis = Box(left, 10, width - 108, 0)
    marks = {task: _marks(values, names, axis) for task, values in levels.items()}
    heights = {task: 16 * (1 + max(mark[-1] for mark in marks[task])) + 21 * len(runs[task]) + 26 for task in runs}
    fig, axes = canvas(width, 14 + sum(heights.values()) + 22)
    top = 14
    for task, each in runs.items():
        lanes = top + 16 * (1 + max(mark[-1] for mark in marks[task])) + 10
        bottom = lanes + 21 * len(each)
        write(axes, 10, lanes - 12, _shortened(task, left - 16), 13.5, INK, "left", "bold")
        ground = Rectangle((axis.left, lanes), axis.right - axis.left, bottom - lanes, facecolor="#f1f3f4", zorder=0.2)
        axes.add_patch(ground)
        for x, text, colour, dashes, thick, at, level in marks[task]:
            line = axes.plot([x, x], [lanes - 6 - 16 * level, bottom], color=colour, linewidth=thick * POINTS, zorder=1)[0]
            if dashes:
                line.set_dashes([part / thick for part in dashes])
            write(axes, at, lanes - 13 - 16 * level, text, 11.5, INK if colour == INK else colour).set_bbox(
                {"facecolor": "#fcfcfa", "edgecolor": "none", "pad": 0.8}
            )
        for row, (model, values) in enumerate(each.items()):
            y = lanes + 21 * row + 10.5
            colour, marker = looks[model]
            write(axes, left - 10, y, _shortened(model, left - 16), 12, colour, "right")
            x = axis.left + values * (axis.right - axis.left)
            spread = 3.2 * (np.arange(len(values)) - (len(values) - 1) / 2) if len(values) <= 4 else np.zeros(len(values))
            dots(axes, np.stack([x, y + spread], 1), 4, colour, marker, "white", zorder=4)
            write(axes, width - 10, y, _summary(values), 12, INK, "right")
        top += heights[task]
    places = {percent: axis.left + percent / 100 * (axis.right - axis.left) for percent in (0, 25, 50, 75, 100)}
    write_many(axes, [(x, top - 4, f"{percent} %", "center") for percent, x in places.items()], 11, MUTED)
    write(axes, width - 10, top - 4, "mean ± s.d.", 11, MUTED, "right")
    figure(fig, alt, caption=caption)


def group(levels, names):
    """Ceilings that coincide, as one: [(accuracy, [fields], "additive = both")], from low to high."""
    groups = []
    for field in names:
        value = levels[field]
        same = next((known for known in groups if abs(known[0] - value) < 5e-4), None)
        if same:
            same[1].append(field)
        else:
            groups.append((value, [field]))
    return [(value, fields, " = ".join(names[field] for field in fields)) for value, fields in sorted(groups, key=lambda g: g[0])]


def percent(value):
    """A share as a percentage with one decimal; whole ones whole.

    >>> percent(0.625), percent(0.5)
    ('62.5 %', '50 %')
    """
    return f"{100 * value:.1f}".removesuffix(".0") + " %"


def _marks(levels, names, axis):
    """Each ceiling's line and label: [(x, text, colour, dashes, width, where the label's middle is, how high it is)]."""
    marks, ends = [], []
    for value, fields, name in group(levels, names):
        colour, dashes = CEILINGS[fields[-1]]
        x = axis.left + value * (axis.right - axis.left)
        text = f"{name} {percent(value)}"
        half = width_of(text, 11.5) / 2
        at = min(max(x, axis.left + half), axis.right + 100 - half)
        level = next(level for level in range(9) if level >= len(ends) or ends[level] < at - half - 8)
        ends[level : level + 1] = [at + half]
        marks.append((x, text, colour, dashes, 2 if fields[-1] == "both" else 1.6, at, level))
    return marks


def _named(values, what):
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{what} must be {{name: …}} with at least one task; got {values!r:.60}")
    return values


def _decomposed(name, value):
    from mmlearn.data.decomposition import decompose

    if all(hasattr(value, part) for part in PARTS):
        return value
    if hasattr(value, "decomposition"):
        return value.decomposition
    if hasattr(value, "shape") or isinstance(value, list | tuple):
        return decompose(value)
    raise ValueError(f"{name} must be a Task, a Decomposition or a table P[a, b, y]; got {type(value).__name__}")


def _levels(task, value):
    """{field: accuracy}."""
    value = getattr(value, "ceilings", value)
    if not all(hasattr(value, field) for field in CEILINGS):
        raise ValueError(f"the ceilings of {task} must be a Task or a Ceilings; got {type(value).__name__}")
    return {field: float(getattr(value, field).accuracy) for field in CEILINGS}


def _runs(task, models):
    if not isinstance(models, dict) or not models:
        raise ValueError(f"measured[{task!r}] must be {{model: accuracies}}; got {models!r:.60}")
    found = {}
    for model, values in models.items():
        array = np.atleast_1d(np.asarray(values, dtype=float)).ravel()
        if not len(array) or not np.isfinite(array).all():
            raise ValueError(f"the accuracies of {model} on {task} must be finite numbers, one a seed; got {values!r:.60}")
        if array.min() < 0 or array.max() > 1:
            hint = ": divide percentages by 100" if array.max() > 1 else ""
            raise ValueError(f"accuracies lie in [0, 1]; {model} on {task} has {array.min():g} to {array.max():g}{hint}")
        found[str(model)] = array
    return found


def _summary(values):
    mean = f"{100 * values.mean():.1f}"
    return f"{mean} ± {100 * values.std(ddof=1):.1f} %" if len(values) > 1 else f"{mean} %"


def _shortened(text, width, size=13):
    lines = wrapped(text, width, size)
    return lines[0] if len(lines) == 1 else f"{lines[0]} …"


def _legend(axes, left, entries, y):
    x = left
    for name, colour in entries:
        axes.add_patch(Rectangle((x, y - 6), 12, 12, facecolor=colour, zorder=2))
        write(axes, x + 18, y, name, 12, INK, "left")
        x += 36 + width_of(name, 12)


def _told(found, totals, names):
    text = f"Where the bits about the label are, for {count_of(len(found), 'task')}. "
    sentences = []
    for name, parts in found.items():
        some = [f"{getattr(parts, part):.2f} {names[part]}" for part in PARTS if getattr(parts, part) >= 0.005]
        sentences.append(f"{name}: {totals[name]:.2f} bits in all" + (f", of them {listed(some)}." if some else "."))
    return text + " ".join(sentences)


def _compared(runs, levels, names):
    sentences = []
    for task, each in runs.items():
        theory = ", ".join(f"{name} {percent(value)}" for value, _, name in group(levels[task], names))
        some = []
        for model, values in each.items():
            seeds = f" over {len(values)} seeds" if len(values) > 1 else ""
            some.append(f"{model} {_summary(values)}{seeds}")
        sentences.append(f"{task}: theory gives {theory}; measured {', '.join(some)}.")
    return "Measured accuracies against their ceilings. " + " ".join(sentences)
