"""The pictures of the leak hunt in chapter 14: a test part in which some pictures are old acquaintances and some only look it.

Each test picture is made in a way that has a name, often from a training picture. ``LEAKS`` are changes of the file; the scene is
the same. ``DECOYS`` are other scenes that share something with a training picture. ``STRANGERS`` share nothing, but their files
were changed, too: a blurred picture need not be an old one. An order drawn once hides which is which.
"""

import io

import numpy as np
import torch
import torch.nn.functional as F

TRAIN, SIZE, SEED = 40, 64, 1412

# What is done to the picture → the training row that it is done to.
LEAKS = {"copied": 7, "saved again": 22, "brightened": 33, "shrunk": 3, "mirrored": 17, "mirrored and saved again": 28}
DECOYS = {
    "same objects elsewhere": (12, 30),
    "same objects elsewhere, same background": (25,),
    "same places, other colours": (36, 9),
    "same places, other shapes": (20,),
    "same background": (1, 14),
}
STRANGERS = ("saved again", "shrunk")  # what is done to pictures that are new


def hunt_kinds():
    """The kind of each test picture in the order of ``hunt_pictures``: names of LEAKS and DECOYS, or "stranger"."""
    kinds = [*LEAKS, *(kind for kind, rows in DECOYS.items() for _ in rows), *["stranger"] * len(STRANGERS)]
    return [kinds[n] for n in _order(len(kinds))]


def hunt_pictures():
    """Training pictures (40, 3, 64, 64) and test pictures (16, 3, 64, 64), floats in [0, 1], the same in every call."""
    from mmlearn.data import world

    train = world.sample(TRAIN, seed=SEED, size=SIZE, objects=(3, 4))
    changed = [_CHANGES[kind](train.image[row]) for kind, row in LEAKS.items()]
    alike = [_decoy(kind, train[row]) for kind, rows in DECOYS.items() for row in rows]
    new = world.sample(len(STRANGERS), seed=SEED, split="test", size=SIZE, objects=(3, 4)).image
    strangers = [_CHANGES[kind](image) for kind, image in zip(STRANGERS, new, strict=True)]
    test = torch.stack([*changed, *alike, *strangers])
    return train.image, test[_order(len(test))]


def _order(count):
    return torch.randperm(count, generator=torch.Generator().manual_seed(SEED)).tolist()


def _saved_again(image):
    """As a JPEG of quality 60."""
    from PIL import Image

    file = io.BytesIO()
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, format="JPEG", quality=60)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255


def _shrunk(image):
    small = F.interpolate(image[None], (SIZE // 2, SIZE // 2), mode="area")
    return F.interpolate(small, (SIZE, SIZE), mode="bilinear")[0]


_CHANGES = {
    "copied": torch.clone,
    "saved again": _saved_again,
    "brightened": lambda image: (1.25 * image + 0.05).clamp(max=1),
    "shrunk": _shrunk,
    "mirrored": lambda image: image.flip(-1),
    "mirrored and saved again": lambda image: _saved_again(image.flip(-1)),
}


def _decoy(kind, scene):
    """Another scene (3, H, W) that shares with one scene what the kind says."""
    from mmlearn.data import world

    other = scene.index + TRAIN  # not among the training scenes: what this number draws is new to them
    names = {"shape": scene.shape, "colour": scene.colour, "size": scene.size}
    here = {"x": scene.x, "y": scene.y, "depth": scene.depth}
    drawing = {"seed": SEED, "resolution": SIZE}
    if kind == "same objects elsewhere":
        return world.compose(index=other, **names, **drawing).image[0]
    if kind == "same objects elsewhere, same background":
        moved = world.compose(index=other, **names, **drawing)
        return world.compose(index=scene.index, **names, x=moved.x, y=moved.y, **drawing).image[0]
    if kind == "same background":
        new = world.sample(index=other.tolist(), seed=SEED, size=SIZE, objects=(3, 4))
        names = {"shape": new.shape, "colour": new.colour, "size": new.size}
        return world.compose(index=scene.index, **names, x=new.x, y=new.y, **drawing).image[0]
    attribute, words = {"colours": ("colour", world.COLOURS), "shapes": ("shape", world.SHAPES)}[kind.split()[-1]]
    names[attribute] = ((names[attribute] + 3) % len(words)).where(scene.present, -1)
    return world.compose(index=other, **names, **here, **drawing).image[0]
