"""One image file to pixels, with every way in which a file can be wrong turned into one sentence."""

import warnings
from pathlib import Path

import numpy as np
import torch

LARGEST = 100_000_000  # pixels; a small file can claim to hold more than a machine can


def open_image(path):
    """The whole image as a PIL image, decoded to the last pixel and turned upright as its EXIF says.

    Raises ValueError saying what is wrong: empty, not an image, cut off or damaged, larger than LARGEST pixels. PIL alone would
    decode lazily, so that a file that is cut off is noticed in the middle of an epoch.
    """
    from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

    path = Path(path)
    if path.stat().st_size == 0:
        raise ValueError("empty: it has 0 bytes")
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False  # another library may have set it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # LARGEST is below
            with Image.open(path) as image:
                width, height = image.size
                if width * height > LARGEST:
                    raise Image.DecompressionBombError(f"it claims {width:,} × {height:,} pixels")
                image.verify()  # checksums, in the formats that have them
            with Image.open(path) as image:
                image.load()
                return ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise ValueError(f"too large to be opened safely, more than {LARGEST:,} pixels: {error}") from error
    except UnidentifiedImageError as error:
        with path.open("rb") as file:
            raise ValueError(f"not an image: it begins with {file.read(12)!r}") from error
    except Exception as error:  # decoders meet bytes that nobody foresaw, and raise whatever happens to fail
        raise ValueError(f"cut off or damaged: {error}") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def to_tensor(image, size=None):
    """A PIL image → (3, H, W) float32 in [0, 1]. Grey is repeated, transparency put on white, 16 bits become 8.

    size: None, or the side of the central square, resized with anti-aliasing
    Raises ValueError for 32-bit pixels, whose white nobody knows.
    """
    from PIL import Image, ImageOps

    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels (mode {image.mode!r}) have no known range: save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))  # PIL's own conversion would cut at 255
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255
