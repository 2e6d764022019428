"""Chapter 06's figure: what one output pixel of a stack of layers sees, how far and how strongly."""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as torch_functions
from matplotlib.patches import Ellipse

from mmlearn.ops.receptive_field import effective_deviation, jumps, receptive_field
from mmlearn.show.canvas import POINTS, Box, canvas, colour_bar, colours_of, outline, write
from mmlearn.show.pieces import count_of, rules, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED, SEQUENTIAL
from mmlearn.show.widgets import interactive

EQUAL, RANDOM, RELU = "all equal", "random", "random, with ReLU"
ONE, FIRST, EVERY = "1 everywhere", "2 in the first layer", "2 in every layer"
DENSE, DOUBLING = "1 everywhere", "1, 2, 4, 8, …"
SIDE = 81  # pixels of the picture that is shown; no field is larger
_CHANNELS, _NETWORKS = 12, 3  # of the random networks, over which the gradient is averaged
_WIDTH, _HEIGHT = 720, 432
_PICTURE = Box(14, 50, 338, 374)


def receptive_field_explorer(depth=6, kernel_size=5, *, stride=ONE, dilation=DENSE, weights=EQUAL, seed=0):
    """Display the pixels that one output of a stack of layers sees, measured by gradient, with controls for the stack.

    The frame is the theoretical receptive field, everything beyond it has the gradient 0. Within it the gradient falls off from
    the middle: the ellipse holds two standard deviations of Eq. 6.5, the effective receptive field (Luo et al. 2016). Equal
    weights: the gradient itself; random weights: the root of its mean square over random networks.

    depth: layers, 1 to 8. kernel_size: 2, 3, 5 or 7. stride, dilation, weights: as the controls offer them.
    The handle's ``state`` holds seen (81, 81), layers, jumps, field (r), deviation (measured) and theory (Eq. 6.5).
    """
    import ipywidgets

    def adjust(widgets, changed):
        setting = {name: widgets[name].value for name in ("kernel_size", "stride", "dilation")}
        widgets["depth"].max = deepest(**setting)

    def compute(**settings):
        return seen_by(**settings, seed=seed)

    def menu(options, value, description):
        if value not in options:
            raise ValueError(f"{description} must be one of {', '.join(map(repr, options))}; got {value!r}")
        return ipywidgets.Dropdown(options=options, value=value, description=description)

    kernel = menu([2, 3, 5, 7], kernel_size, "kernel size")
    strides = menu([ONE, FIRST, EVERY], stride, "stride")
    dilations = menu([DENSE, DOUBLING], dilation, "dilation")
    most = deepest(kernel_size, stride, dilation)
    if not (isinstance(depth, int) and 1 <= depth <= most):
        raise ValueError(
            f"depth must be a whole number from 1 to {most}, so that the field fits into {SIDE} pixels; got {depth!r}"
        )
    controls = {
        "depth": ipywidgets.IntSlider(value=depth, min=1, max=most, description="layers"),
        "kernel_size": kernel,
        "stride": strides,
        "dilation": dilations,
        "weights": menu([EQUAL, RANDOM, RELU], weights, "weights"),
    }
    return interactive(_draw, _describe, note=_explain, compute=compute, adjust=adjust, arrange=_arrange, **controls)


def stack(depth, kernel_size, stride, dilation):
    """The layers of one setting: [(kernel_size, stride, padding, dilation), …]."""
    strides = {ONE: [1] * depth, FIRST: [2] + [1] * (depth - 1), EVERY: [2] * depth}[stride]
    apart = [2**layer if dilation == DOUBLING else 1 for layer in range(depth)]
    return [(kernel_size, s, 0, d) for s, d in zip(strides, apart, strict=True)]


def deepest(kernel_size, stride, dilation):
    """The largest depth, at most 8, whose field fits into the picture."""
    return max(n for n in range(1, 9) if n == 1 or receptive_field(stack(n, kernel_size, stride, dilation)) <= SIDE)


def seen_by(depth, kernel_size, stride, dilation, weights, seed=0):
    """Everything the figure shows at one setting."""
    layers = stack(depth, kernel_size, stride, dilation)
    field = receptive_field(layers)
    squared = _gradient(tuple(layers), weights, seed)  # (field, field)
    share = squared if weights != EQUAL else squared.sqrt()  # what Eq. 6.5 speaks of
    seen = np.zeros((SIDE, SIDE))
    corner = (SIDE - field) // 2
    seen[corner : corner + field, corner : corner + field] = squared.sqrt().numpy()
    middle, place = (field - 1) / 2, np.arange(field)
    near = np.hypot(place[:, None] - middle, place - middle) <= 2 * effective_deviation(layers)
    reached = (squared > 0).numpy()
    share = share.numpy() / share.sum().item()
    line = share.sum(0)  # of each column
    mean = (line * place).sum()
    return {
        "seen": seen,
        "line": line,
        "layers": layers,
        "jumps": jumps(layers),
        "fields": [receptive_field(layers[: n + 1]) for n in range(depth)],
        "field": field,
        "corner": corner,
        "deviation": float(np.sqrt((line * (place - mean) ** 2).sum())),
        "theory": effective_deviation(layers),
        "near": (float(near[reached].mean()), float(share[near].sum())),
        "holes": not reached.any(0).all(),
        "weights": weights,
    }


@lru_cache(maxsize=128)
def _gradient(layers, weights, seed):
    """The squared gradient of the one output that an input of the field's size has, (r, r)."""
    field = receptive_field(layers)
    if weights == EQUAL:
        row = torch.zeros(1, 1, field, dtype=torch.float64, requires_grad=True)
        y = row
        for k, s, _, d in layers:
            y = torch_functions.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64), None, s, 0, d)
        (along,) = torch.autograd.grad(y.sum(), row)  # with equal weights, the rows are the columns
        return torch.outer(along.flatten(), along.flatten()).square()
    generator = torch.Generator().manual_seed(seed)
    C = _CHANNELS
    total = torch.zeros(field, field, dtype=torch.float64)
    for _ in range(_NETWORKS):
        leaf = torch.randn(1, C, field, field, generator=generator).requires_grad_()
        y = leaf
        for k, s, _, d in layers:
            w = torch.randn(C, C, k, k, generator=generator) * math.sqrt(2 / (C * k * k))
            y = torch_functions.conv2d(y, w, None, s, 0, d)
            y = y.relu() if weights == RELU else y
        (gradient,) = torch.autograd.grad(y.sum(), leaf)
        total += gradient[0].double().square().sum(0)
    return total if total.any() else torch.ones_like(total)  # every ReLU closed: no gradient to show


def _draw(seen, line, layers, jumps, fields, field, corner, deviation, theory, **_):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    side = _PICTURE.right - _PICTURE.left
    pixel = side / SIDE
    top = seen.max()
    write(axes, _PICTURE.left, 17, "What one output pixel sees", 14.5, INK, "left", "bold")
    write(axes, _PICTURE.left, 37, f"frame: {field} × {field} pixels; ellipse: 2σ, theory", 12, MUTED, "left")
    rgb = colours_of(seen / top, SEQUENTIAL, 0, 1)
    rgb[seen == 0] = 0.94
    axes.imshow(
        rgb, extent=(_PICTURE.left, _PICTURE.right, _PICTURE.bottom, _PICTURE.top), aspect="auto", interpolation="nearest"
    )
    left, upper = _PICTURE.left + corner * pixel, _PICTURE.top + corner * pixel
    frame = Box(left, upper, left + field * pixel, upper + field * pixel)
    outline(axes, frame, COLOURS.vermilion, 2.2)
    width = 4 * theory * pixel
    axes.add_patch(
        Ellipse(frame.middle, width, width, fill=False, edgecolor="white", linewidth=2.6 * POINTS, clip_on=True, zorder=5)
    )
    axes.add_patch(
        Ellipse(frame.middle, width, width, fill=False, edgecolor=INK, linewidth=1.2 * POINTS, linestyle="--", zorder=6)
    )
    colour_bar(axes, _PICTURE.left, _PICTURE.bottom + 14, side, SEQUENTIAL, 0, 1)
    write(axes, _PICTURE.middle[0], _PICTURE.bottom + 33, "gradient, relative to the largest", 11, MUTED)
    _numbers(axes, layers, jumps, fields)
    _profile(axes, line, field, deviation, theory)
    return fig


def _numbers(axes, layers, jumps, fields):
    """A row for each layer: kernel, stride, dilation, what a step is worth there, and the field so far."""
    left, columns = 366, (0, 58, 116, 182, 244, 304)
    write(axes, left, 17, "Layer by layer", 14.5, INK, "left", "bold")
    heads = ("layer", "kernel", "stride", "dilation", "jump in", "field")
    write_many(
        axes,
        [(left + x + (34 if x else 0), 40, head, "right" if x else "left") for x, head in zip(columns, heads, strict=True)],
        12,
        MUTED,
    )
    rules(axes, [((left, 51), (left + 340, 51))], HAIRLINE)
    cells = []
    for number, ((k, s, _, d), jump, field) in enumerate(zip(layers, jumps, fields, strict=False), start=1):
        values = (number, k, s, d, jump, field)
        y = 64 + 19 * (number - 1)
        cells += [
            (left + x + (34 if x else 0), y, str(value), "right" if x else "left")
            for x, value in zip(columns, values, strict=True)
        ]
    write_many(axes, cells, 12.5, INK)


def _profile(axes, line, field, deviation, theory):
    """The share of the gradient in each column of the field, beside a normal distribution."""
    left, right, top, bottom = 366, 706, 262, 388
    write(axes, left, 240, "Share of each column of pixels", 13, INK, "left", "bold")
    scale = (right - left) / SIDE
    middle = (left + right) / 2
    place = (np.arange(field) - (field - 1) / 2) * scale + middle
    curve = np.linspace(-(field - 1) / 2, (field - 1) / 2, 201)
    normal = np.exp(-(curve**2) / (2 * theory**2)) / (theory * math.sqrt(2 * math.pi)) if theory else np.zeros(201)
    high = max(line.max(), normal.max() if field > 1 else 0)
    rise = (bottom - top) / high
    bars = [((x, bottom), (x, bottom - value * rise)) for x, value in zip(place, line, strict=True)]
    rules(axes, bars, COLOURS.blue, max(1.5, scale * 0.7))
    if field > 1:
        points = list(zip(middle + curve * scale, bottom - normal * rise, strict=True))
        rules(axes, list(pairwise(points)), COLOURS.vermilion, 1.6)
    rules(axes, [((left, bottom), (right, bottom))], MUTED)
    ends = (SIDE - 1) // 2
    write_many(
        axes,
        [
            (left, bottom + 12, f"−{ends} px", "left"),
            (middle, bottom + 12, "0", "center"),
            (right, bottom + 12, f"{ends} px", "right"),
        ],
        11,
        MUTED,
    )
    write(axes, left, bottom + 31, f"measured σ = {deviation:.2f} px", 12, COLOURS.blue, "left")
    write(axes, right, bottom + 31, f"normal, Eq. 6.5: σ = {theory:.2f} px", 12, COLOURS.vermilion, "right")


def _explain(layers, jumps, field, near, holes, **_):
    if field == 1:
        return "The output pixel sees one pixel."
    gaps = " The dilation leaves holes: columns within the frame that are never seen." if holes else ""
    sees = "layer sees" if len(layers) == 1 else "layers see"
    return (
        f"{len(layers)} {sees} {field} by {field} pixels, and a step at the output is worth {count_of(jumps[-1], 'pixel')} "
        f"of the input. {_shares(near)}{gaps}"
    )


def _shares(near):
    pixels, gradient = near
    return f"The ellipse holds {pixels:.0%} of the pixels that are seen, and {gradient:.0%} of the gradient."


def _describe(layers, jumps, fields, field, deviation, theory, near, weights, **_):
    rows = "; ".join(
        f"layer {n}: kernel {k}, stride {s}, dilation {d}, jump of its input {j}, field {r}"
        for n, ((k, s, _, d), j, r) in enumerate(zip(layers, jumps, fields, strict=False), start=1)
    )
    return (
        f"The gradient of one output pixel on an input of {SIDE} by {SIDE} pixels, weights {weights}. It reaches a square of "
        f"{field} by {field}, framed. Its standard deviation along one axis is {deviation:.2f} pixels, in theory {theory:.2f}; "
        f"an ellipse marks two of them around the middle. {_shares(near)} {rows}."
    )


def _arrange(widgets):
    """Two columns; one on a narrow page."""
    import ipywidgets

    columns = [("depth", "kernel_size", "weights"), ("stride", "dilation")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
