"""Scenes of mmlearn.data.world beside a loop that draws each with Pillow at four times the size and reduces it."""

import math
from functools import partial

import numpy as np
from PIL import Image, ImageDraw
from side_by_side import side_by_side

from mmlearn.data.world import COLOURS, SHAPES, sample
from mmlearn.data.world.background import CONTRAST, LEVELS, OCTAVES, grids
from mmlearn.data.world.chance import Chance
from mmlearn.data.world.outlines import CROSS, DIAMOND, RING, SQUARE, STAR, TRIANGLE

SIZES = {24: (1000, None), 64: (500, 0.5), 256: (32, None)}  # pixels along a side: (scenes, what one may cost)
FINER = 4  # what Pillow draws is so much larger


def world():
    """Images, boxes and masks of the same objects on the same background, for one scene; only ours draws what is where, too."""
    for size, (count, goal) in SIZES.items():
        ours = partial(sample, count, seed=0, size=size)
        rival = partial(pillow, ours(), backgrounds(ours()), np.random.default_rng(0))
        what = f"{size}×{size} scene with boxes and masks, beside Pillow"
        yield side_by_side(what, ours, rival, goal=goal, rounds=7, parts=count, rival_parts=count)


def pillow(scenes, grounds, generator):
    """(image, mask, box) as in Scenes, as arrays, one picture after the other; ``grounds`` as ``backgrounds`` draws them."""
    size, (N, K) = scenes.resolution, scenes.present.shape
    image, mask = np.empty((N, size, size, 3), np.float32), np.zeros((N, K, size, size), bool)
    box = np.zeros((N, K, 4), np.float32)
    weights = [_interpolation(cells, size) for cells in OCTAVES]
    for n in range(N):
        level, uneven = grounds[n]
        ground = sum(share * w @ grid @ w.T for w, grid, share in zip(weights, uneven, OCTAVES.values(), strict=True))
        grey = Image.fromarray(np.round(255 * (level + CONTRAST * scenes.texture * ground)).astype(np.uint8))
        picture = grey.resize((FINER * size, FINER * size), Image.Resampling.NEAREST).convert("RGB")
        canvas, free = ImageDraw.Draw(picture), np.ones((size, size), bool)
        objects = scenes.objects(n)
        corners = [_corners(thing, FINER * size) for thing in objects]
        for thing, points in zip(reversed(objects), reversed(corners), strict=True):
            canvas.polygon(points, fill=tuple(round(255 * value) for value in COLOURS[thing["colour"]]))
        image[n] = np.asarray(picture.reduce(FINER), np.float32) / 255
        if scenes.noise:
            image[n] += scenes.noise * generator.standard_normal(image[n].shape, np.float32)
        for thing, points in zip(objects, corners, strict=True):
            alone = Image.new("L", picture.size)
            ImageDraw.Draw(alone).polygon(points, fill=255)
            solid = np.asarray(alone.reduce(FINER)) >= 128
            mask[n, thing["slot"]] = seen = solid & free
            free &= ~solid
            if seen.any():
                columns, rows = (np.flatnonzero(seen.any(axis)) for axis in (0, 1))
                box[n, thing["slot"]] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return image.clip(0, 1).transpose(0, 3, 1, 2), mask, box


def backgrounds(scenes):
    """What Pillow's loop is given: the grey level of each scene and the numbers on its coarse grids."""
    chance = Chance(scenes.seed, scenes.split, scenes.index.numpy())
    levels = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * chance.uniform("level", 1).numpy()
    return [(levels[n, 0], [grid[n].numpy() for grid in uneven]) for uneven in [grids(chance)] for n in range(len(scenes))]


def _interpolation(cells, size):
    """The matrix (size, cells + 1) that interpolates smoothly from grid lines to pixels."""
    place = (np.arange(size) + 0.5) * cells / size
    before, t = place.astype(int), place % 1
    ease = (t * t * (3 - 2 * t))[:, None]
    lines = np.eye(cells + 1)
    return (lines[before] * (1 - ease) + lines[before + 1] * ease).astype(np.float32)


def _corners(thing, size):
    """The outline of an object in a picture of size × size pixels, as Pillow counts them: whole numbers are pixels' centres."""
    places = POLYGONS[thing["shape"]] * thing["radius"] + (thing["x"], thing["y"])
    return (places * size - 0.5).flatten().tolist()


def _arc(radius, start=0, end=360, x=0.0, y=0.0):
    """Points of an arc, y downwards, from one angle to another, in degrees."""
    angles = np.radians(np.linspace(start, end, 64))
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)


def _cross():
    """The corners of the bar that points up, turned by 0, 90, 180 and 270 degrees."""
    up = np.array([(-CROSS, -CROSS), (-CROSS, -1), (CROSS, -1)])
    return np.concatenate([up @ np.linalg.matrix_power([[0, 1], [-1, 0]], turns) for turns in range(4)])


def _star():
    angles = np.radians(36) * np.arange(10) - math.pi / 2
    outer = 1 / math.cos(math.radians(18))
    radii = outer * np.where(np.arange(10) % 2, STAR, 1)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    return points - np.array([0, (points[:, 1].min() + points[:, 1].max()) / 2])


def _heart():
    disc, away = 2 - math.sqrt(2), math.sqrt(2) - 1
    left, right = _arc(disc, 135, 315, -away, -away), _arc(disc, 225, 405, away, -away)
    return np.concatenate([left, right, [[0, 2 * away]]]) + np.array([0, (1 - 2 * away) / 2])


POLYGONS = {  # in units of the radius, y downwards
    "circle": _arc(1),
    "square": SQUARE * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]),
    "triangle": np.array([[0, -1], [1, TRIANGLE], [-1, TRIANGLE]]),
    "diamond": np.array([[0, -1], [DIAMOND, 0], [0, 1], [-DIAMOND, 0]]),
    "cross": _cross(),
    "star": _star(),
    "ring": np.concatenate([_arc(1), _arc(RING, 360, 0)]),
    "heart": _heart(),
}
assert tuple(POLYGONS) == SHAPES
