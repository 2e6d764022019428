"""Normalisation as the first layer of a model, so that the training data's statistics are saved and loaded with it."""

import torch
from torch import nn

from mmlearn.data.normalise import restore, standardise, statistics


class Normalise(nn.Module):
    """(x − μ)/σ with a fixed μ and σ that belong to the model: they are in its state_dict and move with it, but are not trained.

    mean, std: (C, 1, 1) for images, (D,) for features; floats of the same shape, std ≥ 0 (0: centred, not scaled)
    x: (N, C, H, W), (C, H, W), (…, D)   returns: the shape of x

    >>> layer = Normalise.fit(torch.rand(100, 3, 8, 8), dims=(0, 2, 3))
    >>> layer(torch.rand(5, 3, 8, 8)).shape, sorted(layer.state_dict())
    (torch.Size([5, 3, 8, 8]), ['mean', 'std'])

    An empty one to load into: ``Normalise(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))``.
    """

    def __init__(self, mean, std):
        super().__init__()
        mean, std = torch.as_tensor(mean), torch.as_tensor(std)
        if mean.shape != std.shape or not (mean.is_floating_point() and std.is_floating_point()):
            got = f"{mean.dtype} {tuple(mean.shape)} and {std.dtype} {tuple(std.shape)}"
            raise ValueError(f"mean and std must be floats of one shape; got {got}")
        if not (mean.isfinite().all() and std.isfinite().all() and (std >= 0).all()):
            raise ValueError(f"mean and std must be finite, std not negative; got mean {mean.tolist()}, std {std.tolist()}")
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("std", std.detach().clone())

    @classmethod
    def fit(cls, train, dims, mask=None):
        """The layer for these training data; ``dims`` and ``mask`` as in ``mmlearn.data.normalise.statistics``."""
        found = statistics(train, dims, mask)
        return cls(found.mean, found.std)

    def forward(self, x, mask=None):
        """mask: None, or bool over the first axes of x, True where there is data; what is padding becomes 0, the new mean."""
        self._check(x, "x")
        z = standardise(x, self.mean, self.std)
        return z if mask is None else z.where(mask.reshape(*mask.shape, *(1,) * (x.ndim - mask.ndim)), 0)

    def inverse(self, z):
        """What ``forward`` was given, up to rounding: to look at pictures, or to read predictions in their own unit."""
        self._check(z, "z")
        return restore(z, self.mean, self.std)

    def _check(self, x, name):
        if not x.is_floating_point():
            raise TypeError(f"{name} must be floats in the unit of the training data; got {x.dtype}")
        shape, own = tuple(x.shape), tuple(self.mean.shape)
        if len(shape) < len(own) or any(mine not in (1, given) for mine, given in zip(own[::-1], shape[::-1], strict=False)):
            raise ValueError(f"{name} must end in {own}, where 1 stands for any number, as the training data did; got {shape}")

    def extra_repr(self):
        return f"{tuple(self.mean.shape)}"
