"""Scenes that are written by hand, and scenes of random objects that no sampler has chosen."""

import numpy as np
import pytest
import torch

from mmlearn.data.world.attributes import COLOURS, MAX_OBJECTS, SHAPES, SIZES
from mmlearn.data.world.scenes import Scenes

NAMES = {"size": list(SIZES), "colour": list(COLOURS), "shape": list(SHAPES)}


def by_hand(*scenes, slots=MAX_OBJECTS):
    """Scenes, each a list of objects ("large red circle", x, y), the nearest first, or ("large red circle", x, y, depth).

    The images stay black, and no object hides another.
    """
    N = len(scenes)
    numbers = {name: torch.full((N, slots), -1) for name in (*NAMES, "depth")}
    places = {name: torch.zeros(N, slots) for name in ("x", "y", "radius")}
    present = torch.zeros(N, slots, dtype=torch.bool)
    for n, objects in enumerate(scenes):
        for slot, (words, x, y, *depth) in enumerate(objects):
            for (name, known), word in zip(NAMES.items(), words.split(), strict=True):
                numbers[name][n, slot] = known.index(word)
            numbers["depth"][n, slot] = depth[0] if depth else slot
            for name, value in zip(places, (x, y, SIZES[words.split()[0]]), strict=True):
                places[name][n, slot] = value
            present[n, slot] = True
    pixels = {"image": torch.zeros(N, 3, 16, 16), "mask": torch.zeros(N, slots, 16, 16, dtype=torch.bool)}
    boxes = {"box": torch.zeros(N, slots, 4), "visible": present.float(), "index": torch.arange(N)}
    return Scenes(**pixels, **boxes, present=present, **numbers, **places, seed=0, split="train", texture=0.0, noise=0.0)


@pytest.fixture(scope="session")
def scenes_of():
    """A function: scenes_of([("large red circle", 0.2, 0.5), …], …) → Scenes."""
    return by_hand


@pytest.fixture(scope="session")
def many():
    """A function: many(n, seed) → n Scenes of 0 to 6 random objects, in any order of depth."""

    def draw_scenes(n, seed=0):
        draw = np.random.default_rng(seed)
        return by_hand(
            *[
                [
                    (" ".join(draw.choice(known) for known in NAMES.values()), *draw.uniform(0.14, 0.86, 2), depth)
                    for depth in draw.permutation(draw.integers(0, MAX_OBJECTS + 1))
                ]
                for _ in range(n)
            ]
        )

    return draw_scenes
