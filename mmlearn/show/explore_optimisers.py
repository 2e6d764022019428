"""Chapter 03's figure: the paths of four optimisers on a loss surface with two weights."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import torch

from mmlearn.ops import learning_rate_bound
from mmlearn.ops.optimisers import adamw, rmsprop, sgd_momentum
from mmlearn.show.canvas import POINTS, Box, canvas, number, outline, write
from mmlearn.show.pieces import listed, rules, width_of, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

VALLEY, TURNED, SADDLE = "narrow valley", "narrow valley, turned", "saddle"
NAMES = {"SGD": COLOURS.blue, "momentum": COLOURS.vermilion, "RMSProp": COLOURS.green, "AdamW": COLOURS.mauve}
STEEP = 50.0  # the valley's curvatures are this and 1

_MAP, _LOSS = Box(14, 40, 434, 372), Box(486, 40, 620, 340)
_HALF = (2.2, 2.2 * (_MAP.bottom - _MAP.top) / (_MAP.right - _MAP.left))  # weights from −half to half: one scale for both axes
_FLOOR = 1e-8  # heights below are drawn here
_GONE = 1e3  # a path this far out will not be back
_MEAN = 0.9  # RMSProp's α, as in the lecture that proposed it

_C, _S = math.cos(math.pi / 4), math.sin(math.pi / 4)


def optimiser_paths(surface=VALLEY, *, lr=0.035, momentum=0.9, steps=60):
    """Display the paths of SGD, momentum, RMSProp and AdamW over a loss of two weights, and their losses by step, with controls.

    The surfaces: a valley ½(a² + 50b²) that is narrow along an axis; the same one turned by 45°, so that it runs along no axis;
    and a saddle ½a² + ¼b⁴ − ½b² with a minimum on either side. All four start at the same point and take the same learning rate.
    SGD is ``sgd_momentum`` without momentum, RMSProp has α = 0.9, and AdamW has β₁ = the momentum, β₂ = 0.999 and no weight
    decay, which would pull towards the valley's minimum.

    surface: "narrow valley", "narrow valley, turned" or "saddle". The handle's ``state`` holds paths {optimiser: (T + 1, 2) with
    T ≤ steps: a path ends where it has run away}, heights {optimiser: (T + 1,)} above the minimum, and the settings.
    """
    import ipywidgets

    if surface not in _SURFACES:
        raise ValueError(f"surface must be one of {', '.join(map(repr, _SURFACES))}; got {surface!r}")
    controls = {
        "surface": ipywidgets.Dropdown(options=list(_SURFACES), value=surface, description="surface"),
        "lr": ipywidgets.FloatLogSlider(value=lr, min=-3, max=0, step=0.05, readout_format=".3f", description="learning rate"),
        "momentum": ipywidgets.FloatSlider(value=momentum, min=0, max=0.98, step=0.02, description="momentum"),
        "steps": ipywidgets.IntSlider(value=steps, min=1, max=200, description="steps"),
    }
    return interactive(_draw, _describe, note=_explain, compute=paths, arrange=_arrange, **controls)


def paths(surface, lr, momentum, steps):
    """Everything the figure shows at one setting."""
    ground = _SURFACES[surface]
    rules_of = {
        "SGD": lambda theta, g, state: sgd_momentum(theta, g, state, lr=lr),
        "momentum": lambda theta, g, state: sgd_momentum(theta, g, state, lr=lr, momentum=momentum),
        "RMSProp": lambda theta, g, state: rmsprop(theta, g, state, lr=lr, alpha=_MEAN),
        "AdamW": lambda theta, g, state: adamw(theta, g, state, lr=lr, betas=(momentum, 0.999), weight_decay=0),
    }
    walked = {}
    for name, rule in rules_of.items():
        theta, state = torch.tensor(ground.start, dtype=torch.float64), None
        points = [theta.tolist()]
        while len(points) <= steps and theta.abs().max() < _GONE:
            theta, state = rule(theta, torch.tensor(ground.gradient(*points[-1]), dtype=torch.float64), state)
            points.append(theta.tolist())
        walked[name] = np.array(points)
    heights = {name: ground.height(*points.T) for name, points in walked.items()}
    return {"surface": surface, "lr": lr, "momentum": momentum, "steps": steps, "paths": walked, "heights": heights}


def _valley(a, b):
    return 0.5 * (a**2 + STEEP * b**2)


def _turn(a, b):
    """The coordinates along and across a valley that runs at 45°."""
    return _C * a + _S * b, _C * b - _S * a


def _turned_gradient(a, b):
    along, across = _turn(a, b)
    return _C * along - _S * STEEP * across, _S * along + _C * STEEP * across


_SURFACES = {  # the loss above its minimum, its gradient, where the paths start, and the minima
    VALLEY: SimpleNamespace(
        height=_valley, gradient=lambda a, b: (a, STEEP * b), start=(-1.9, 0.6), minima=[(0.0, 0.0)], steepest=STEEP
    ),
    TURNED: SimpleNamespace(
        height=lambda a, b: _valley(*_turn(a, b)),
        gradient=_turned_gradient,
        start=(-1.75, -0.85),
        minima=[(0.0, 0.0)],
        steepest=STEEP,
    ),
    SADDLE: SimpleNamespace(
        height=lambda a, b: 0.5 * a**2 + 0.25 * (b**2 - 1) ** 2,
        gradient=lambda a, b: (a, b**3 - b),
        start=(-1.9, 0.02),
        minima=[(0.0, 1.0), (0.0, -1.0)],
        steepest=2.0,
    ),
}


def _on_map(points):
    """Weights (T, 2) → CSS pixels (T, 2)."""
    scale = (_MAP.right - _MAP.left) / (2 * _HALF[0])
    return np.array(_MAP.middle) + points * (scale, -scale)


def _inside(points):
    return (np.abs(points) <= _HALF).all(-1)


def _draw(surface, steps, paths, heights, **_):
    fig, axes = canvas(720, 400)
    _contours(axes, surface)
    drawn = {name: _on_map(np.clip(points, -_GONE, _GONE)) for name, points in paths.items()}
    for name, points in drawn.items():
        (line,) = axes.plot(*points.T, color=NAMES[name], linewidth=1.5 * POINTS, marker="o", markersize=2.6 * POINTS, zorder=3)
        (end,) = axes.plot(*points[-1], "o", color=NAMES[name], markersize=7 * POINTS, markeredgecolor="white", zorder=4)
        for artist in (line, end):
            artist.set_clip_path(axes.add_patch(_clip(_MAP)))
    start = _on_map(np.array(_SURFACES[surface].start))
    axes.plot(*start, "s", color=INK, markersize=7 * POINTS, zorder=5)
    _label(axes, start[0] - 4, start[1] - 15, "start", INK, "left")
    _name_paths(axes, drawn, [Box(start[0] - 6, start[1] - 24, start[0] + 36, start[1] + 4)])
    write(axes, _MAP.left, 18, f"Paths over the {surface.replace(', turned', ' turned by 45°')}", 14.5, INK, "left", "bold")
    write(axes, _MAP.left, 388, "weight a →      weight b ↑      + minimum      each dot is a step", 11.5, MUTED, "left")
    _losses(axes, steps, heights)
    return fig


def _clip(box):
    from matplotlib.patches import Rectangle

    return Rectangle((box.left, box.top), box.right - box.left, box.bottom - box.top, fc="none", ec="none")


def _contours(axes, surface):
    ground = _SURFACES[surface]
    a, b = np.linspace(-_HALF[0], _HALF[0], 121), np.linspace(-_HALF[1], _HALF[1], 97)
    height = ground.height(*np.meshgrid(a, b))
    pixels = _on_map(np.stack([a, np.zeros_like(a)], 1))[:, 0], _on_map(np.stack([np.zeros_like(b), b], 1))[:, 1]
    levels = [0.02, 0.08, 0.18, 0.25, 0.5, 1, 2] if surface == SADDLE else [0.05, 0.3, 1, 3, 8, 18, 35, 60, 100]
    axes.contour(*pixels, height, levels=levels, colors="#b4bac1", linewidths=0.9 * POINTS, zorder=1)
    for minimum in ground.minima:
        axes.plot(*_on_map(np.array(minimum)), "+", color=INK, markersize=11 * POINTS, markeredgewidth=1.8 * POINTS, zorder=2.5)
    outline(axes, _MAP, HAIRLINE, 1)


def _name_paths(axes, drawn, taken):
    """Each name above or below a dot of its path: the one farthest from the other paths that leaves all before it legible.

    drawn: {name: (T, 2)} in CSS pixels   taken: Boxes to keep free; those of the names are added
    """
    for name, points in drawn.items():
        half = width_of(name, 12.5, "bold") / 2 + 2
        others = np.concatenate([points for other, points in drawn.items() if other != name])
        found = []
        for x, y in points[1:]:
            apart = np.linalg.norm(others - (x, y), axis=1).min()
            for middle in (y - 13, y + 13):
                box = Box(x - half, middle - 9, x + half, middle + 9)
                crowded = any(box.overlaps(other) for other in taken)
                if _MAP.left < box.left and box.right < _MAP.right and _MAP.top < box.top and box.bottom < _MAP.bottom:
                    found.append((not crowded, apart, -len(found), x, middle, box))
        if found:
            *_, x, middle, box = max(found)
            taken.append(box)
            _label(axes, x, middle, name, NAMES[name])


def _label(axes, x, y, text, colour, align="center"):
    written = write(axes, x, y, text, 12.5, colour, align, "bold")
    written.set_bbox({"facecolor": "#fcfcfa", "edgecolor": "none", "pad": 0.8, "alpha": 0.8})
    written.set_zorder(6)


def _losses(axes, steps, heights):
    """The loss above its minimum by step, on a logarithmic axis, each line named at its end."""
    write(axes, _LOSS.left - 44, 18, "Loss above its minimum", 14.5, INK, "left", "bold")
    first = max(values[0] for values in heights.values())
    top = math.ceil(math.log10(max(first, 1)) + 0.5)
    lowest = min(float(np.clip(values, _FLOOR, None).min()) for values in heights.values())
    bottom = min(math.floor(math.log10(lowest)), top - 3)

    def place(step, values):
        logs = np.log10(np.clip(values, 10.0**bottom, 10.0**top))
        x = _LOSS.left + np.asarray(step) / max(steps, 1) * (_LOSS.right - _LOSS.left)
        return x, _LOSS.bottom - (logs - bottom) / (top - bottom) * (_LOSS.bottom - _LOSS.top)

    every = 1 if top - bottom <= 6 else 2
    powers = range(bottom, top + 1, every)
    marks = [(power, float(place(0, 10.0**power)[1])) for power in powers]
    rules(axes, [((_LOSS.left, y), (_LOSS.right, y)) for _, y in marks], HAIRLINE, zorder=0.5)
    names = {power: f"10{str(power).translate(_RAISED)}" for power in powers} | {0: "1", 1: "10"}
    write_many(axes, [(_LOSS.left - 8, y, names[power], "right") for power, y in marks], 11, MUTED)
    ends = []
    for name, values in heights.items():
        x, y = place(np.arange(len(values)), values)
        axes.plot(x, y, color=NAMES[name], linewidth=1.8 * POINTS, zorder=3)
        axes.plot(x[-1], y[-1], "o", color=NAMES[name], markersize=5 * POINTS, zorder=3)
        ends.append([float(y[-1]), name])
    for y, name in _spread(ends, 17):
        write(axes, _LOSS.right + 9, y, name, 12.5, NAMES[name], "left", "bold")
    write_many(
        axes, [(_LOSS.left, _LOSS.bottom + 16, "0", "center"), (_LOSS.right, _LOSS.bottom + 16, str(steps), "center")], 11, MUTED
    )
    write(axes, (_LOSS.left + _LOSS.right) / 2, _LOSS.bottom + 16, "step", 12, MUTED)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _spread(ends, gap):
    """Heights moved apart until no two are closer than gap: [(y, name)] from the top."""
    ends = sorted(ends)
    for _ in range(50):
        for upper, lower in pairwise(ends):
            short = gap - (lower[0] - upper[0])
            if short > 0:
                upper[0] -= short / 2
                lower[0] += short / 2
    return ends


def _explain(surface, lr, paths, heights, steps, **_):
    gone = [name for name, points in paths.items() if np.abs(points[-1]).max() >= _GONE]
    away = f"{listed(gone)} {'has' if len(gone) == 1 else 'have'} run away." if gone else ""
    if surface == SADDLE:
        there = [name for name, values in heights.items() if values[-1] < 0.125]
        arrived = f"Past the saddle and in a minimum's basin after {_steps(steps)}: {listed(there) or 'none'}."
        return f"{arrived} {away}".strip()
    bound = learning_rate_bound(STEEP)
    side = "below" if lr < bound else "not below"
    best = min(heights, key=lambda name: heights[name][-1])
    first = f"The learning rate {lr:.3g} is {side} 2/λ = 2/{STEEP:g} = {bound:g}, the bound of plain descent."
    return f"{first} {away}".strip() + f" Lowest after {_steps(steps)}: {best}."


def _steps(count):
    return f"{count} step{'' if count == 1 else 's'}"


def _describe(surface, lr, momentum, steps, paths, heights):
    ends = []
    for name, points in paths.items():
        a, b = (number(value) for value in points[-1])
        if np.abs(points[-1]).max() >= _GONE:
            ends.append(f"{name} runs away in {_steps(len(points) - 1)}")
        elif not _inside(points[-1]):
            ends.append(f"{name} ends outside the picture, at ({a}, {b})")
        else:
            ends.append(f"{name} ends at ({a}, {b}), {number(heights[name][-1])} above the minimum")
    start = ", ".join(number(value) for value in _SURFACES[surface].start)
    minima = listed(f"({number(a)}, {number(b)})" for a, b in _SURFACES[surface].minima)
    return (
        f"Contours of a loss of two weights, a {surface}, with its {'minimum' if surface != SADDLE else 'minima'} at {minima}, "
        f"and the paths of four optimisers from ({start}) over {_steps(steps)} with learning rate {lr:.3g} "
        f"and momentum {momentum:.2g}. "
        f"{'; '.join(ends)}. On the right their losses by step."
    )


def _arrange(widgets):
    """Two columns; one on a narrow page."""
    import ipywidgets

    columns = [("surface", "lr"), ("momentum", "steps")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
