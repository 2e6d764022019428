"""Centre and scale: every modality brought to mean 0 and standard deviation 1, with statistics of the training data."""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel or feature, shaped so that they broadcast against one example and a batch.

    mean, std: (C, 1, 1) for images, (D,) for tables and sequences   count: how many numbers stand behind each of them
    """

    mean: torch.Tensor
    std: torch.Tensor
    count: torch.Tensor


def statistics(tensor, dims, mask=None):
    """Statistics over the axes ``dims``. Give it training data and nothing else: test data must not shape the model.

    tensor: floats, e.g. (N, C, H, W) with dims (0, 2, 3), (N, T, D) with dims (0, 1), (N, D) with dims 0; finite where counted
    mask: None, or bool, True where there is data; (N, T) for padded sequences (N, T, D): missing trailing axes are added
    returns: Statistics; of the axes in ``dims`` those at the front are dropped and the others have size 1. σ² is the mean squared
    deviation (divided by n, as scikit-learn's StandardScaler has it), computed in float64; σ is exactly 0 where nothing varies.
    Raises TypeError for what is not float; ValueError for NaN, infinity, or a channel without a single number.

    >>> found = statistics(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), dims=0)
    >>> found.mean, found.std
    (tensor([2., 5.]), tensor([1., 0.]))
    """
    if not tensor.is_floating_point():
        raise TypeError(f"statistics need floats; got {tensor.dtype}: bytes of images become floats with mmlearn.data.to_float")
    dims = _axes(dims, tensor.ndim)
    counted = _counted(mask, tensor)
    wrong = int((counted & ~tensor.isfinite()).sum())
    if wrong:
        raise ValueError(
            f"{wrong} of {tensor.numel():,} numbers are NaN or infinite, and so would be the mean: "
            "mask them, or treat them first with mmlearn.data.cleaning.clean_readings"
        )
    count = counted.sum(dims, keepdim=True)
    if count.numel() == 0 or (count == 0).any():
        raise ValueError(f"no number to take the mean of, in at least one channel: got {tuple(tensor.shape)} with dims {dims}")
    values = tensor.double()
    mean = values.where(counted, 0).sum(dims, keepdim=True) / count
    std = ((values - mean).where(counted, 0).square().sum(dims, keepdim=True) / count).sqrt()
    largest, smallest = values.where(counted, -math.inf).amax(dims, True), values.where(counted, math.inf).amin(dims, True)
    mean, std = mean.where(largest > smallest, largest), std.where(largest > smallest, 0)  # a constant, without its rounding
    front = next((axis for axis in range(tensor.ndim) if axis not in dims), tensor.ndim)
    shape = mean.shape[front:]
    return Statistics(mean.reshape(shape).to(tensor.dtype), std.reshape(shape).to(tensor.dtype), count.reshape(shape))


def standardise(x, mean, std):
    """z = (x − μ) / σ — Eq. 1.5: how many standard deviations a number lies above the mean.

    A channel that never varied (σ = 0) is centred and not scaled.
    x: (N, C, H, W) or (C, H, W) with mean, std (C, 1, 1); (…, D) with mean, std (D,)   returns: the shape of x

    >>> standardise(torch.tensor([[1.0, 5.0], [3.0, 6.0]]), torch.tensor([2.0, 5.0]), torch.tensor([1.0, 0.0]))
    tensor([[-1.,  0.],
            [ 1.,  1.]])
    """
    return (x - mean) / std.where(std > 0, 1)


def restore(z, mean, std):
    """x = z·σ + μ: what ``standardise`` was given, also where σ = 0."""
    return z * std.where(std > 0, 1) + mean


def _axes(dims, ndim):
    """The axes as sorted whole numbers from 0 on."""
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    if not dims or not all(isinstance(axis, int) and -ndim <= axis < ndim for axis in dims):
        raise ValueError(f"dims must name axes of a tensor with {ndim}, 0 to {ndim - 1}, at least one; got {dims}")
    return tuple(sorted({axis % ndim for axis in dims}))


def _counted(mask, tensor):
    """The mask with the shape of the tensor; all True without one."""
    if mask is None:
        return torch.ones_like(tensor, dtype=torch.bool)
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be bool, True where there is data; got {mask.dtype}")
    given = tuple(mask.shape)
    try:
        return mask.reshape(*given, *(1,) * (tensor.ndim - mask.ndim)).expand(tensor.shape)
    except RuntimeError:
        raise ValueError(f"mask must fit the first axes of {tuple(tensor.shape)}; got {given}") from None
