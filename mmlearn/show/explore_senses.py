"""Chapter 01's figure: one scene as pixels, as words, as a sound and as a range scan, and what each weighs as a tensor."""

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle

from mmlearn.show.arrays import finite
from mmlearn.show.canvas import (
    POINTS,
    Box,
    canvas,
    cell_text_size,
    colours_of,
    draw_cells,
    number,
    outline,
    rule,
    write,
)
from mmlearn.show.figures import check_alt, figure
from mmlearn.show.pieces import (
    as_rgb,
    count_of,
    draw_fan,
    draw_pixels,
    draw_spectrogram,
    draw_tokens,
    draw_wave,
    pitch_axis,
    rules,
    spectrogram_limits,
    time_axis,
    whole_pixels,
    width_of,
    write_many,
)
from mmlearn.show.scans import draw_distances
from mmlearn.show.scene_grids import check_scenes
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED, text_on
from mmlearn.show.widgets import interactive

_WIDTH, _MARGIN = 720, 10
_PANEL = 340  # CSS pixels of each of the two columns
_SIDE = 160  # of the pictures
_PATCH = 5  # pixels along a side of the patch that is printed as numbers
_STRIP = "#eceff2"


def senses(scenes, n=0, *, rays=64, alt=None, caption=None):
    """Display one scene four times: pixels, with a few of their numbers; words, with theirs; sound, seen two ways; a range scan.

    Under each stand the shape, the dtype and the bytes of its tensor.
    scenes: a Scenes. n: which of its scenes. rays: of the range scan.
    Raises ValueError when there is no such scene.
    """
    parts = sensed(scenes, n, rays)
    alt = describe(**parts) if alt is None else alt
    check_alt(alt)
    figure(draw(**parts), alt, caption=caption)


def senses_explorer(*, scene=7, objects=3, noise=0.03, size=64, seed=0):
    """Display the four senses of a scene of the world, with controls for which scene, how many objects, noise and picture size.

    Noise changes the pixels alone; a picture twice as wide has four times as many; more objects cost more words, and not one
    byte of sound. The handle's ``state`` holds the tensors image (3, H, H), ids (T,), sound (2, S), spectrogram (n_mels, frames),
    distance (R,), and their words and places.
    """
    import ipywidgets

    from mmlearn.data import world

    def compute(scene, objects, noise, size):
        return sensed(world.sample(1, seed=seed, start=scene, objects=objects, noise=noise, size=size), 0)

    slider = ipywidgets.IntSlider
    controls = {
        "scene": slider(value=scene, min=0, max=99, description="scene"),
        "objects": slider(value=objects, min=1, max=world.MAX_OBJECTS, description="objects"),
        "noise": ipywidgets.FloatSlider(value=noise, min=0, max=0.3, step=0.01, description="pixel noise"),
        "size": ipywidgets.Dropdown(options=[32, 64, 128], value=size, description="picture size"),
    }
    return interactive(draw, describe, note=explain, compute=compute, **controls)


def sensed(scenes, n=0, rays=64):
    """Everything the figure shows of scene n: its tensors, and what is needed to draw them."""
    from mmlearn.data import world
    from mmlearn.data.audio import log_mel
    from mmlearn.data.text import tokens

    count = check_scenes(scenes)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not -count <= n < count:
        raise ValueError(f"n must be one of the {count_of(count, 'scene')}, 0 to {count - 1}; got {n!r}")
    one = scenes[int(n)].to("cpu")
    sentence = one.captions("position")[0]
    sound = one.sound()[0]  # (2, S)
    scan = one.scan(rays)
    red = one.image[0, 0].numpy()
    return {
        "image": one.image[0],
        "patch": telling_patch(red),
        "sentence": sentence,
        "words": tokens(sentence),
        "ids": world.vocabulary().encode([sentence]).ids[0],
        "sound": sound,
        "spectrogram": log_mel(sound.mean(0)),
        "distance": scan.distance[0],
        "hit": scan.hit[0],
        "angle": scan.angle,
        "things": sorted(one.objects(0), key=lambda thing: thing["x"]),
        "boxes": one.box[0],
    }


def telling_patch(red):
    """(row, column) of the patch whose values differ most, so that its numbers show an edge. red: (H, W)."""
    windows = np.lib.stride_tricks.sliding_window_view(red, (_PATCH, _PATCH))
    spread = windows.var((2, 3))
    row, column = np.unravel_index(spread.argmax(), spread.shape)
    return int(row), int(column)


def weight(tensor):
    """A tensor's shape, dtype and bytes as one line.

    >>> import torch
    >>> weight(torch.zeros(3, 64, 64))
    '(3, 64, 64)  float32  49,152 bytes'
    """
    shape = ", ".join(map(str, tensor.shape)) + ("," if tensor.ndim == 1 else "")
    return f"({shape})  {str(tensor.dtype).removeprefix('torch.')}  {tensor.numel() * tensor.element_size():,} bytes"


def draw(image, patch, sentence, words, ids, sound, spectrogram, distance, hit, angle, things, boxes):
    """The figure on a canvas; all arguments are those of ``sensed``."""
    fig, axes = canvas(_WIDTH, 524)
    second = _WIDTH - _MARGIN - _PANEL
    rgb = as_rgb(image[None])[0]
    for name, left, top in (("Pixels", _MARGIN, 18), ("Words", second, 18), ("Sound", _MARGIN, 262), ("Range scan", second, 262)):
        write(axes, left, top, name, 14.5, INK, "left", "bold")
    rule(axes, (_MARGIN, 240), (_WIDTH - _MARGIN, 240), HAIRLINE, 1)
    _pixels(axes, image.numpy(), rgb, patch, 40)

    write(axes, second + 58, 18, f"{len(words)} tokens and their numbers", 11.5, MUTED, "left")
    draw_tokens(axes, words, ids.tolist(), Box(second, 40, second + _PANEL, 204), 13)

    _sound(axes, sound.numpy(), spectrogram.numpy(), rgb, things, boxes, Box(_MARGIN + 46, 278, _MARGIN + _PANEL, 450))

    side = whole_pixels(_SIDE, len(rgb))
    box = draw_pixels(axes, rgb, second, 280, side)
    draw_fan(axes, distance.numpy(), angle.numpy(), box)
    curve = Box(box.right + 34, 280, second + _PANEL, box.bottom)
    draw_distances(axes, distance.numpy(), angle.numpy(), hit.numpy(), curve)
    above = [(_MARGIN, 218, "image", image), (second, 218, "ids", ids)]
    left, right = [(_MARGIN, 484, "sound", sound), (_MARGIN, 508, "log-mel", spectrogram)], [(second, 484, "distance", distance)]
    _weigh(axes, [*above, *left, *right, (second, 508, "angle", angle)])
    write(axes, second + _PANEL, 262, "distance by angle, image widths", 11.5, MUTED, "right")
    return fig


def _pixels(axes, image, rgb, patch, top):
    """The picture, a patch of it, and the patch's numbers as three sheets, one for each channel."""
    side = whole_pixels(_SIDE, len(rgb))
    box = draw_pixels(axes, rgb, _MARGIN, top, side)
    scale = side / len(rgb)
    row, column = patch
    spot = Box(
        *(box.left + column * scale, box.top + row * scale),
        *(box.left + (column + _PATCH) * scale, box.top + (row + _PATCH) * scale),
    )
    cell, shift = 27, 9
    left, upper = _MARGIN + _PANEL - _PATCH * cell - 2 * shift, top + 10
    values = image[:, row : row + _PATCH, column : column + _PATCH]  # (3, 5, 5)
    for channel in (2, 1):  # the sheets behind: blue, and green before it
        x, y = left + channel * shift, upper - channel * 5
        grey = colours_of(values[channel], "gray", 0, 1)
        draw_pixels(axes, grey, x, y, _PATCH * cell, 0.8 - 0.2 * channel)
        edge = {"fill": False, "edgecolor": HAIRLINE, "linewidth": 1.4 * POINTS, "zorder": 0.9 - 0.2 * channel}
        axes.add_patch(Rectangle((x, y), _PATCH * cell, _PATCH * cell, **edge))
    sheet = draw_cells(axes, values[0], left, upper, cell, cmap="gray", limits=(0, 1))
    texts, white = _texts(values[0]), text_on(colours_of(values[0], "gray", 0, 1))
    size = cell_text_size(texts, cell)
    for bright in (True, False):
        some = [
            (left + (c + 0.5) * cell, upper + (r + 0.5) * cell, texts[r][c], "center") for r, c in np.argwhere(white == bright)
        ]
        write_many(axes, some, size, "white" if bright else "black")
    for here, there in ((spot.top, sheet.top), (spot.bottom, sheet.bottom)):
        rule(axes, (spot.right, here), (sheet.left, there), COLOURS.vermilion, 1, 0.8)
    outline(axes, spot, "white", 4)
    outline(axes, spot, COLOURS.vermilion, 2)
    outline(axes, sheet, COLOURS.vermilion, 1.6)
    write(axes, left, sheet.bottom + 13, "red, of three channels", 11.5, MUTED, "left")


def _sound(axes, sound, spectrogram, rgb, things, boxes, box):
    """Waveforms of both ears and the spectrogram on one time axis; above, each object where its note begins."""
    from mmlearn.data.world.sound import LATEST_ONSET, SECONDS

    rate = sound.shape[1] // SECONDS
    wide = box.right - box.left
    limit = 1.05 * max(float(np.abs(sound).max()), 1e-3)
    for row, (samples, name) in enumerate(zip(sound, ("left", "right"), strict=True)):
        ear = Box(box.left, box.top + 20 + 29 * row, box.right, box.top + 46 + 29 * row)
        draw_wave(axes, samples, ear, limit)
        write(axes, box.left - 7, ear.middle[1], name, 11.5, MUTED, "right")
    lower = Box(box.left, box.top + 82, box.right, box.bottom)
    draw_spectrogram(axes, spectrogram, lower, spectrogram_limits(spectrogram))
    pitch_axis(axes, lower, len(spectrogram), 0.0, rate / 2, 10.5)
    time_axis(axes, lower, sound.shape[1] / rate)
    strikes = []
    for thing in things:
        x = box.left + min(max(thing["x"], 0), 1) * LATEST_ONSET / SECONDS * wide
        strikes.append(((x, box.top + 17), (x, lower.bottom)))
        corner = [round(value) for value in boxes[thing["slot"]].tolist()]
        crop = rgb[corner[1] : corner[3], corner[0] : corner[2]]
        if crop.size:
            size = 18 / max(crop.shape[:2])
            high, across = crop.shape[0] * size, crop.shape[1] * size
            extent = (x - across / 2, x + across / 2, box.top + 8 + high / 2, box.top + 8 - high / 2)
            axes.imshow(crop, extent=extent, aspect="auto", interpolation="nearest", zorder=5)
    rules(axes, strikes, COLOURS.vermilion, 0.8)


def _weigh(axes, rows):
    """A strip for each tensor with its name, shape, dtype and bytes. rows: [(left, y, name, tensor)]."""
    strips = [[(left, y - 10), (left + _PANEL, y - 10), (left + _PANEL, y + 10), (left, y + 10)] for left, y, *_ in rows]
    axes.add_collection(PolyCollection(strips, facecolors=_STRIP, zorder=1), autolim=False)
    write_many(axes, [(left + 9, y, name, "left") for left, y, name, _ in rows], 11.5, INK, "bold")
    lines = [(left + 18 + width_of(name, 11.5, "bold"), y, weight(tensor), "left") for left, y, name, tensor in rows]
    write_many(axes, lines, 11.5, INK, family="DejaVu Sans Mono")


def _texts(values):
    """The numbers of a patch, all with two decimals: R rows of C strings."""
    return [[f"{value:.2f}" for value in row] for row in values.tolist()]


def explain(image, ids, sound, distance, things, **_):
    """The same scene, four prices."""
    sizes = [tensor.numel() * tensor.element_size() for tensor in (image, ids, sound, distance)]
    return (
        f"The same {count_of(len(things), 'object')}: {sizes[0]:,} bytes as pixels, {sizes[1]:,} as words, {sizes[2]:,} as "
        f"sound, {sizes[3]:,} as a range scan. The words leave out the exact places, the sound "
        "knows no height, the scan no colours."
    )


def describe(image, patch, sentence, words, ids, sound, spectrogram, distance, things, hit, angle, **_):
    """The figure in words."""
    row, column = patch
    values = finite(image[0, row : row + _PATCH, column : column + _PATCH], "patch", {2: "(5, 5)"})
    rows = "; ".join(" ".join(line) for line in _texts(values))
    tokens = ", ".join(f"{word} {number}" for word, number in zip(words, ids.tolist(), strict=True))
    notes = ", ".join(f"{thing['colour']} {thing['shape']} at x = {number(thing['x'])}" for thing in things) or "none"
    found = int(distance.isfinite().sum())
    nearest = f", the nearest at {number(distance[distance.isfinite()].min())} image widths" if found else ""
    return (
        f"One scene, four senses. Pixels: a picture of {image.shape[1]} by {image.shape[2]}; five by five red values from row "
        f"{row}, column {column} on are {rows}. Tensor {weight(image)}. "
        f"Words: “{sentence}”, as numbers: {tokens}. Tensor {weight(ids)}. "
        f"Sound: one note for each object, from left to right: {notes}. Waveform {weight(sound)}; log-mel spectrogram "
        f"{weight(spectrogram)}. "
        f"Range scan: {found} of {len(distance)} rays hit something{nearest}. Tensor {weight(distance)}."
    )
