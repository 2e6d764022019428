"""A motion clip as a strip of film: frames in a row, and arrows for what has moved so far."""

import math

import numpy as np
from matplotlib.patches import Polygon, Rectangle

from mmlearn.show.canvas import POINTS, Box, canvas, number, write
from mmlearn.show.figures import check_alt, figure
from mmlearn.show.pieces import as_rgb, count_of, dots, draw_pixels, tag, whole_pixels, with_halo, wrapped
from mmlearn.show.style import INK

_GAP, _EDGE = 6, 18  # CSS pixels between frames; of film above and below them
_FILM, _HOLES = "#14171a", "#f4f4f1"


def clip(clip, n=0, *, trails=True, columns=None, alt=None, width=700, caption=None):
    """Display the frames of one clip as a film strip, its sentence below.

    clip: a Clip. n: which of its clips. trails: arrows from where each moving object began to where it is.
    columns: frames in a row.
    Raises ValueError when there is no such clip.
    """
    if not all(hasattr(clip, part) for part in ("frames", "velocity", "x", "y", "captions")):
        raise ValueError(f"clip must be a Clip, as scenes.clip() gives it; got {type(clip).__name__}")
    count = len(clip.frames)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not -count <= n < count:
        raise ValueError(f"n must be one of the {count} clips, 0 to {count - 1}; got {n!r}")
    frames = clip.frames[n]  # (T, 3, H, W)
    paths = np.stack([np.asarray(clip.x[n].cpu()), np.asarray(clip.y[n].cpu())], -1)  # (T, K, 2) image widths
    moving = np.flatnonzero(np.asarray(clip.velocity[n].cpu()).any(-1))
    moving = moving[np.lexsort(paths[0, moving].T[::-1])]  # from left to right, as the sentence names them
    alt = describe(clip.captions[n], paths, moving) if alt is None else alt
    check_alt(alt)

    time = len(frames)
    columns = min(columns or math.ceil(time / math.ceil(time / 4)), time)
    rows = math.ceil(time / columns)
    side = whole_pixels(min((width - 20 - _GAP) / columns - _GAP, 256), frames.shape[-1])
    high, wide = side + 2 * _EDGE, columns * (side + _GAP) + _GAP
    lines = wrapped(clip.captions[n], width - 24, 13)
    fig, axes = canvas(width, 10 + rows * (high + 8) + 20 * len(lines) + 8)
    left = round((width - wide) / 2)
    rgb = as_rgb(frames)
    for row in range(rows):
        top = 10 + row * (high + 8)
        _film(axes, Box(left, top, left + wide, top + high))
        for t in range(row * columns, min((row + 1) * columns, time)):
            x = left + _GAP + (t - row * columns) * (side + _GAP)
            box = draw_pixels(axes, rgb[t], x, top + _EDGE, side, zorder=3)
            _trails(axes, box, paths[0], paths[t], moving if trails else [])
            tag(axes, box.left + 3, box.top + 11, str(t), 11)
    for index, line in enumerate(lines):
        write(axes, width / 2, 10 + rows * (high + 8) + 10 + 20 * index, line, 13, INK)
    figure(fig, alt, caption=caption)


def _film(axes, box):
    """A dark band with holes along both edges."""
    axes.add_patch(Rectangle((box.left, box.top), box.right - box.left, box.bottom - box.top, facecolor=_FILM, zorder=1))
    x = np.arange(box.left + 9, box.right - 4, 15)
    for y in (box.top + _EDGE / 2, box.bottom - _EDGE / 2):
        dots(axes, np.stack([x, np.full_like(x, y)], 1), 3.6, _HOLES, marker="s", zorder=2)


def _trails(axes, box, start, now, moving):
    """An arrow from where each moving object began to where it is, white on dark so that it shows on any colour."""
    side, corner = box.right - box.left, np.array([box.left, box.top])
    for slot in moving:
        begin, end = corner + side * start[slot], corner + side * now[slot]
        length = float(np.hypot(*(end - begin)))
        if length < 4:
            continue
        ahead = (end - begin) / length
        aside = np.array([-ahead[1], ahead[0]])
        size = min(7.0, 0.8 * length)
        neck = end - size * ahead
        with_halo(axes, [[begin, neck]], width=2.2, halo=4.6, zorder=5)
        head = [end, neck + 0.62 * size * aside, neck - 0.62 * size * aside]
        axes.add_patch(Polygon(head, fc="white", ec=INK, lw=1.2 * POINTS, joinstyle="round", zorder=5.2))


def describe(sentence, paths, moving):
    """A clip in words, with where each moving object begins and ends."""
    text = f"A film strip of {count_of(len(paths), 'frame')}: {sentence}."
    for slot in moving:
        (x, y), (to_x, to_y) = paths[0, slot], paths[-1, slot]
        text += f" One centre goes from {_place(x, y)} to {_place(to_x, to_y)}, as shares of the width and height."
    return text


def _place(x, y):
    return f"({number(x)}, {number(y)})"
