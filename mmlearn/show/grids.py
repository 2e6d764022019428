"""Grids of pictures: images, kernels and feature maps."""

import math

import numpy as np

from mmlearn.show.arrays import finite, symmetric_limit
from mmlearn.show.canvas import (
    canvas,
    cell_text_size,
    cell_texts,
    colour_bar,
    colours_of,
    draw_cells,
    draw_picture,
    number,
    text_width,
    write,
)
from mmlearn.show.figures import check_alt, figure
from mmlearn.show.style import INK, MUTED, SEQUENTIAL, SIGNED

_GAP = 10  # CSS pixels between neighbours


def images(tensor, titles=None, columns=None, *, alt, width=700, caption=None):
    """Display images side by side.

    tensor: (N, C, H, W), (C, H, W) or (H, W) with C = 1 or 3, or a list of (C, H, W) of one size; floats in [0, 1] or uint8.
    Grey images may leave [0, 1]: with negative values they get the signed colour scale, otherwise black to the maximum.
    titles: one for each image. columns: images in a row.
    """
    check_alt(alt)
    rgb, scale = _as_pictures(tensor)
    page = _grid(rgb, titles, columns, width, scale)
    figure(page, alt, caption=caption)


def feature_maps(activations, titles=None, columns=None, *, alt, width=700, caption=None):
    """Display every channel of one layer's output on one shared scale.

    activations: (C, H, W), or (1, C, H, W). Non-negative maps run from dark (zero) to bright; maps with negative values get the
    signed scale centred on zero.
    """
    check_alt(alt)
    maps = finite(activations, "activations", {3: "(C, H, W)", 4: "(1, C, H, W)"})
    if maps.ndim == 4 and len(maps) != 1:
        raise ValueError(
            f"activations must be of one image, (C, H, W) or (1, C, H, W); got {maps.shape}: choose one, activations[0]"
        )
    maps = maps.reshape(maps.shape[-3:])
    signed = maps.min() < 0
    top = symmetric_limit(maps)
    scale = (SIGNED, -top, top) if signed else (SEQUENTIAL, 0.0, top)
    page = _grid(colours_of(maps, *scale), titles, columns, width, scale)
    figure(page, alt, caption=caption)


def kernels(weight, titles=None, columns=None, *, alt, width=700, caption=None):
    """Display a convolution's weights on one signed scale: blue below zero, white at zero, orange above.

    weight: (O, I, kh, kw), one row for each output channel when I > 1; (O, kh, kw) and (kh, kw) are taken as one input channel.
    The numbers are printed where the kernels are few and at most 5×5.
    """
    check_alt(alt)
    array = finite(weight, "weight", {2: "(kh, kw)", 3: "(O, kh, kw)", 4: "(O, I, kh, kw)"})
    array = array[None] if array.ndim == 2 else array
    array = array[:, None] if array.ndim == 3 else array
    outputs, inputs, high, wide = array.shape
    if outputs * inputs > 512:
        raise ValueError(f"weight holds {outputs}×{inputs} kernels, more than 512: show a part of them, such as weight[:16, :16]")
    table = inputs > 1  # output channels down, input channels across
    columns = inputs if table else columns or _columns(outputs, wide * 34, width)
    flat = array.reshape(-1, high, wide)  # (O·I, kh, kw)
    rows = math.ceil(len(flat) / columns)
    _check_titles(titles, len(flat))
    if titles is None and not table and outputs > 1:
        titles = [str(index) for index in range(outputs)]

    margin, head = 34 if table else 0, 22 if titles is not None or table else 0
    cell = min(44.0, ((width - 2 * _GAP - margin) / columns - _GAP) / wide, 320 / high, 640 / rows / high)
    cell = max(2, math.floor(cell))
    across, down = wide * cell, high * cell
    pitch = down + _GAP + (0 if table else head)
    used = max(_GAP + margin + columns * (across + _GAP), 190)
    bottom = _GAP + (head if table else 0) + rows * pitch
    limit = symmetric_limit(array)
    texts = [cell_texts(kernel, 2 if limit < 10 else 1) for kernel in flat]
    small = max(high, wide) <= 5 and len(flat) <= 16
    text_size = cell_text_size([row for kernel in texts for row in kernel], cell) if small else 0
    fig, axes = canvas(used, bottom + 34)
    for index, kernel in enumerate(flat):
        row, column = divmod(index, columns)
        left, top = _GAP + margin + column * (across + _GAP), _GAP + head + row * pitch
        draw_cells(axes, kernel, left, top, cell, limits=(-limit, limit), texts=texts[index], text_size=text_size)
        if titles is not None:
            write(axes, left + across / 2, top - 11, str(titles[index]), 12, MUTED)
        elif table and row == 0:
            write(axes, left + across / 2, top - 11, f"in {column}" if across >= 30 else str(column), 11, MUTED)
        if table and column == 0 and down >= 10:
            write(axes, left - 6, top + down / 2, f"out {row}" if row < 10 else str(row), 11, MUTED, "right")
    colour_bar(axes, _GAP + margin, bottom + 2, min(170, used - 2 * _GAP - margin), SIGNED, -limit, limit)
    figure(fig, alt, caption=caption)


def _as_pictures(tensor):
    """(N, H, W, 3) colours in [0, 1], and the colour scale (map, lowest, highest) when one was needed."""
    if isinstance(tensor, list | tuple):
        shapes = {tuple(np.shape(image)) for image in tensor}
        if len(shapes) > 1:
            raise ValueError(f"images in a list must have one size; got {sorted(shapes)}: crop or resize them first")
        tensor = [image.detach().cpu().numpy() if hasattr(image, "detach") else image for image in tensor]
        tensor = np.stack(tensor) if tensor else np.zeros(0)
    whole = "uint8" in str(getattr(tensor, "dtype", ""))
    array = finite(tensor, "images", {2: "(H, W)", 3: "(C, H, W)", 4: "(N, C, H, W)"})
    array = array / 255 if whole else array
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)  # (N, C, H, W)
    channels = array.shape[1]
    if channels not in (1, 3):
        hint = (
            "permute(0, 3, 1, 2) puts channels first"
            if array.shape[-1] in (1, 3)
            else "a batch of grey images is images[:, None]"
        )
        raise ValueError(f"images must have 1 or 3 channels, (N, C, H, W); got {channels} in shape {array.shape}: {hint}")
    lowest, highest = array.min(), array.max()
    if channels == 3:
        if lowest < -1e-3 or highest > 1 + 1e-3:
            got = f"{number(lowest)} to {number(highest)}"
            raise ValueError(f"colour images must lie in [0, 1]; got {got}: undo the normalisation, or divide by 255")
        return array.transpose(0, 2, 3, 1), None
    if lowest < 0:
        scale = (SIGNED, -symmetric_limit(array), symmetric_limit(array))
    else:
        scale = ("gray", 0.0, max(1.0, highest) if highest <= 1.001 else highest)
    return colours_of(array[:, 0], *scale), None if scale[0] == "gray" and highest <= 1.001 else scale


def _columns(count, wide, width):
    """As few rows as fit, filled evenly."""
    most = max(1, min(count, int((width - _GAP) // (wide + _GAP))))
    rows = math.ceil(count / most)
    return math.ceil(count / rows)


def _check_titles(titles, count):
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles must name every picture: got {len(titles)} titles for {count} pictures")


def _grid(rgb, titles, columns, width, scale):
    """Pictures in rows and columns on a canvas. rgb: (N, H, W, 3) in [0, 1]."""
    count, high, wide, _ = rgb.shape
    _check_titles(titles, count)
    titles = None if titles is None else [str(title) for title in titles]
    columns = columns or _columns(count, max(72, min(wide, 200)), width)
    columns = max(1, min(int(columns), count))
    rows = math.ceil(count / columns)
    space = min((width - _GAP) / columns - _GAP, 320)
    pixel = space / wide
    pixel = math.floor(2 * pixel) / 2 if pixel >= 1 else pixel  # whole device pixels, so that enlarged ones stay square
    across, down = wide * pixel, high * pixel
    lines = max((title.count("\n") + 1 for title in titles), default=0) if titles else 0
    head = 5 + 17 * lines if titles else 0
    size = 12.5
    pitch = across + _GAP
    if titles:
        longest = max(len(line) for title in titles for line in title.split("\n"))
        pitch = min(max(pitch, text_width("x" * longest, size)), (width - _GAP) / columns)
        size = max(8.5, min(size, pitch / (0.6 * max(longest, 1))))
    used = max(_GAP + columns * pitch, 190 if scale else 0)
    fig, axes = canvas(used, _GAP + rows * (down + head + _GAP) + (32 if scale else 0))
    for index in range(count):
        row, column = divmod(index, columns)
        left, top = _GAP + column * pitch + (pitch - _GAP - across) / 2, _GAP + head + row * (down + head + _GAP)
        draw_picture(axes, rgb[index], left, top, across, down)
        if titles:
            write(axes, left + across / 2, top - 2.5 - 8.5 * lines, titles[index], size, INK)
    if scale:
        colour_bar(axes, _GAP, _GAP + rows * (down + head + _GAP), min(170, used - 2 * _GAP), *scale)
    return fig
