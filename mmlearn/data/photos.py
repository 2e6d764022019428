"""The photographs inside the scikit-image package: nothing to download, and each with a known origin."""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files

import torch


@dataclass(frozen=True)
class Photo:
    """What a photograph shows, and its licence in the words of scikit-image's documentation of ``skimage.data``."""

    file: str
    shows: str
    licence: str


_UNSTATED = "not stated by scikit-image, which ships it under its own BSD-3-Clause licence"
_MIDDLEBURY = "Middlebury 2014 stereo benchmark, Scharstein et al. 2014; licence " + _UNSTATED

PHOTOS = {
    "astronaut": Photo("astronaut.png", "the astronaut Eileen Collins, colour", "public domain, NASA Great Images"),
    "brick": Photo("brick.png", "a brick wall, grey", "CC0, CC0Textures Bricks25"),
    "camera": Photo("camera.png", "a photographer behind a camera, grey", "CC0 by the photographer Lav Varshney"),
    "cell": Photo("cell.png", "a cell floating in saline, phase image, grey", "CC0, Müller et al. 2018"),
    "chelsea": Photo("chelsea.png", "Chelsea the cat, colour", "CC0 by the photographer Stefan van der Walt"),
    "clock": Photo("clock_motion.png", "a wall clock blurred by motion, grey", "public domain, Stefan van der Walt"),
    "coffee": Photo("coffee.png", "a cup of coffee on a table, colour", "CC0 by the photographer Rachel Michetti"),
    "coins": Photo("coins.png", "Greek coins from Pompeii, grey", "no known copyright restrictions, Brooklyn Museum"),
    "grass": Photo("grass.png", "grass, grey", "CC0, DeviantArt Grass-01"),
    "gravel": Photo("gravel.png", "gravel, grey", "CC0, CC0Textures Gravel04"),
    "horse": Photo("horse.png", "the silhouette of a horse, black on white", "CC0 by Andreas Preuss (marauder), openclipart"),
    "hubble_deep_field": Photo("hubble_deep_field.jpg", "galaxies, Hubble eXtreme Deep Field, colour", "public domain, NASA"),
    "immunohistochemistry": Photo("ihc.png", "stained colonic glands, colour", "no known copyright restrictions, CMMI"),
    "microaneurysms": Photo("microaneurysms.png", "a detail of a retina with lesions, grey", "CC0 by Andreas Maier"),
    "moon": Photo("moon.png", "the surface of the moon, low contrast, grey", _UNSTATED),
    "motorcycle_left": Photo("motorcycle_left.png", "a motorcycle, left view of a stereo pair, colour", _MIDDLEBURY),
    "motorcycle_right": Photo("motorcycle_right.png", "a motorcycle, right view of a stereo pair, colour", _MIDDLEBURY),
    "retina": Photo("retina.jpg", "the retina of a left eye, colour", "CC0, Häggström 2014"),
    "rocket": Photo("rocket.jpg", "the launch of DSCOVR on a Falcon 9, colour", "public domain, SpaceX"),
    "text": Photo("text.png", "handwriting, grey", "public domain, Wikipedia Corner.png"),
}


def photo(name, size=None, grey=False):
    """One photograph as (C, H, W) float32 in [0, 1]; C is 3 for a colour photograph, 1 for a grey one or with ``grey``.

    size: None for the whole photograph, or the side in pixels of the square cut from its centre and resized with
    anti-aliasing. ``PHOTOS`` lists the names, what they show, and the licences.

    >>> photo("chelsea", size=64).shape
    torch.Size([3, 64, 64])
    >>> photo("coffee", grey=True).shape
    torch.Size([1, 400, 600])
    """
    if name not in PHOTOS:
        shown = [known for known, photo in PHOTOS.items() if str(name).lower() in photo.shows.lower()]
        near = shown[:3] or get_close_matches(str(name), PHOTOS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(PHOTOS)}"
        raise ValueError(f"no photograph is called {name!r}: {hint}")
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ValueError(f"size must be a whole number of pixels, at least 1, or None for the whole photograph; got {size!r}")

    image = _read(PHOTOS[name].file, grey)  # (C, H, W)
    return image if size is None else _square(image, size)


def _read(file, grey):
    """A file of the scikit-image package as (C, H, W) floats in [0, 1]; transparent pixels become white."""
    import numpy as np
    from PIL import Image

    with Image.open(files("skimage") / "data" / file) as image:
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")
        pixels = np.array(image.convert("L") if grey else image)  # (H, W) or (H, W, 3) bytes
    pixels = torch.from_numpy(pixels).float() / 255
    return pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def _square(image, size):
    """(C, H, W) → (C, size, size): the central square, resized with anti-aliasing."""
    side = min(image.shape[1:])
    top, left = (image.shape[1] - side) // 2, (image.shape[2] - side) // 2
    square = image[None, :, top : top + side, left : left + side]  # (1, C, side, side)
    return torch.nn.functional.interpolate(square, (size, size), mode="bilinear", antialias=True)[0].clamp(0, 1)
