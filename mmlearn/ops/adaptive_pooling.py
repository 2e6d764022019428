"""Average pooling to an output size that is asked for, whatever the size of the image."""

import torch

from mmlearn.ops.arguments import check_floating, check_grad_output, is_whole, require, shape
from mmlearn.ops.by_hand import differentiated_by


def _output_size(input, output_size):
    """The checked output size (H', W'); None for one of the two stands for the input's own."""
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    require(min(input.shape[-2:]) >= 1, "input", shape(input), "at least one pixel")
    both = (output_size,) * 2 if is_whole(output_size) else output_size
    good = isinstance(both, (tuple, list)) and len(both) == 2 and all(n is None or (is_whole(n) and n >= 1) for n in both)
    require(
        good, "output_size", repr(output_size), "a whole number ≥ 1, or two of them (height, width), None for the input's own"
    )
    return tuple(n if wanted is None else int(wanted) for n, wanted in zip(input.shape[-2:], both, strict=True))


def _windows(size, places):
    """For each of the places along an axis, the slice ⌊i·H/H'⌋ … ⌈(i+1)·H/H'⌉ − 1 of the input; neighbours may share a pixel."""
    return [slice(i * size // places, -(-(i + 1) * size // places)) for i in range(places)]


def _shares(grad, size, axis):
    """Along one axis, every output's gradient in equal shares to the pixels of its window."""
    axis %= grad.dim()
    whole = grad.new_zeros(*grad.shape[:axis], size, *grad.shape[axis + 1 :])
    for i, window in enumerate(_windows(size, grad.shape[axis])):
        place = whole.narrow(axis, window.start, window.stop - window.start)
        place += grad.narrow(axis, i, 1) / (window.stop - window.start)
    return whole


def adaptive_avg_pool2d_backward(grad_output, input, output_size):
    """∂L/∂x[α,β] = Σ over the windows that hold (α,β) of ∂L/∂y divided by the window's number of pixels.

    grad_output: (N, C, H', W')   input: (N, C, H, W)   returns: (N, C, H, W)
    """
    check_grad_output(grad_output, (*input.shape[:-2], *_output_size(input, output_size)))
    return _shares(_shares(grad_output, input.shape[-2], -2), input.shape[-1], -1)


@differentiated_by(adaptive_avg_pool2d_backward)
def adaptive_avg_pool2d(input, output_size):
    """y[c] = (1/HW) Σ_{i,j} x[c,i,j] at output_size 1: the global average — Eq. 6.14 (Lin, Chen & Yan 2014).

    In general y[i,j] is the mean of x over the rows ⌊i·H/H'⌋ … ⌈(i+1)·H/H'⌉−1 and the columns likewise: a drop-in for
    torch.nn.functional.adaptive_avg_pool2d. The mean of a rectangle is the mean of its rows' means.
    input: (N, C, H, W) or (C, H, W)   output_size: a number for both or (H', W'), None for the input's own
    returns: (N, C, H', W') or (C, H', W')

    >>> adaptive_avg_pool2d(torch.arange(9.0).view(1, 3, 3), 2)
    tensor([[[2., 3.],
             [5., 6.]]])
    """
    height, width = _output_size(input, output_size)
    rows = [input[..., window, :].mean(-2) for window in _windows(input.shape[-2], height)]
    narrow = torch.stack(rows, dim=-2)  # (N, C, H', W)
    return torch.stack([narrow[..., window].mean(-1) for window in _windows(input.shape[-1], width)], dim=-1)
