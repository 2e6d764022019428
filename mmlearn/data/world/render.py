"""Drawing scenes: pictures, masks and boxes from what is where, a few scenes at a time.

An object touches few pixels, so all distances are computed in windows that are as large as the largest object. A pixel at signed
distance d from an outline (in pixels, negative inside) is covered to clamp(1/2 − d, 0, 1): anti-aliasing without supersampling.
"""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from .attributes import COLOURS, SHAPES
from .background import CONTRAST, LEVELS, grain, grids, texture
from .chance import Chance
from .outlines import OUTLINES

SMALLEST, LARGEST = 16, 512  # pixels along a side
_PAINTED, _SMOOTHED = 2**18, 2**16  # pixels painted, and textured, at a time: what they need stays in the cache of a CPU core


def rendered(scenes, size):
    """The same scenes at another resolution: Scenes whose images, masks and boxes are size × size pixels.

    Draws scenes anew, too, after ``dataclasses.replace`` has changed places or names; x and y may then lie outside the image.
    Raises ValueError unless size is a whole number from 16 to 512.
    """
    check_size(size)
    here = scenes.to("cpu")
    image, mask, box, visible = draw(here, size)
    return replace(here, image=image, mask=mask, box=box, visible=visible).to(scenes.index.device)


def check_size(size):
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"the size of the images must be a whole number of pixels from {SMALLEST} to {LARGEST}; got {size!r}")


def draw(scenes, size):
    """(image, mask, box, visible) as in Scenes, from all the other fields of ``scenes``."""
    N, K = scenes.present.shape
    chance = Chance(scenes.seed, scenes.split, scenes.index.numpy())
    level = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * chance.uniform("level", 1, 1, 1)
    uneven, keys = grids(chance), chance.bits("grain", 1)[:, 0].astype(np.uint32)
    image = torch.empty(N, 3, size, size)
    mask = torch.zeros(N, K, size, size, dtype=torch.bool)
    box, visible = torch.zeros(N, K, 4), torch.zeros(N, K)
    for many in _chunks(0, N, _PAINTED // size**2):
        few = list(_chunks(many.start, many.stop, _SMOOTHED // size**2))
        for some in few:
            image[some] = level[some] + CONTRAST * scenes.texture * texture([grid[some] for grid in uneven], size)[:, None]
        _paint(scenes[many], image[many], mask[many], box[many], visible[many])
        for some in few:
            if scenes.noise > 0:
                image[some] += grain(keys[some], size).mul_(scenes.noise)
            image[some].clamp_(0, 1)
    return image, mask, box, visible


def _chunks(start, stop, length):
    length = max(1, length)
    return (slice(first, min(first + length, stop)) for first in range(start, stop, length))


def _paint(scenes, image, mask, box, visible):
    """Paint the objects of a few scenes over the background that ``image`` holds, far to near; fill in mask, box and visible."""
    scene, slot = scenes.present.nonzero(as_tuple=True)  # (M,): the objects of all scenes
    if not len(scene):
        return
    far_first = scenes.depth[scene, slot].argsort(descending=True, stable=True)
    scene, slot = scene[far_first], slot[far_first]
    size = image.shape[-1]
    x, y, radius = (place[scene, slot] * size for place in (scenes.x, scenes.y, scenes.radius))  # in pixels
    side = min(size, math.ceil(2 * radius.max().item()) + 3)
    column, row = ((centre - side / 2).floor().clamp(0, size - side).long()[:, None] + torch.arange(side) for centre in (x, y))
    cover = _cover(scenes.shape[scene, slot], column + 0.5 - x[:, None], row + 0.5 - y[:, None], radius)  # (M, h, w)
    solid = cover >= 0.5
    colour = torch.tensor(list(COLOURS.values()))[scenes.colour[scene, slot]]  # (M, 3)

    pictures, nearest = _windows(image, side), _windows(torch.full((len(image), size, size), -1, dtype=torch.int8), side)
    top, left = row[:, 0], column[:, 0]
    counts = scenes.depth[scene, slot].unique(return_counts=True)[1].flip(0)  # objects of each layer, one a scene at most
    for first, end in pairwise([0, *counts.cumsum(0).tolist()]):
        layer = slice(first, end)
        at = scene[layer], top[layer], left[layer]
        behind = pictures[at]  # (m, 3, h, w)
        pictures[at] = behind + cover[layer, None] * (colour[layer, :, None, None] - behind)
        nearest[at] = torch.where(solid[layer], slot[layer, None, None].to(torch.int8), nearest[at])

    seen = nearest[scene, top, left] == slot[:, None, None]  # (M, h, w)
    _windows(mask, side)[scene, top, left, slot] = seen
    visible[scene, slot] = seen.sum((1, 2)) / solid.sum((1, 2)).clamp(min=1)
    box[scene, slot] = _boxes(seen, column, row)


def _cover(shape, x, y, radius):
    """How much of each pixel an object covers: (M, h, w) in [0, 1]. x (M, w), y (M, h): where the pixels lie about its centre."""
    cover = torch.empty(len(shape), y.shape[1], x.shape[1])
    for number, name in enumerate(SHAPES):
        of_shape = (shape == number).nonzero().flatten()
        if len(of_shape):
            scale = radius[of_shape, None, None]
            distance = OUTLINES[name](x[of_shape, None, :] / scale, y[of_shape, :, None] / scale)
            cover[of_shape] = (0.5 - distance * scale).clamp(0, 1)
    return cover


def _windows(pixels, side):
    """A view of (N, …, H, W) in which windows[n, top, left] is the square (…, side, side) of image n with that corner."""
    windows = pixels.unfold(-2, side, 1).unfold(-2, side, 1)  # (N, …, H − side + 1, W − side + 1, side, side)
    return windows.movedim((-4, -3), (1, 2))


def _boxes(seen, column, row):
    """The tight boxes of masks in windows: (M, 4) x1, y1, x2, y2 with x2, y2 exclusive; zeros for a mask without a pixel."""
    box = torch.empty(len(seen), 4)
    for axis, (place, across) in enumerate([(column, 1), (row, 2)]):
        touched = seen.sum(across) > 0  # (M, w): which columns, then which rows
        box[:, axis] = torch.where(touched, place, place[:, -1:] + 1).amin(1)
        box[:, axis + 2] = torch.where(touched, place + 1, 0).amax(1)
    return box * (box[:, 2:3] > 0)
