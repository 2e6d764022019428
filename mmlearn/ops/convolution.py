"""Convolution as networks compute it, and the three gradients that train it."""

import math
from typing import NamedTuple

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import (
    check_alike,
    check_bias,
    check_floating,
    check_grad_output,
    check_groups,
    check_size,
    pair,
    places,
    require,
    resolve_padding,
    shape,
)
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.patches import taps

COLUMN_BUDGET = 2**19  # numbers in one chunk's patch columns: 2 MB in float32 stays in the cache of a CPU core


class Conv2dGradients(NamedTuple):
    """∂L/∂input (N, C, H, W), ∂L/∂weight (O, C/g, kh, kw) and ∂L/∂bias (O,); None for what was not asked for."""

    input: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor | None


def check_arguments(input, weight, bias, stride, padding, dilation, groups, dims=(3, 4)):
    """A convolution's arguments, checked: (kernel_size, stride, (left, right, top, bottom) zeros, dilation, output_size)."""
    check_floating(input, "input", dims, "(N, C, H, W) or (C, H, W)" if 3 in dims else "(N, C, H, W)")
    check_floating(weight, "weight", (4,), "(O, C/groups, kh, kw)")
    check_alike("input", input, weight=weight, bias=bias)
    check_bias(bias, len(weight))
    require(weight.numel() > 0, "weight", shape(weight), "(O, C/groups, kh, kw) with at least one number")
    check_groups(groups, len(weight), "output")
    channels, kernel_size = input.shape[-3], tuple(weight.shape[2:])
    expected = f"(O, {channels} input channels / {groups} groups, kh, kw) for input {tuple(input.shape)}"
    require(weight.shape[1] * groups == channels, "weight", shape(weight), expected)
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    left, right, top, bottom = sides = resolve_padding(padding, kernel_size, stride, dilation)
    padded_size = (input.shape[-2] + top + bottom, input.shape[-1] + left + right)
    axes = zip(padded_size, kernel_size, stride, dilation, strict=True)
    return kernel_size, stride, sides, dilation, tuple(places(*axis, argument="weight") for axis in axes)


def _chunks(padded, kernel_size, stride, dilation, output_size, groups):
    """im2col for a few images at a time: yields (which images, their columns (n, g, C/g·k², L)).

    The columns of a whole batch are k² times larger than the batch; a few images' columns are still in the cache when the matrix
    product reads them.
    """
    for images in _slices(len(padded), padded.shape[1] * math.prod(kernel_size) * math.prod(output_size)):
        cells = torch.stack(list(taps(padded[images], kernel_size, stride, dilation)), dim=2)  # (n, C, k², H', W')
        yield images, cells.reshape(len(cells), groups, -1, math.prod(output_size))


def _slices(N, numbers):
    """Slices of so many of the N images that their columns, of so many numbers an image, stay within the budget."""
    size = max(1, COLUMN_BUDGET // numbers)
    return [slice(start, min(start + size, N)) for start in range(0, N, size)]


def _by_group(weight, groups):
    """(O, C/g, kh, kw) → (g, O/g, C/g·k²): for each group the matrix that multiplies its columns."""
    return weight.reshape(groups, len(weight) // groups, -1)


def conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """∂L/∂w[o,c,u,v] = Σ_{n,i,j} ∂L/∂y[n,o,i,j] · x̃[n,c, s·i+d·u, s·j+d·v] — Eq. 5.2.

    The input cross-correlated with the output's gradient; as matrices, dWᵀ = X_col · dYᵀ summed over the images.
    Same arguments as torch.nn.grad.conv2d_weight.
    input: (N, C, H, W)   weight_size: (O, C/g, kh, kw)   grad_output: (N, O, H', W')   returns: (O, C/g, kh, kw)
    """
    check_floating(input, "input", (4,), "(N, C, H, W)")
    check_size(weight_size, "weight_size", "(O, C/groups, kh, kw)")
    weight = input.new_empty(weight_size)
    kernel_size, stride, sides, dilation, output_size = check_arguments(input, weight, None, stride, padding, dilation, groups)
    check_grad_output(grad_output, (len(input), len(weight), *output_size))
    check_alike("input", input, grad_output=grad_output)
    grad_rows = grad_output.reshape(len(input), groups, len(weight) // groups, math.prod(output_size))  # (N, g, O/g, L)
    grad = torch.zeros_like(_by_group(weight, groups).mT)  # (g, C/g·k², O/g)
    for images, columns in _chunks(pad(input, sides), kernel_size, stride, dilation, output_size, groups):
        grad += (columns @ grad_rows[images].mT).sum(0)
    return grad.mT.reshape(weight.shape)


def conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """∂L/∂x̃[n,c,α,β] = Σ_{o,u,v,i,j: s·i+d·u=α, s·j+d·v=β} w[o,c,u,v] · ∂L/∂y[n,o,i,j] — Eq. 5.3.

    Each output pixel sends its gradient, times the kernel, back to the pixels it was computed from; where windows overlap the
    parts add up, and what lands on the padding is dropped. As matrices: fold(Wᵀ · dY).
    Same arguments as torch.nn.grad.conv2d_input.
    input_size: (N, C, H, W)   weight: (O, C/g, kh, kw)   grad_output: (N, O, H', W')   returns: (N, C, H, W)
    """
    check_floating(weight, "weight", (4,), "(O, C/groups, kh, kw)")
    check_size(input_size, "input_size", "(N, C, H, W)")
    image = weight.new_empty(input_size)
    kernel_size, stride, sides, dilation, output_size = check_arguments(image, weight, None, stride, padding, dilation, groups)
    check_grad_output(grad_output, (len(image), len(weight), *output_size))
    check_alike("weight", weight, grad_output=grad_output)
    (N, C, H, W), (left, right, top, bottom) = image.shape, sides
    cells, positions = math.prod(kernel_size), math.prod(output_size)
    padded = weight.new_zeros(N, C, top + H + bottom, left + W + right)
    matrices = _by_group(weight, groups).mT  # (g, C/g·k², O/g)
    grad_rows = grad_output.reshape(N, groups, len(weight) // groups, positions)  # (N, g, O/g, L)
    for images in _slices(N, C * cells * positions):
        footprints = (matrices @ grad_rows[images]).view(-1, C, cells, *output_size)  # (n, C, k², H', W')
        for cell, place in enumerate(taps(padded[images], kernel_size, stride, dilation)):
            place += footprints[:, :, cell]
    return padded[:, :, top : top + H, left : left + W].contiguous()


def conv2d_backward(
    grad_output, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, output_mask=(True, True, True)
):
    """The three gradients of ``conv2d``; the bias is added at every pixel, so ∂L/∂b[o] = Σ_{n,i,j} ∂L/∂y[n,o,i,j] — Eq. 5.1.

    grad_output: (N, O, H', W')   input, weight, bias and the rest: as given to conv2d
    output_mask: which of the three to compute; a first layer has no use for the gradient of its images
    returns: Conv2dGradients(input, weight, bias); bias is None when there was none.
    """
    images, grads = (tensor if tensor.dim() == 4 else tensor[None] for tensor in (input, grad_output))
    options = (stride, padding, dilation, groups)
    return Conv2dGradients(
        conv2d_input(tuple(images.shape), weight, grads, *options).reshape(input.shape) if output_mask[0] else None,
        conv2d_weight(images, tuple(weight.shape), grads, *options) if output_mask[1] else None,
        grads.sum((2, 3)).sum(0) if output_mask[2] and bias is not None else None,
    )


@differentiated_by(conv2d_backward)
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Y = W · X_col + b, for each group of channels on its own — Eq. 4.8 (LeCun et al. 1989; groups: Krizhevsky et al. 2012).

    A drop-in for torch.nn.functional.conv2d. ``groups`` cuts the C input and the O output channels into g equal parts, and part k
    of the output sees part k of the input alone: W is block-diagonal, with g times fewer weights.
    input: (N, C, H, W) or (C, H, W)   weight: (O, C/g, kh, kw)   bias: (O,) or None
    padding: a number, (height, width), 'same' or 'valid'   returns: (N, O, H', W') or (O, H', W'), H' and W' as in Eq. 4.3.
    Raises ValueError naming the argument that does not fit.
    """
    kernel_size, stride, sides, dilation, output_size = check_arguments(input, weight, bias, stride, padding, dilation, groups)
    padded = pad(input if input.dim() == 4 else input[None], sides)  # (N, C, H+2p, W+2p)
    matrices = _by_group(weight, groups)  # (g, O/g, C/g·k²)
    offset = (weight.new_zeros(len(weight)) if bias is None else bias).view(groups, -1, 1)
    output = padded.new_empty(len(padded), groups, len(weight) // groups, math.prod(output_size))
    for images, columns in _chunks(padded, kernel_size, stride, dilation, output_size, groups):
        output[images] = (matrices @ columns).add_(offset)
    return output.reshape(*input.shape[:-3], len(weight), *output_size)


def conv2d_flops(input_size, weight_size, stride=1, padding=0, dilation=1, groups=1):
    """FLOPs = 2 · N · O · H' · W' · (C/g) · kh · kw — Eq. 4.9: one multiplication and one addition per weight and position.

    input_size: (N, C, H, W)   weight_size: (O, C/g, kh, kw)   returns: a whole number (the bias is not counted)

    >>> conv2d_flops((1, 3, 64, 64), (32, 3, 3, 3), padding=1)
    7077888
    """
    check_size(input_size, "input_size", "(N, C, H, W)")
    check_size(weight_size, "weight_size", "(O, C/groups, kh, kw)")
    image, weight = torch.empty(input_size, device="meta"), torch.empty(weight_size, device="meta")
    *_, (height, width) = check_arguments(image, weight, None, stride, padding, dilation, groups)
    return 2 * len(image) * height * width * weight.numel()
