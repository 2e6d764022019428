"""Chapter 04's figure: a kernel slides over a photograph, and its weights are yours to edit."""

import numpy as np
import torch

import mmlearn.ops as F
from mmlearn.show.arrays import finite, symmetric_limit
from mmlearn.show.canvas import (
    Box,
    canvas,
    cell_box,
    cell_number,
    colour_bar,
    colours_of,
    draw_cells,
    draw_picture,
    hatch,
    number,
    outline,
    rule,
    write,
)
from mmlearn.show.style import COLOURS, INK, MUTED, SIGNED, text_on
from mmlearn.show.widgets import interactive

PRESETS = {
    "vertical edge (Sobel)": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "horizontal edge (Sobel)": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "box blur": ((1 / 9,) * 3,) * 3,
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "emboss": ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
    "Laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
}
YOUR_OWN = "your own"
_WEIGHTS = [f"w{row}{column}" for row in range(3) for column in range(3)]
_PANEL = 200  # CSS pixels of the photograph's and the output's panels
_TOP = 30
_CELL = 66
_THREAD = {"colour": COLOURS.vermilion, "width": 1, "alpha": 0.7}


def convolution_explorer(photo=None, *, preset="vertical edge (Sobel)", stride=1, padding=0, dilation=1):
    """Display a photograph, one 3×3 window of it times nine weights, and the whole output, with controls for all of it.

    photo: (C, H, W) or (H, W) in [0, 1]; it is shown in grey, at most 128 pixels a side, its values rounded to hundredths so that
    the printed products can be checked by hand. None: scikit-image's photographer.

    The handle's ``state`` holds photo (H, W), weights (3, 3), window (3, 3), products (3, 3), sum, output (H', W'), inside (3, 3)
    bool (False: padding), row, column, stride, padding, dilation.
    """
    import ipywidgets

    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(map(repr, PRESETS))}; got {preset!r}")
    grey = _grey(photo)

    def compute(preset, row, column, stride, padding, dilation, **weights):
        kernel = np.reshape([weights[name] for name in _WEIGHTS], (3, 3))
        return explore(grey, kernel, row, column, stride, padding, dilation) | {"preset": preset}

    def adjust(widgets, changed):
        weights = [widgets[name] for name in _WEIGHTS]
        if changed == "preset" and widgets["preset"].value != YOUR_OWN:
            for widget, value in zip(weights, np.ravel(PRESETS[widgets["preset"].value]), strict=True):
                widget.value = float(value)
        elif changed in _WEIGHTS:
            now = [widget.value for widget in weights]
            same = [name for name, kernel in PRESETS.items() if np.allclose(now, np.ravel(kernel), atol=1e-9)]
            widgets["preset"].value = same[0] if same else YOUR_OWN
        spacing = [widgets[name].value for name in ("stride", "padding", "dilation")]
        for name, size in zip(("row", "column"), grey.shape, strict=True):
            widgets[name].max = F.conv_output_size(size, 3, *spacing) - 1

    weights = PRESETS[preset]
    start = explore(grey, np.array(weights, dtype=float), 0, 0, stride, padding, dilation)["output"]
    row, column = _telling_pixel(start)
    slider = ipywidgets.IntSlider
    controls = {
        "preset": ipywidgets.Dropdown(options=[*PRESETS, YOUR_OWN], value=preset, description="kernel"),
        **{
            name: ipywidgets.FloatText(value=float(value), step=0.5, description=f"w{'₀₁₂'[i // 3]}{'₀₁₂'[i % 3]}")
            for i, (name, value) in enumerate(zip(_WEIGHTS, np.ravel(weights), strict=True))
        },
        "row": slider(value=row, min=0, max=start.shape[0] - 1, description="output row"),
        "column": slider(value=column, min=0, max=start.shape[1] - 1, description="output column"),
        "stride": slider(value=stride, min=1, max=3, description="stride"),
        "padding": slider(value=padding, min=0, max=2, description="padding"),
        "dilation": slider(value=dilation, min=1, max=3, description="dilation"),
    }
    return interactive(_draw, _describe, note=_explain, compute=compute, adjust=adjust, arrange=_arrange, **controls)


def explore(grey, weights, row, column, stride, padding, dilation):
    """Everything the figure shows at one setting. grey: (H, W); weights: (3, 3); row, column: of the output pixel."""
    image = torch.from_numpy(grey)[None, None]
    kernel = torch.from_numpy(np.asarray(weights, dtype=float))[None, None]
    output = F.conv2d(image, kernel, stride=stride, padding=padding, dilation=dilation)[0, 0].numpy()
    rows = row * stride - padding + dilation * np.arange(3)
    columns = column * stride - padding + dilation * np.arange(3)
    inside = ((rows >= 0) & (rows < grey.shape[0]))[:, None] & ((columns >= 0) & (columns < grey.shape[1]))
    window = np.pad(grey, padding)[np.ix_(rows + padding, columns + padding)]
    products = window * weights
    return {
        "photo": grey,
        "weights": np.asarray(weights, dtype=float),
        "window": window,
        "inside": inside,
        "products": products,
        "sum": float(products.sum()),
        "output": output,
        "row": row,
        "column": column,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
    }


def _grey(photo):
    if photo is None:
        from mmlearn.data import photo as load

        photo = load("camera", size=96, grey=True)
    image = finite(photo, "photo", {2: "(H, W)", 3: "(C, H, W)"})
    if image.ndim == 3:
        if image.shape[0] not in (1, 3):
            raise ValueError(
                f"photo must be (C, H, W) with 1 or 3 channels; got {image.shape}: permute(2, 0, 1) puts channels first"
            )
        image = image[0] if len(image) == 1 else np.tensordot([0.299, 0.587, 0.114], image, 1)
    if image.min() < 0 or image.max() > 1 + 1e-6:
        raise ValueError(f"photo must lie in [0, 1]; got {number(image.min())} to {number(image.max())}: divide uint8 by 255")
    if min(image.shape) < 8:
        raise ValueError(f"photo must be at least 8×8 pixels; got {image.shape[0]}×{image.shape[1]}")
    if max(image.shape) > 128:
        small = [max(8, round(side * 96 / max(image.shape))) for side in image.shape]
        resized = torch.nn.functional.interpolate(torch.from_numpy(image)[None, None], small, mode="area")
        image = resized[0, 0].numpy()
    return np.round(image, 2)


def _telling_pixel(output):
    """The output pixel farthest from zero, away from the border."""
    inner = np.abs(output)
    margin = [side // 6 for side in output.shape]
    inner = inner[margin[0] : output.shape[0] - margin[0], margin[1] : output.shape[1] - margin[1]]
    row, column = np.unravel_index(inner.argmax(), inner.shape)
    return int(row + margin[0]), int(column + margin[1])


def output_scale(output):
    """The colour map and limits for an output: grey like a photograph, or signed once a fifth of its pixels are negative."""
    if np.quantile(output, 0.2) >= 0 and output.max() > 0:
        return "gray", 0.0, max(1.0, float(np.quantile(output, 0.95)))
    limit = float(np.quantile(np.abs(output), 0.995)) or symmetric_limit(output)
    return SIGNED, -limit, limit


def _digits(products):
    """Two decimals where they say all, three otherwise."""
    return 2 if np.allclose(products * 100, np.round(products * 100), atol=1e-6) else 3


def _draw(photo, weights, window, inside, products, sum, output, row, column, stride, padding, dilation, preset):
    fig, axes = canvas(720, 276)
    high, wide = photo.shape
    pixel = np.floor(2 * _PANEL / (max(high, wide) + 4)) / 2
    frame = Box(10, _TOP, 10 + (wide + 2 * padding) * pixel, _TOP + (high + 2 * padding) * pixel)
    write(axes, 10, 15, f"input, {high} × {wide}" + (f" + {padding} around" if padding else ""), 13, INK, "left")
    if padding:
        hatch(axes, frame)
    grey = np.repeat(photo[..., None], 3, axis=2)
    draw_picture(axes, grey, frame.left + padding * pixel, frame.top + padding * pixel, wide * pixel, high * pixel)
    taps = [
        cell_box(frame, pixel, row * stride + dilation * u, column * stride + dilation * v) for u in range(3) for v in range(3)
    ]
    field = Box(taps[0].left, taps[0].top, taps[-1].right, taps[-1].bottom)

    grid = Box(258, _TOP, 258 + 3 * _CELL, _TOP + 3 * _CELL)
    write(axes, grid.middle[0], 15, "window × kernel", 13, INK)
    limit = 1.6 * max(symmetric_limit(products), 0.25)
    draw_cells(axes, products, grid.left, grid.top, _CELL, limits=(-limit, limit))
    white = text_on(colours_of(products, SIGNED, -limit, limit))
    digits = _digits(products)
    for u, v in np.ndindex(3, 3):
        value = window[u, v] if inside[u, v] else None
        _multiplication(axes, cell_box(grid, _CELL, u, v), value, weights[u, v], digits, "white" if white[u, v] else "black")
    total = cell_number(round(sum, 9), digits)
    write(axes, grid.middle[0], grid.bottom + 22, f"sum = {total}", 15, INK, weight="bold")

    tall, across = output.shape
    scale = max(1.0, np.floor(2 * _PANEL / max(tall, across)) / 2)
    colours = output_scale(output)
    left = 710 - _PANEL
    write(axes, left, 15, f"output, {tall} × {across}", 13, INK, "left")
    picture = draw_picture(axes, colours_of(output, *colours), left, _TOP, across * scale, tall * scale)
    outline(axes, picture, MUTED, 0.8)
    beyond = (output.min() < colours[1], output.max() > colours[2])
    colour_bar(axes, left, _TOP + _PANEL + 10, 150, *colours, beyond=beyond)
    spot = cell_box(picture, scale, row, column)
    grown = max(0.0, 7 - scale) / 2
    spot = Box(spot.left - grown, spot.top - grown, spot.right + grown, spot.bottom + grown)

    for here, grid_y, there in [(field.top, grid.top, spot.top), (field.bottom, grid.bottom, spot.bottom)]:
        rule(axes, (field.right, here), (grid.left, grid_y), **_THREAD)
        rule(axes, (grid.right, grid_y), (spot.left, there), **_THREAD)
    if dilation > 1:
        for tap in taps:
            outline(axes, tap, COLOURS.vermilion, 1)
    for box in (field, spot):
        outline(axes, box, "white", 4)
        outline(axes, box, COLOURS.vermilion, 2)
    outline(axes, grid, COLOURS.vermilion, 1.6)
    return fig


def _multiplication(axes, box, value, weight, digits, colour):
    """One product written as by hand, beside the shade of its pixel; value None: the window hangs over into the padding."""
    right, room = box.right - 9, _CELL - 13
    swatch = Box(box.left + 8, box.top + 8, box.left + 21, box.top + 21)
    draw_picture(axes, np.full((1, 1, 3), 1.0 if value is None else value), swatch.left, swatch.top, 13, 13, zorder=2)
    outline(axes, swatch, MUTED, 0.8)
    if value is None:
        rule(axes, (swatch.left, swatch.bottom), (swatch.right, swatch.top), MUTED, 0.8)
    factor, product = f"× {cell_number(weight)}", cell_number((value or 0.0) * weight, digits)
    write(axes, right, box.top + 15, cell_number(value or 0.0), 12, colour, "right")
    write(axes, right, box.top + 31, factor, min(12, room / (0.62 * len(factor))), colour, "right")
    rule(axes, (box.left + 14, box.top + 41), (right, box.top + 41), colour, 0.7)
    write(axes, right, box.top + 53, product, min(13, room / (0.7 * len(product))), colour, "right", "bold")


def _formula(size, *spacing):
    stride, padding, dilation = spacing
    sides = f"⌊({size} + 2·{padding} − {dilation}·(3 − 1) − 1) / {stride}⌋ + 1 = {F.conv_output_size(size, 3, *spacing)}"
    return sides.replace(" ", "\u00a0")  # an equation stays on one line


def _explain(photo, products, sum, row, column, stride, padding, dilation, inside, **_):
    sides = [_formula(side, stride, padding, dilation) for side in photo.shape]
    which = "nine products" if inside.all() else f"nine products ({9 - inside.sum()} of them on the padding)"
    total = cell_number(round(sum, 9), _digits(products))
    size = (
        f"Side of the output (Eq. 4.3): {sides[0]}"
        if sides[0] == sides[1]
        else f"Rows of the output (Eq. 4.3): {sides[0]}; columns: {sides[1]}"
    )
    return f"The {which} add up to {total}, the output at row {row}, column {column}. {size}."


def _describe(photo, weights, window, products, sum, output, row, column, stride, padding, dilation, preset, **_):
    kernel, values = ("; ".join(", ".join(map(number, line)) for line in grid) for grid in (weights, window))
    total = cell_number(round(sum, 9), _digits(products))
    return (
        f"A 3 by 3 window on a grey photograph of {photo.shape[0]} by {photo.shape[1]} pixels holds {values}. "
        f"Times the kernel “{preset}”, {kernel}, its products sum to {total}: the pixel at row {row}, column {column} of the "
        f"{output.shape[0]} by {output.shape[1]} output, whose values run from {number(output.min())} to {number(output.max())}. "
        f"Stride {stride}, padding {padding}, dilation {dilation}."
    )


def _arrange(widgets):
    """The nine weights as a 3×3 block under the menu of kernels, the sliders beside it; underneath on a narrow page."""
    import ipywidgets

    for index, name in enumerate(_WEIGHTS):
        widget = widgets[name]
        widget.layout = ipywidgets.Layout(width="108px")
        widget.style.description_width = "30px"
        place = f"weight in row {index // 3}, column {index % 3}"
        setattr(widget, "tooltip" if widget.has_trait("tooltip") else "description_tooltip", place)
    lines = [ipywidgets.HBox([widgets[name] for name in _WEIGHTS[row : row + 3]]) for row in (0, 3, 6)]
    block = ipywidgets.VBox([widgets["preset"], *lines], layout=ipywidgets.Layout(width="350px"))
    sliders = ipywidgets.VBox([widgets[name] for name in ("row", "column", "stride", "padding", "dilation")])
    return ipywidgets.HBox([block, sliders], layout=ipywidgets.Layout(flex_flow="row wrap"))
