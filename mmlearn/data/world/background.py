"""What a scene has besides objects: a grey background with smooth texture, and the grain of the camera. All of it is hashed."""

import functools

import numpy as np
import torch

LEVELS = (0.27, 0.42)  # darkest and lightest mean grey
CONTRAST = 0.17  # how far full texture departs from it, at most
OCTAVES = {4: 0.65, 9: 0.35}  # cells along a side → share of the texture
_BYTES_SPREAD = (4 * (256**2 - 1) / 12) ** 0.5  # standard deviation of the sum of four random bytes


def grids(chance):
    """The random numbers of the texture: [(N, g + 1, g + 1) float32 in [−1, 1) for each octave of g cells]."""
    return [chance.uniform(f"texture {cells}", cells + 1, cells + 1) * 2 - 1 for cells in OCTAVES]


def texture(grids, size):
    """Value noise: numbers on coarse grids, smoothly interpolated and added. (N, size, size) float32 in [−1, 1].

    grids: as ``grids`` draws them. Interpolation goes along the rows, then along the columns: each time a number and a share of
    the step to the next one, not a matrix product, whose rounding could change with the batch.
    """
    total = 0
    for grid, share in zip(grids, OCTAVES.values(), strict=True):
        place = (torch.arange(size) + 0.5) * (grid.shape[-1] - 1) / size
        before, t = place.long(), place - place.floor()
        ease = t * t * (3 - 2 * t)  # leaves each grid line with slope 0
        step = grid[:, :, 1:] - grid[:, :, :-1]
        wide = (grid[:, :, before] + step[:, :, before] * ease) * share  # (N, g + 1, W)
        step = wide[:, 1:] - wide[:, :-1]
        total = total + wide.index_select(1, before) + step.index_select(1, before) * ease[:, None]  # (N, H, W)
    return total


def grain(keys, size):
    """(N, 3, size, size) float32 of mean 0 and standard deviation 1, nearly Gaussian: the sum of four random bytes.

    keys: (N,) uint32, one random number a scene. Each value is a hash of its scene's key and of its place alone; the hash is the
    finaliser of MurmurHash3 (Appleby 2011).
    """
    bits = _scrambled_places(size) ^ keys[:, None]  # (N, 3·H·W)
    spare = np.empty_like(bits)
    bits = _scramble(bits, spare)
    np.right_shift(bits, 8, out=spare)
    spare &= 0x00FF00FF  # bytes 3 and 1
    bits &= 0x00FF00FF  # bytes 2 and 0
    bits += spare
    np.right_shift(bits, 16, out=spare)
    bits += spare
    bits &= 0xFFFF
    value = bits.view(np.int32).astype(np.float32)
    value -= 510
    value *= np.float32(1 / _BYTES_SPREAD)
    return torch.from_numpy(value).view(len(keys), 3, size, size)


@functools.lru_cache(maxsize=4)
def _scrambled_places(size):
    places = np.arange(3 * size * size, dtype=np.uint32)
    return _scramble(places * np.uint32(0x9E3779B9), np.empty_like(places))


def _scramble(bits, spare):
    """Scramble 32 bits in place, one to one; ``spare`` has the same shape."""
    for places, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        np.right_shift(bits, places, out=spare)
        bits ^= spare
        if factor != 1:
            bits *= np.uint32(factor)
    return bits
