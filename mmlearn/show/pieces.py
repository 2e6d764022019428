"""Pieces of figures about the world: sounds, spectrograms, rays and words as they stand on a canvas."""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from mmlearn.show.canvas import POINTS, Box, colours_of, rule, write
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED, SEQUENTIAL

QUIETEST = 6.0  # log₁₀ units below the loudest that a spectrogram still tells apart: 60 dB


def as_rgb(images, colours=96):
    """Pictures as they are drawn: (N, H, W, 3) in [0, 1] of (N, 3, H, W), with at most so many colours in all.

    So few colours, chosen for these pictures, look the same, and a notebook that holds the figure stays four times smaller.
    """
    from PIL import Image

    levels = (images.detach().cpu().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()  # (N, H, W, 3)
    column = Image.fromarray(levels.reshape(-1, levels.shape[2], 3))
    few = column.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    return np.asarray(few.convert("RGB")).reshape(levels.shape) / 255


def listed(words):
    """Words as a list in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    words = list(words)
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def count_of(number, thing):
    """A number and its thing, with an s where it must be.

    >>> count_of(1, "object"), count_of(12000, "sample")
    ('1 object', '12,000 samples')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def draw_pixels(axes, rgb, left, top, side, zorder=1):
    """A picture whose pixels stay sharp squares wherever it is enlarged. rgb: (H, W, 3) in [0, 1]; returns its Box."""
    box = Box(left, top, left + side, top + side)
    how = "nearest" if side >= len(rgb) else "antialiased"
    axes.imshow(rgb, extent=(box.left, box.right, box.bottom, box.top), aspect="auto", interpolation=how, zorder=zorder)
    return box


def whole_pixels(side, resolution):
    """The largest side, in CSS pixels, at which all pixels take equally many dots; ``side`` itself, where that is far off."""
    whole = resolution * (2 * side // resolution) / 2
    return whole if whole >= 0.85 * side else side


@lru_cache(maxsize=8192)
def width_of(text, size=13, weight="normal", family="DejaVu Sans"):
    """How many CSS pixels a line of text takes, as the font says."""
    font = get_font(findfont(FontProperties(family=family, weight=weight)))
    font.set_size(100, 72)
    font.set_text(text)
    return font.get_width_height()[0] / 64 / 100 * size


def wrapped(text, width, size=13):
    """The lines of a text that is at most so many CSS pixels wide; a longer word stands alone."""
    lines = []
    for word in text.split():
        if lines and width_of(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


@lru_cache(maxsize=4096)
def _outline(text, weight, family):
    """The outline of a text with its start on the baseline at the origin, for a font of 100 pixels."""
    return TextPath((0, 0), text, size=100, prop=FontProperties(family=family, weight=weight))


def write_many(axes, places, size, colour, weight="normal", family="DejaVu Sans", zorder=3.5):
    """Many short texts of one size and colour: drawn as one shape, which is far quicker than one by one.

    places: [(x, y, text, align)], centred vertically on y; align is "left", "center" or "right".
    """
    paths, scale = [], size / 100
    for x, y, text, align in places:
        start = x - {"left": 0, "center": 0.5, "right": 1}[align] * width_of(text, size, weight, family)
        path = _outline(text, weight, family)
        corners = path.vertices * (scale, -scale) + (start, y + 0.365 * size)
        paths.append(Path(corners, path.codes))
    if paths:
        shape = PathCollection([Path.make_compound_path(*paths)], sizes=None, facecolors=colour, linewidths=0, zorder=zorder)
        axes.add_collection(shape, autolim=False)


def rules(axes, lines, colour=MUTED, width=1.0, alpha=1.0, zorder=3):
    """Many straight lines of one look, [((x, y), (x, y)), …]."""
    axes.add_collection(
        LineCollection(lines, colors=colour, linewidths=width * POINTS, alpha=alpha, zorder=zorder), autolim=False
    )


def with_halo(axes, lines, colour="white", width=1.6, halo=3.4, zorder=4):
    """Lines that show on any picture: bright on a dark border. lines: [(points, 2)] in CSS pixels."""
    lines = [np.asarray(line, dtype=float) for line in lines]
    for paint, thick, above in ((INK, halo, 0), (colour, width, 0.1)):
        style = {"colors": paint, "linewidths": thick * POINTS, "capstyle": "round", "joinstyle": "round"}
        axes.add_collection(LineCollection(lines, zorder=zorder + above, **style))


def tag(axes, x, y, text, size=11, ground=INK, colour="white", align="left"):
    """Words on a filled strip, for labels on pictures; x, y: its left (or middle) end and its middle height."""
    wide, high = width_of(text, size) + 8, size + 6
    left = x - wide / 2 if align == "center" else x
    strip = FancyBboxPatch(
        (left, y - high / 2), wide, high, boxstyle="round,pad=0,rounding_size=3", fc=ground, ec="none", zorder=6
    )
    axes.add_patch(strip)
    write(axes, left + wide / 2, y, text, size, colour).set_zorder(7)


def draw_wave(axes, samples, box, limit, colour=COLOURS.blue):
    """A waveform as the band between the lowest and highest sample of each column of dots. samples: (T,)."""
    wide = max(2, min(len(samples), round(2 * (box.right - box.left))))
    edges = np.linspace(0, len(samples), wide + 1).astype(int)
    low, high = np.minimum.reduceat(samples, edges[:-1]), np.maximum.reduceat(samples, edges[:-1])
    x = np.linspace(box.left, box.right, wide)
    middle, half = box.middle[1], (box.bottom - box.top) / 2
    top, bottom = middle - half * high / limit - 0.4, middle - half * low / limit + 0.4
    rule(axes, (box.left, middle), (box.right, middle), HAIRLINE, 1)
    band = np.concatenate([np.stack([x, top], 1), np.stack([x, bottom], 1)[::-1]])
    axes.add_collection(PolyCollection([band], facecolors=colour, edgecolors="none", zorder=3))


def spectrogram_limits(log_mel):
    """The lowest and highest value that the colours tell apart: sixty decibels below the loudest, or all of it."""
    top = float(log_mel.max())
    low = max(float(log_mel.min()), top - QUIETEST)
    return (low, top) if top > low else (top - 1, top)


def draw_spectrogram(axes, log_mel, box, limits):
    """A log-mel spectrogram, low pitches at the bottom. log_mel: (n_mels, frames)."""
    low, high = limits
    levels = np.round((log_mel[::-1].clip(low, high) - low) / (high - low) * 63) / 63  # steps of a decibel
    rgb = colours_of(levels, SEQUENTIAL, 0, 1)
    axes.imshow(rgb, extent=(box.left, box.right, box.bottom, box.top), aspect="auto", interpolation="nearest", zorder=1)


def band_of(hertz, bands, low, high):
    """Where a frequency lies among the mel bands of ``mel_filters``, counted from 0; between bands, a fraction."""
    from mmlearn.data.audio import hertz_to_mel

    floor, ceiling, mel = (float(hertz_to_mel(value)) for value in (low, high, hertz))
    return (mel - floor) / (ceiling - floor) * (bands + 1) - 1


def hertz_of(band, bands, low, high):
    """The peak of a mel band in Hz, the inverse of ``band_of``."""
    from mmlearn.data.audio import hertz_to_mel, mel_to_hertz

    floor, ceiling = (float(hertz_to_mel(value)) for value in (low, high))
    return float(mel_to_hertz(floor + (band + 1) / (bands + 1) * (ceiling - floor)))


def pitch_axis(axes, box, bands, low, high, size=11):
    """Frequencies at the left of a spectrogram, spaced as its bands are."""
    tall = box.bottom - box.top
    ticks, labels, last = [], [], np.inf
    for hertz in (0, 250, 500, 1000, 2000, 4000, 8000, 16000):
        band = band_of(hertz, bands, low, high)
        y = box.bottom - (band + 0.5) / bands * tall
        if -0.6 <= band <= bands and last - y >= size + 2:
            y = min(max(y, box.top), box.bottom)
            ticks.append(((box.left - 4, y), (box.left, y)))
            labels.append((box.left - 7, y, f"{hertz} Hz" if hertz < 1000 else f"{hertz // 1000} kHz", "right"))
            last = y
    rules(axes, ticks, MUTED, 0.8)
    write_many(axes, labels, size, MUTED)


def time_axis(axes, box, seconds, size=11):
    """Seconds below a box that spans so many of them."""
    step = next((step for step in (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 30, 60) if seconds / step <= 5), seconds)
    values = np.arange(0, seconds * 1.0001, step)
    x = box.left + (box.right - box.left) * values / seconds
    rules(axes, [((place, box.bottom), (place, box.bottom + 4)) for place in x], MUTED, 0.8)
    texts = [f"{value:g}" + (" s" if value == 0 else "") for value in values]
    write_many(
        axes, [(place, box.bottom + 6 + size / 2, text, "center") for place, text in zip(x, texts, strict=True)], size, MUTED
    )


def draw_fan(axes, distance, angle, box):
    """The rays of a range scan over a picture; hits end in a dot, misses run pale to the picture's edge.

    distance, angle: (R,), image widths and radians. returns: the ends of the rays, (R, 2) in CSS pixels.
    """
    from mmlearn.data.world.scan import SENSOR

    side = box.right - box.left
    start = np.array([box.left + SENSOR[0] * side, box.top + SENSOR[1] * side])
    step = np.stack([np.cos(angle), -np.sin(angle)], 1)  # (R, 2)
    reached = np.isfinite(distance)
    leave = np.minimum(np.abs(0.5 / np.where(step[:, 0] == 0, 1e-9, step[:, 0])), 1 / np.maximum(-step[:, 1], 1e-9))
    ends = start + np.where(reached, distance, leave)[:, None] * side * step
    lines = np.stack([np.broadcast_to(start, ends.shape), ends], 1)  # (R, 2, 2)
    axes.add_collection(LineCollection(lines[~reached], colors="#a9adb1", linewidths=0.8 * POINTS, zorder=3))
    axes.add_collection(LineCollection(lines[reached], colors=COLOURS.vermilion, linewidths=1.1 * POINTS, zorder=3.1))
    dots(axes, ends[reached], 2.6, "white")
    dots(axes, ends[reached], 1.8, COLOURS.vermilion)
    dots(axes, start[None], 5, "white")
    dots(axes, start[None], 3.6, INK)
    return ends


def dots(axes, places, radius, colour, marker="o", edge="none", zorder=5):
    """Markers at places (M, 2), so many CSS pixels in radius."""
    if len(places):
        style = {"s": (2 * radius * POINTS) ** 2, "c": [colour], "marker": marker, "edgecolors": edge, "zorder": zorder}
        axes.scatter(*np.asarray(places, dtype=float).T, clip_on=False, linewidths=0 if edge == "none" else 1 * POINTS, **style)


def draw_tokens(axes, words, ids, box, size=13, colour=COLOURS.blue):
    """Words in boxes with their numbers underneath, in as many lines as they take, as large as they fit.

    returns: the size of the text in CSS pixels
    """
    numbers = [str(number) for number in ids]
    while True:
        lines = _token_lines(words, numbers, box.right - box.left, size)
        pitch = 3.35 * size
        if len(lines) * pitch <= box.bottom - box.top or size <= 8:
            break
        size -= 0.5
    frames, above, below = [], [], []
    for row, line in enumerate(lines):
        top = box.top + row * pitch
        for left, wide, word, number in line:
            x, end = box.left + left, box.left + left + wide
            frames.append([(x, top), (end, top), (end, top + 1.6 * size), (x, top + 1.6 * size)])
            above.append((x + wide / 2, top + 0.8 * size, word, "center"))
            below.append((x + wide / 2, top + 2.3 * size, number, "center"))
    axes.add_collection(
        PolyCollection(frames, facecolors="#eaf2f8", edgecolors=colour, linewidths=POINTS, zorder=3), autolim=False
    )
    write_many(axes, above, size, INK)
    write_many(axes, below, max(size - 1.5, 8), colour)
    return size


def _token_lines(words, numbers, width, size):
    """Lines of (left, width, word, number)."""
    lines, x = [[]], 0.0
    for word, number in zip(words, numbers, strict=True):
        wide = max(width_of(word, size), width_of(number, size - 1.5)) + 0.75 * size
        if lines[-1] and x + wide > width:
            lines.append([])
            x = 0.0
        lines[-1].append((x, wide, word, number))
        x += wide + 0.35 * size
    return lines
