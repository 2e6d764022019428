"""Chapter 05's figure: where one output pixel's gradient lands on the input."""

import numpy as np
import torch

import mmlearn.ops as F
from mmlearn.show.arrays import symmetric_limit
from mmlearn.show.canvas import Box, canvas, cell_box, cell_text_size, cell_texts, draw_cells, frame_cells, hatch, outline, write
from mmlearn.show.style import COLOURS, INK, MUTED
from mmlearn.show.widgets import interactive

COUNTING, ONES = "1, 2, 3, …", "all ones"
_ROOM = 320  # CSS pixels for the largest grid's height
_TITLE = 90  # … and for the narrowest grid's title
_TOP = 32


def gradient_footprint(size=8, *, kernel_size=3, stride=2, padding=1, dilation=1, row=0, column=2, all_outputs=False):
    """Display the gradient at a convolution's output, its kernel, and the gradient at its input, with controls for all of them.

    One output pixel's gradient of 1 lands as a copy of the kernel, not flipped, where its window lay; what falls on the padding
    is dropped. With all output pixels the copies add up, unevenly where the stride does not divide the kernel: the checkerboard
    of strided transposed convolutions (Odena et al. 2016, Deconvolution and Checkerboard Artifacts).

    size: the input's side, 4 to 12 pixels. row, column: of the output pixel. The handle's ``state`` holds grad_output (H', W'),
    weight (k, k), grad_input (H, W), grad_padded (H+2p, W+2p) with what falls on the padding, reached (H, W): how many output
    pixels reach each input pixel, and the settings.
    """
    import ipywidgets

    if not (isinstance(size, int) and 4 <= size <= 12):
        raise ValueError(f"size must be a whole number of pixels from 4 to 12, so that its numbers can be read; got {size!r}")

    def adjust(widgets, changed):
        if changed == "all_outputs":
            widgets["weights"].value = ONES if widgets["all_outputs"].value else COUNTING
        span = size + 2 * widgets["padding"].value
        widgets["dilation"].max = min(2, (span - 1) // (widgets["kernel_size"].value - 1))
        spacing = [widgets[name].value for name in ("kernel_size", "stride", "padding", "dilation")]
        for name in ("row", "column"):
            widgets[name].max = F.conv_output_size(size, *spacing) - 1
            widgets[name].disabled = widgets["all_outputs"].value

    def compute(**settings):
        return footprint(size, **settings)

    slider = ipywidgets.IntSlider
    last = F.conv_output_size(size, kernel_size, stride, padding, dilation) - 1
    controls = {
        "row": slider(value=min(row, last), min=0, max=last, description="output row"),
        "column": slider(value=min(column, last), min=0, max=last, description="output column"),
        "all_outputs": ipywidgets.Checkbox(value=all_outputs, description="all output pixels"),
        "weights": ipywidgets.Dropdown(
            options=[COUNTING, ONES], value=ONES if all_outputs else COUNTING, description="kernel weights"
        ),
        "kernel_size": slider(value=kernel_size, min=2, max=4, description="kernel size"),
        "stride": slider(value=stride, min=1, max=3, description="stride"),
        "padding": slider(value=padding, min=0, max=2, description="padding"),
        "dilation": slider(value=dilation, min=1, max=2, description="dilation"),
    }
    return interactive(_draw, _describe, note=_explain, compute=compute, adjust=adjust, arrange=_arrange, **controls)


def footprint(size, row, column, all_outputs, weights, kernel_size, stride, padding, dilation):
    """Everything the figure shows at one setting: gradients of a size×size input, one channel, without a bias."""
    outputs = F.conv_output_size(size, kernel_size, stride, padding, dilation)
    weight = torch.ones(kernel_size, kernel_size, dtype=torch.float64)
    if weights == COUNTING:
        weight = torch.arange(1.0, kernel_size**2 + 1, dtype=torch.float64).reshape(kernel_size, kernel_size)
    grad_output = torch.zeros(outputs, outputs, dtype=torch.float64)
    grad_output[...] = float(all_outputs)
    grad_output[row, column] = 1.0

    def landing(kernel):  # the padding, seen as part of a larger input, keeps what falls on it
        whole = (1, 1, size + 2 * padding, size + 2 * padding)
        return F.conv2d_input(whole, kernel[None, None], grad_output[None, None], stride, 0, dilation)[0, 0].numpy()

    inner = slice(padding, padding + size)
    padded, reached = landing(weight), landing(torch.ones_like(weight))
    return {
        "grad_output": grad_output.numpy(),
        "weight": weight.numpy(),
        "grad_padded": padded,
        "grad_input": padded[inner, inner],
        "reached": reached[inner, inner].astype(int),
        "row": row,
        "column": column,
        "all_outputs": all_outputs,
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
    }


def _draw(grad_output, weight, grad_padded, grad_input, row, column, all_outputs, stride, padding, dilation, **_):
    width, between = 720, 46
    counts = [len(grad_output), len(weight), len(grad_padded)]
    room = width - 20 - 2 * between
    cell = int(min(32, _ROOM / max(counts), room / sum(counts), (room - _TITLE) / (counts[0] + counts[2])))
    fig, axes = canvas(width, _TOP + _ROOM + 30)
    slots = [max(count * cell, _TITLE) for count in counts]
    middle, x = _TOP + _ROOM / 2, (width - sum(slots) - 2 * between) / 2
    boxes = []
    for slot, count in zip(slots, counts, strict=True):
        left = x + (slot - count * cell) / 2
        boxes.append(Box(left, middle - count * cell / 2, left + count * cell, middle + count * cell / 2))
        x += slot + between
    upstream, kernel, landed = boxes
    limit = max(symmetric_limit(grad_padded), 1.0)
    everything = cell_texts(grad_padded) + cell_texts(weight)
    style = {"limits": (-limit, limit), "text_size": cell_text_size(everything, cell), "quiet_zeros": True}

    draw_cells(axes, grad_output, upstream.left, upstream.top, cell, texts=cell_texts(grad_output), **style)
    draw_cells(axes, weight, kernel.left, kernel.top, cell, texts=cell_texts(weight), **style)
    image = cell_box(landed, cell, padding, padding, len(grad_input), len(grad_input))
    if padding:
        hatch(axes, landed)
        _dropped(axes, landed, cell, grad_padded, padding, style["text_size"])
    draw_cells(axes, grad_input, image.left, image.top, cell, texts=cell_texts(grad_input), **style)
    outline(axes, image, INK, 1.4)
    write(axes, (upstream.right + kernel.left) / 2, middle, "×", 20)
    write(axes, (kernel.right + landed.left) / 2, middle, "→", 20)
    if not all_outputs:
        reach = [row * stride + dilation * u for u in range(len(weight))]
        across = [column * stride + dilation * v for v in range(len(weight))]
        frame_cells(axes, upstream, cell, [(row, column)], COLOURS.vermilion, 2.6)
        frame_cells(axes, kernel, cell, list(np.ndindex(weight.shape)), COLOURS.vermilion, 2.6)
        frame_cells(axes, landed, cell, [(r, c) for r in reach for c in across], COLOURS.vermilion, 2.6)
    for box, title in [
        (upstream, f"∂L/∂y,  {counts[0]} × {counts[0]}"),
        (kernel, f"kernel,  {counts[1]} × {counts[1]}"),
        (landed, f"∂L/∂x,  {len(grad_input)} × {len(grad_input)}"),
    ]:
        write(axes, box.middle[0], box.top - 16, title, 13, INK)
    if padding:
        write(axes, landed.middle[0], landed.bottom + 15, f"hatched: {padding} of padding, dropped", 11.5, MUTED)
    return fig


def _dropped(axes, box, cell, padded, padding, size):
    """The numbers that fall on the padding, small and grey."""
    end = len(padded) - padding
    texts = cell_texts(padded)
    for r, c in np.argwhere(padded):
        if size and not (padding <= r < end and padding <= c < end):
            text = write(axes, box.left + (c + 0.5) * cell, box.top + (r + 0.5) * cell, texts[r][c], size, MUTED)
            text.set_bbox({"facecolor": "#eff1f3", "edgecolor": "none", "pad": 1.2})


def _explain(grad_output, reached, row, column, all_outputs, kernel_size, stride, **_):
    if not all_outputs:
        hits, weights = int(reached.sum()), kernel_size**2
        lost = f"{weights - hits} of the {weights} weights fall on the padding and are dropped"
        where = "nothing falls on the padding" if hits == weights else lost
        return f"The output pixel at row {row}, column {column} reaches {hits} of the {reached.size} input pixels; {where}."
    low, high = int(reached.min()), int(reached.max())
    if low == high:
        return f"Every input pixel is reached by {low} of the {grad_output.size} output pixels: the coverage is even."
    why = f" The stride {stride} does not divide the kernel size {kernel_size}: the coverage alternates like a checkerboard."
    text = f"Each input pixel is reached by {low} to {high} of the {grad_output.size} output pixels."
    return text + (why if kernel_size % stride else "")


def _describe(grad_output, grad_input, reached, row, column, all_outputs, kernel_size, stride, padding, dilation, **_):
    size, outputs = len(grad_input), len(grad_output)
    if all_outputs:
        what = f"With a gradient of 1 at all {outputs} by {outputs} output pixels, the kernel's copies add up on the input to"
    else:
        what = (
            f"A gradient of 1 at row {row}, column {column} of the {outputs} by {outputs} output lands on {int(reached.sum())} "
            f"pixels of the {size} by {size} input, as a copy of the kernel:"
        )
    rows = "; ".join(" ".join(line) for line in cell_texts(grad_input))
    return f"{what} {rows}. Kernel {kernel_size} by {kernel_size}, stride {stride}, padding {padding}, dilation {dilation}."


def _arrange(widgets):
    """Two columns: which output pixel, and which convolution; one column on a narrow page."""
    import ipywidgets

    columns = [("row", "column", "all_outputs", "weights"), ("kernel_size", "stride", "padding", "dilation")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
