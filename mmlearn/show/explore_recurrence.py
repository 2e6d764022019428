"""Chapter 07's figure: how long a gradient is, step by step back in time, beside its bound and the eigenvalues behind it."""

import math

import numpy as np
import torch

from mmlearn.ops.recurrent import rnn_tanh_recurrence
from mmlearn.ops.spectral_radius import with_spectral_radius
from mmlearn.ops.through_time import expected_growth, gradient_norms, state_jacobian_bounds
from mmlearn.show.canvas import POINTS, Box, canvas, number, outline, write
from mmlearn.show.pieces import dots, rules, width_of, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

RANDOM, ORTHOGONAL, ONE_WAY = "random", "orthogonal", "pairs, one way"
UNITS, SEQUENCES = 96, 6
COUPLING = 3.0  # of ONE_WAY: in each pair of units the second drives the first, so much more strongly than itself

_PLOT, _PLANE = Box(58, 40, 436, 330), Box(478, 56, 706, 284)
_TOP = 10  # the logarithmic axis runs from 10^−_TOP to 10^_TOP
_LINES = {  # name of a line: colour, dash
    "measured": (COLOURS.blue, "solid"),
    "bound, Eq. 7.5": (COLOURS.vermilion, "solid"),
    "likely, Eq. 7.6": (COLOURS.ink, "dashed"),
    "ρⁿ": (COLOURS.mauve, "dotted"),
}


def gradient_through_time(radius=1.0, *, matrix=RANDOM, inputs=0.1, steps=50):
    """Display ‖∂L/∂h_t‖ on its way back through a recurrence h_t = tanh(a_t + W h_{t−1}), with its bound, and controls.

    The network has 96 units and has not been trained. a_t is noise of standard deviation ``inputs``; the loss sees the last state
    alone and sends a random direction back, of length 1, in each of six sequences.

    radius: W's spectral radius   matrix: "random" (independent normal entries), "orthogonal" (times the radius) or
    "pairs, one way": 48 pairs of units with the block radius · [[1, 3], [0, 1]], whose norm is far above its radius
    The handle's ``state`` holds w_hh, eigenvalues (H,), norm σ, measured (T + 1, 6), bound and expected (T + 1,), each by
    steps back from the loss, and the settings. expected is None for the pairs, whose weights are not random.
    """
    import ipywidgets

    if matrix not in _MATRICES:
        raise ValueError(f"matrix must be one of {', '.join(map(repr, _MATRICES))}; got {matrix!r}")
    controls = {
        "radius": ipywidgets.FloatSlider(value=radius, min=0.3, max=2.0, step=0.05, description="spectral radius"),
        "matrix": ipywidgets.Dropdown(options=list(_MATRICES), value=matrix, description="W is"),
        "inputs": ipywidgets.FloatLogSlider(
            value=inputs, min=-2, max=0.5, step=0.1, readout_format=".2f", description="input noise"
        ),
        "steps": ipywidgets.IntSlider(value=steps, min=5, max=100, step=5, description="steps"),
    }
    return interactive(_draw, _describe, note=_explain, compute=travelled, arrange=_arrange, **controls)


def travelled(radius, matrix=RANDOM, inputs=0.1, steps=50):
    """Everything the figure shows at one setting."""
    generator = torch.Generator().manual_seed(7)
    w_hh = _MATRICES[matrix](radius, generator)
    projected = inputs * torch.randn(steps, SEQUENCES, UNITS, generator=generator, dtype=torch.float64)
    states = rnn_tanh_recurrence(projected, torch.zeros_like(projected[0]), w_hh)
    grad = torch.nn.functional.normalize(torch.randn(SEQUENCES, UNITS, generator=generator, dtype=torch.float64), dim=1)
    return {
        "radius": radius,
        "matrix": matrix,
        "inputs": inputs,
        "steps": steps,
        "w_hh": w_hh.numpy(),
        "eigenvalues": torch.linalg.eigvals(w_hh).numpy(),
        "norm": torch.linalg.matrix_norm(w_hh, 2).item(),
        "measured": gradient_norms(grad, states, w_hh).flip(0).numpy(),
        "bound": state_jacobian_bounds(states, w_hh).flip(0).amax(1).numpy(),
        "expected": None if matrix == ONE_WAY else expected_growth(states, w_hh).flip(0).log().mean(1).exp().numpy(),
    }


def _random(radius, generator):
    return with_spectral_radius(torch.randn(UNITS, UNITS, generator=generator, dtype=torch.float64), radius)


def _orthogonal(radius, generator):
    return radius * torch.linalg.qr(torch.randn(UNITS, UNITS, generator=generator, dtype=torch.float64))[0]


def _one_way(radius, generator):
    block = torch.tensor([[1.0, COUPLING], [0.0, 1.0]], dtype=torch.float64)
    return radius * torch.block_diag(*[block] * (UNITS // 2))


_MATRICES = {RANDOM: _random, ORTHOGONAL: _orthogonal, ONE_WAY: _one_way}


def _draw(radius, steps, measured, bound, expected, eigenvalues, norm, **_):
    fig, axes = canvas(720, 400)
    write(axes, 14, 18, "Length of the gradient, by steps back in time", 14.5, INK, "left", "bold")
    _grid(axes, steps)
    back = np.arange(steps + 1)
    for values in measured.T:
        _line(axes, back, values, steps, "measured", width=1.1, alpha=0.75)
    _line(axes, back, bound, steps, "bound, Eq. 7.5")
    if expected is not None:
        _line(axes, back, expected, steps, "likely, Eq. 7.6")
    _line(axes, back, float(radius) ** back, steps, "ρⁿ")
    _key(axes, [name for name in _LINES if expected is not None or "likely" not in name])
    _plane(axes, eigenvalues, norm)
    return fig


def _place(back, values, steps):
    """Steps back and lengths → canvas, cut off at the axis' ends."""
    logs = np.log10(np.clip(values, 10.0**-_TOP, 10.0**_TOP))
    x = _PLOT.left + np.asarray(back) / steps * (_PLOT.right - _PLOT.left)
    return x, _PLOT.bottom - (logs + _TOP) / (2 * _TOP) * (_PLOT.bottom - _PLOT.top)


def _line(axes, back, values, steps, name, width=2.0, alpha=1.0):
    colour, dash = _LINES[name]
    beyond = np.flatnonzero((values > 10.0**_TOP) | (values < 10.0**-_TOP))
    end = beyond[0] if len(beyond) else len(values)  # a line stops where it leaves the axis
    axes.plot(
        *_place(back[:end], values[:end], steps), color=colour, linestyle=dash, linewidth=width * POINTS, alpha=alpha, zorder=3
    )


def _grid(axes, steps):
    powers = range(-_TOP, _TOP + 1, 5)
    heights = [(power, float(_place(0, 10.0**power, steps)[1])) for power in powers]
    rules(axes, [((_PLOT.left, y), (_PLOT.right, y)) for _, y in heights], HAIRLINE, zorder=0.5)
    rules(axes, [((_PLOT.left, y), (_PLOT.right, y)) for power, y in heights if power == 0], MUTED, zorder=0.6)
    names = [(_PLOT.left - 7, y, "1" if power == 0 else f"10{str(power).translate(_RAISED)}", "right") for power, y in heights]
    ends = [(_PLOT.left, _PLOT.bottom + 14, "0", "center"), (_PLOT.right, _PLOT.bottom + 14, str(steps), "center")]
    write_many(axes, names + ends, 11, MUTED)
    write(axes, (_PLOT.left + _PLOT.right) / 2, _PLOT.bottom + 14, "steps back from the loss", 12, MUTED)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _key(axes, names):
    x, y = _PLOT.left - 30, 376
    for name in names:
        colour, dash = _LINES[name]
        axes.plot([x, x + 24], [y, y], color=colour, linestyle=dash, linewidth=2 * POINTS)
        write(axes, x + 30, y, name, 12, colour, "left", "bold")
        x += 30 + width_of(name, 12, "bold") + 16


def _plane(axes, eigenvalues, norm):
    """Eigenvalues, the circle of radius 1, and that of radius σ."""
    reach = 1.08 * max(1.25, norm)
    (x, y), half = _PLANE.middle, (_PLANE.right - _PLANE.left) / 2
    write(axes, _PLANE.left, 18, "Eigenvalues of W", 14.5, INK, "left", "bold")
    write(axes, _PLANE.left, 42, "real part to the right, imaginary part up", 11, MUTED, "left")
    outline(axes, _PLANE, HAIRLINE, 1)
    rules(axes, [((x - half, y), (x + half, y)), ((x, y - half), (x, y + half))], HAIRLINE)
    turn = np.linspace(0, 2 * math.pi, 181)
    for size, colour, dash in ((1.0, INK, "solid"), (norm, COLOURS.vermilion, "dashed")):
        scale = size / reach * half
        axes.plot(x + scale * np.cos(turn), y + scale * np.sin(turn), color=colour, linestyle=dash, linewidth=1.4 * POINTS)
    places = [(x + value.real / reach * half, y - value.imag / reach * half) for value in eigenvalues]
    dots(axes, places, 3.2, COLOURS.blue)
    write(axes, _PLANE.left, 304, "black: |λ| = 1", 12, INK, "left")
    write(axes, _PLANE.left, 324, f"dashed: |λ| = σ = {number(norm)}, the norm", 12, COLOURS.vermilion, "left")


def _rate(values):
    """The growth per step over the whole way, of (T + 1,) or the geometric mean of (T + 1, N)."""
    return float(np.exp(np.log(values[-1]).mean() / (len(values) - 1)))


def _explain(radius, norm, steps, measured, bound, expected, **_):
    lines = {"measured": measured, "likely": expected, "bound": bound}
    rates = ", ".join(f"{name} {_rate(values):.3f}" for name, values in lines.items() if values is not None)
    return f"Spectral radius {radius:.2f}, norm σ = {norm:.2f}. Growth per step back, over {steps} steps: {rates}."


def _describe(radius, matrix, inputs, steps, norm, measured, bound, expected, **_):
    highest, low, high = (number(value) for value in (measured.max(), measured[-1].min(), measured[-1].max()))
    swell = f" On the way the longest is {highest}." if measured.max() > 2 * max(1, measured[-1].max()) else ""
    theory = "" if expected is None else f", the likely length {number(expected[-1])}"
    return (
        f"A gradient of length 1 goes back {steps} steps through a recurrence whose matrix ({matrix}) has spectral radius "
        f"{radius:.2f} and norm {norm:.2f}, with input noise {inputs:.2f}. At the end its length in six sequences lies between "
        f"{low} and {high}; the bound is {number(bound[-1])}{theory}.{swell} "
        f"Beside it the eigenvalues in the complex plane, with the circles of radius 1 and {norm:.2f}."
    )


def _arrange(widgets):
    """Two columns; one on a narrow page."""
    import ipywidgets

    columns = [("radius", "matrix"), ("inputs", "steps")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
