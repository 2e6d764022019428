"""Chapter 20's figure: two task gradients at an angle, and what each method makes of them."""

import math

import torch

from mmlearn.show.canvas import POINTS, canvas, number, rule, write
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive
from mmlearn.training.multitask import cagrad, mgda, normalised, pcgrad

METHODS = {
    "mean": COLOURS.blue,
    "PCGrad / 2": COLOURS.vermilion,
    "MGDA": COLOURS.green,
    "MGDA, normalised": COLOURS.indigo,
    "CAGrad": COLOURS.mauve,
}
_WIDTH, _HEIGHT, _MIDDLE, _REACH = 720, 372, (206, 214), 150
_LEVEL = 1e-9  # a gain this near to zero is zero


def gradient_pair(angle=120, length=2.5, c=0.5):
    """Display two task gradients in the plane that they span, and five directions made of them, with controls.

    angle: between g₁ and g₂, in degrees, 0 to 180   length: of g₂; g₁ has the length 1   c: of CAGrad
    The sum of PCGrad is halved, so that all five are averages and can be compared. The handle's ``state`` holds gradients (2, 2),
    directions {method: (2,)} and gains {method: (d·g₁, d·g₂)}, what a small step along d takes off each loss.
    """
    import ipywidgets

    controls = {
        "angle": ipywidgets.IntSlider(value=angle, min=0, max=180, step=5, description="angle, °"),
        "length": ipywidgets.FloatLogSlider(value=length, min=-1, max=1, step=0.1, description="length of g₂"),
        "c": ipywidgets.FloatSlider(value=c, min=0, max=0.95, step=0.05, description="c of CAGrad"),
    }
    for name, value in {"angle": angle, "length": length, "c": c}.items():
        if controls[name].value != value:
            raise ValueError(f"{name} must be within the slider's range; got {value!r}")
    return interactive(_draw, _describe, note=_explain, compute=combined, **controls)


def combined(angle, length, c):
    """Everything about one setting."""
    turn = math.radians(angle)
    gradients = torch.tensor([[1.0, 0.0], [length * math.cos(turn), length * math.sin(turn)]], dtype=torch.float64)
    directions = {
        "mean": gradients.mean(0),
        "PCGrad / 2": pcgrad(gradients) / 2,
        "MGDA": mgda(gradients),
        "MGDA, normalised": normalised(mgda)(gradients),
        "CAGrad": cagrad(gradients, c),
    }
    gains = {name: tuple((gradients @ d).tolist()) for name, d in directions.items()}
    directions = {name: tuple(d.tolist()) for name, d in directions.items()}
    return {"angle": angle, "length": length, "c": c, "gradients": gradients.tolist(), "directions": directions, "gains": gains}


def _draw(angle, length, gradients, directions, gains, **_):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    write(axes, 14, 18, f"Two gradients, {angle}° apart", 14.5, INK, "left", "bold")
    scale = _REACH / max(1.0, length, *(math.hypot(*d) for d in directions.values()))
    x, y = _MIDDLE
    rule(axes, (x - 180, y), (x + 180, y), HAIRLINE)
    rule(axes, (x, y - 170), (x, y + 130), HAIRLINE)
    for name, vector in zip(("g₁", "g₂"), gradients, strict=True):
        tip = _arrow(axes, vector, scale, INK, 2.6)
        write(axes, *_beyond(tip, vector, 14), name, 14, INK, "center", "bold")
    for n, (colour, vector) in enumerate(zip(METHODS.values(), directions.values(), strict=True)):
        _arrow(axes, vector, scale, colour, 6.0 - n)  # the thinnest last: where arrows coincide, the lower ones show beside it
    left, top, places = 408, 120, (638, 706)
    write(axes, left, 62, "What a small step along d takes off", 13, INK, "left", "bold")
    for place, text in zip(places, ("L₁: d·g₁", "L₂: d·g₂"), strict=True):
        write(axes, place, 90, text, 12, MUTED, "right")
    for n, (name, colour) in enumerate(METHODS.items()):
        row = top + 36 * n
        axes.plot([left, left + 22], [row, row], color=colour, linewidth=4 * POINTS)
        write(axes, left + 30, row, name, 12.5, INK, "left")
        for place, gain in zip(places, gains[name], strict=True):
            bad = gain < -_LEVEL
            write(axes, place, row, _gain(gain), 13, COLOURS.vermilion if bad else INK, "right", "bold" if bad else "normal")
    return fig


def _arrow(axes, vector, scale, colour, width):
    x, y = _MIDDLE
    tip = x + scale * vector[0], y - scale * vector[1]
    if math.hypot(*vector) * scale < 2:
        axes.plot(x, y, "o", color=colour, markersize=5 * POINTS, zorder=4)
    else:
        style = {
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": width * POINTS,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 9,
        }
        axes.annotate("", xy=tip, xytext=(x, y), arrowprops=style, zorder=3)
    return tip


def _beyond(tip, vector, distance):
    size = math.hypot(*vector)
    return tip[0] + distance * vector[0] / size, tip[1] - distance * vector[1] / size


def _gain(value):
    return number(0.0 if abs(value) < _LEVEL else value, 3)


def _explain(angle, gains, **_):
    opposing = [f"{name} raises {' and '.join(losses)}" for name, losses in _raised(gains).items()]
    conflict = "They conflict: their product is negative." if angle > 90 else "They do not conflict."
    return f"{conflict} {'; '.join(opposing) if opposing else 'No direction raises a loss'}."


def _raised(gains):
    found = {name: [f"L{'₁₂'[k]}" for k, gain in enumerate(pair) if gain < -_LEVEL] for name, pair in gains.items()}
    return {name: losses for name, losses in found.items() if losses}


def _describe(angle, length, c, directions, gains, **_):
    rows = [
        f"{name} ({number(d[0], 3)}, {number(d[1], 3)}), gains {_gain(gains[name][0])} and {_gain(gains[name][1])}"
        for name, d in directions.items()
    ]
    said = _explain(angle=angle, gains=gains)
    return (
        f"Arrows from one point: g₁ of length 1 to the right, g₂ of length {number(length)} at {angle} degrees, and five "
        f"directions made of them, CAGrad's with c = {number(c)}. {said} Coordinates and gains d·g₁ and d·g₂: {'; '.join(rows)}."
    )
