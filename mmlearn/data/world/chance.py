"""Random numbers that depend on the scene, not on the batch.

A generator hands out numbers in the order in which it is asked, so scene 7 would change with what is drawn before it. Here each
number is a hash of (seed, split, scene, what it is for, position): the same on any machine, alone or among ten thousand.
"""

import zlib

import numpy as np
import torch

SPLITS = ("train", "validation", "test")
_SPLIT_ROOM = 2**40  # scenes in a split; their numbers do not meet


class Chance:
    """Hashed random numbers for the scenes ``index`` (N,) of one seed and split.

    >>> alone, among = Chance(0, "train", [7]), Chance(0, "train", range(10_000))
    >>> bool((alone.uniform("x", 3)[0] == among.uniform("x", 3)[7]).all())
    True
    """

    def __init__(self, seed, split, index):
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed must be a whole number, at least 0; got {seed!r}")
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
        index = np.asarray(index)
        if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
            raise ValueError(f"index must be (N,) whole numbers; got {index.dtype} {index.shape}")
        index = index.astype(np.int64)
        if index.size and not (index.min() >= 0 and index.max() < _SPLIT_ROOM):
            raise ValueError(f"scenes are numbered from 0 to {_SPLIT_ROOM - 1:,}; got {index.min():,} to {index.max():,}")
        scene = index.astype(np.uint64) + np.uint64(SPLITS.index(split) * _SPLIT_ROOM)
        self._keys = _mix(_mix(np.uint64(int(seed) % 2**64)) + scene)  # (N,); one to one in the scene

    def __len__(self):
        return len(self._keys)

    def bits(self, what, count):
        """(N, count) uint64, each bit a fair coin; ``what`` names the purpose and makes it independent of other purposes."""
        purpose = np.uint64(zlib.crc32(what.encode()))
        position = np.arange(count, dtype=np.uint64) << np.uint64(32)
        return _mix(self._keys[:, None] ^ _mix(position + purpose))

    def uniform(self, what, *shape):
        """(N, *shape) float32, uniform in [0, 1)."""
        bits = self.bits(what, int(np.prod(shape, dtype=int)))
        return torch.from_numpy((bits >> np.uint64(40)).astype(np.float32) / 2**24).reshape(len(self), *shape)

    def integers(self, what, high, *shape):
        """(N, *shape) int64, uniform in 0 … high − 1."""
        return (self.uniform(what, *shape).double() * high).long()

    def ranks(self, what, count):
        """(N, count) int64: a random permutation of 0 … count − 1 for each scene."""
        return torch.from_numpy(self.bits(what, count).argsort(axis=1, kind="stable").astype(np.int64)).argsort(dim=1)


def _mix(z):
    """Scramble 64 bits, one to one: the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
