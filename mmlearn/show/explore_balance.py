"""Chapter 19's figure: how long each encoder's gradient is while it trains, and what the model then does without a modality."""

import numpy as np

from mmlearn.show.canvas import POINTS, Box, canvas, number, rule, write
from mmlearn.show.pieces import listed, rules, width_of
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

_LEFT, _RIGHT = Box(56, 62, 352, 306), Box(430, 62, 690, 306)
_LINES = (COLOURS.blue, COLOURS.vermilion, COLOURS.green, COLOURS.mauve, COLOURS.indigo)
_DASHES = ("solid", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))  # one for each modality
_WINDOW = 10  # steps that a point of a line is the mean of


def balance_explorer(norms, curves, rates, ceiling, *, missing="text", run=None, rate=0.5):
    """Display the gradient norms of one training run, and the accuracy of all of them when a modality is missing more and more.

    norms: run → modality → the norm of its encoder's gradient at each training step, as ``gradient_norms`` records them
    curves: run → (R,) accuracies where a share ``rates`` (R,), rising from 0 to 1, of the test lacks the modality ``missing``
    ceiling: (R,), the best that is possible at each rate   run: which to begin with, None: the first   rate: the marker's place
    The handle's ``state`` holds norms (modality → (steps,), the chosen run's), smooth (the means of 10 steps), at (run → accuracy
    at the rate, between the points on a straight line), run and rate.
    Raises ValueError where runs, lengths or rates do not belong together.
    """
    import ipywidgets

    norms = {name: {m: np.asarray(v, dtype=float) for m, v in parts.items()} for name, parts in norms.items()}
    curves = {name: np.asarray(values, dtype=float) for name, values in curves.items()}
    rates, ceiling = np.asarray(rates, dtype=float), np.asarray(ceiling, dtype=float)
    _check(norms, curves, rates, ceiling)
    run = next(iter(norms)) if run is None else run
    if run not in norms:
        raise ValueError(f"run must be one of {', '.join(map(repr, norms))}; got {run!r}")
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be a share in [0, 1]; got {rate!r}")

    def compute(run, rate):
        at = {name: float(np.interp(rate, rates, values)) for name, values in curves.items()}
        smooth = {name: smoothed(values) for name, values in norms[run].items()}
        return {"run": run, "rate": rate, "norms": norms[run], "smooth": smooth, "at": at}

    def draw(**state):
        return _draw(curves=curves, rates=rates, ceiling=ceiling, missing=missing, everything=norms, **state)

    def describe(**state):
        return _describe(missing=missing, limit=float(np.interp(state["rate"], rates, ceiling)), **state)

    controls = {
        "run": ipywidgets.Dropdown(options=list(norms), value=run, description="training"),
        "rate": ipywidgets.FloatSlider(
            value=rate, min=0, max=1, step=0.05, description=f"{missing} missing", readout_format=".0%"
        ),
    }
    return interactive(draw, describe, note=_explain, compute=compute, **controls)


def smoothed(values, window=_WINDOW):
    """Means of ``window`` neighbours, (len − window + 1,); of fewer values, as they are.

    >>> smoothed(np.array([1.0, 3.0, 5.0, 7.0]), window=2)
    array([2., 4., 6.])
    """
    if len(values) < 2 * window:
        return values
    return np.convolve(values, np.full(window, 1 / window), mode="valid")


def _check(norms, curves, rates, ceiling):
    if not norms or set(norms) != set(curves):
        raise ValueError(f"norms and curves must hold the same runs; got {', '.join(norms) or 'none'} and {', '.join(curves)}")
    if len(norms) > len(_LINES):
        raise ValueError(f"at most {len(_LINES)} runs can be told apart; got {len(norms)}")
    modalities = list(next(iter(norms.values())))
    if len(modalities) > len(_DASHES):
        raise ValueError(f"at most {len(_DASHES)} modalities can be told apart; got {len(modalities)}")
    for name, parts in norms.items():
        if list(parts) != modalities or len({len(values) for values in parts.values()}) != 1 or not len(parts[modalities[0]]):
            raise ValueError(f"norms[{name!r}] must hold {', '.join(modalities)}, equally many steps of each and at least one")
    shapes = {values.shape for values in (*curves.values(), ceiling, rates)}
    if len(shapes) != 1 or rates.ndim != 1 or len(rates) < 2:
        raise ValueError(f"curves, ceiling and rates must be as long as each other, (R,) with R ≥ 2; got {sorted(shapes)}")
    if rates[0] != 0 or rates[-1] != 1 or (np.diff(rates) <= 0).any():
        raise ValueError(f"rates must rise from 0 to 1; got {rates.tolist()}")


def _draw(run, rate, norms, smooth, at, curves, rates, ceiling, missing, everything):
    fig, axes = canvas(720, 400)
    write(axes, 14, 18, f"{run}: norms of the gradients", 14, INK, "left", "bold")
    write(axes, _RIGHT.left - 44, 18, f"accuracy, if {missing} is missing", 14, INK, "left", "bold")
    colour = dict(zip(curves, _LINES, strict=False))[run]
    _norm_panel(axes, smooth, everything, len(next(iter(norms.values()))), colour)
    _curve_panel(axes, run, rate, at, curves, rates, ceiling)
    return fig


def _norm_panel(axes, smooth, everything, steps, colour):
    """All runs on one scale, so that switching between them shows which gradient shrank; the chosen run in its own colour."""
    seen = np.concatenate([smoothed(values) for parts in everything.values() for values in parts.values()])
    seen = seen[seen > 0]
    low, high = (np.floor(np.log10(seen.min())), np.ceil(np.log10(seen.max()))) if len(seen) else (-1.0, 0.0)
    low, high = max(low, high - 5), max(high, low + 1)

    def height(values):
        logs = np.log10(np.clip(values, 10.0**low, 10.0**high))
        return _LEFT.bottom - (logs - low) / (high - low) * (_LEFT.bottom - _LEFT.top)

    for power in np.arange(low, high + 1):
        y = float(height(np.array(10.0**power)))
        rules(axes, [((_LEFT.left, y), (_LEFT.right, y))], HAIRLINE, zorder=0.5)
        write(axes, _LEFT.left - 7, y, number(10.0**power, digits=max(0, -int(power))), 11, MUTED, "right")
    x = _LEFT.left
    for (name, values), dash in zip(smooth.items(), _DASHES, strict=False):
        across = np.linspace(_LEFT.left, _LEFT.right, len(values)) if len(values) > 1 else np.array([_LEFT.left])
        axes.plot(across, height(values), color=colour, linestyle=dash, linewidth=2 * POINTS, zorder=3)
        axes.plot([x, x + 30], [44, 44], color=colour, linestyle=dash, linewidth=2 * POINTS)
        write(axes, x + 36, 44, name, 12, colour, "left", "bold")
        x += 36 + width_of(name, 12, "bold") + 20
    write(axes, _LEFT.left, _LEFT.bottom + 14, "1", 11, MUTED)
    write(axes, _LEFT.right, _LEFT.bottom + 14, str(steps), 11, MUTED)
    write(axes, (_LEFT.left + _LEFT.right) / 2, _LEFT.bottom + 14, "training step (means of 10)", 12, MUTED)


def _curve_panel(axes, run, rate, at, curves, rates, ceiling):
    def place(x, y):
        across = _RIGHT.left + np.asarray(x) * (_RIGHT.right - _RIGHT.left)
        return across, _RIGHT.bottom - np.asarray(y) * (_RIGHT.bottom - _RIGHT.top)

    for share in (0, 0.25, 0.5, 0.75, 1):
        y = float(place(0, share)[1])
        rules(axes, [((_RIGHT.left, y), (_RIGHT.right, y))], HAIRLINE, zorder=0.5)
        write(axes, _RIGHT.left - 7, y, f"{100 * share:.0f} %", 11, MUTED, "right")
        write(axes, float(place(share, 0)[0]), _RIGHT.bottom + 14, f"{100 * share:.0f}", 11, MUTED)
    write(axes, (_RIGHT.left + _RIGHT.right) / 2, _RIGHT.bottom + 31, "percent of the test that lacks it", 12, MUTED)
    axes.plot(*place(rates, ceiling), color=INK, linestyle="dashed", linewidth=1.6 * POINTS, zorder=2)
    x, _ = place(rate, 0)
    rule(axes, (float(x), _RIGHT.top), (float(x), _RIGHT.bottom), MUTED, 1)
    entries = [("ceiling", INK)]
    for (name, values), colour in zip(curves.items(), _LINES, strict=False):
        chosen = name == run
        axes.plot(*place(rates, values), color=colour, linewidth=(2.8 if chosen else 1.3) * POINTS, zorder=4 if chosen else 3)
        axes.plot(*place(rate, at[name]), "o", color=colour, markersize=(8 if chosen else 5) * POINTS, zorder=5)
        entries.append((name, colour))
    x, y = 14, 362
    for name, colour in entries:
        wide = 26 + width_of(name, 12, "bold") + 18
        if x + wide > 712:
            x, y = 14, y + 20
        axes.plot([x, x + 20], [y, y], color=colour, linestyle="dashed" if name == "ceiling" else "solid", linewidth=2 * POINTS)
        write(axes, x + 26, y, name, 12, colour, "left", "bold")
        x += wide


def _explain(run, rate, norms, at, **_):
    late = {name: values[-max(1, len(values) // 4) :].mean() for name, values in norms.items()}
    words = listed(f"{number(value)} ({name})" for name, value in late.items())
    return (
        f"{run}: in the last quarter of training the gradients are {words} long on average. "
        f"With {rate:.0%} missing its accuracy is {100 * at[run]:.1f} %."
    )


def _describe(run, rate, norms, at, missing, limit, **_):
    first = {name: values[: max(1, len(values) // 4)].mean() for name, values in norms.items()}
    late = {name: values[-max(1, len(values) // 4) :].mean() for name, values in norms.items()}
    told = listed(f"{name} from {number(first[name])} to {number(late[name])}" for name in norms)
    scores = listed(f"{name} {100 * value:.1f} %" for name, value in at.items())
    return (
        f"Left, the gradient norms of {run} over {len(next(iter(norms.values())))} steps, means of the first and of the last "
        f"quarter: {told}. Right, accuracy with {missing} missing in {rate:.0%} of the test: {scores}; the ceiling is "
        f"{100 * limit:.1f} %."
    )
