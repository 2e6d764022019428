"""Convolution as networks compute it, and the three gradients that train it."""

from typing import NamedTuple

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_bias, check_floating, check_same_dtype, pair, require, resolve_padding
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.patches import taps

__all__ = ["Conv2dGradients", "conv2d", "conv2d_backward", "conv2d_flops", "conv2d_input", "conv2d_weight"]

COLUMN_BUDGET = 2**19  # numbers in one chunk's patch columns: 2 MB in float32 stays in the cache of a CPU core


class Conv2dGradients(NamedTuple):
    """∂L/∂input (N, C, H, W), ∂L/∂weight (O, C/g, kh, kw) and ∂L/∂bias (O,) or None."""

    input: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None


def check_arguments(input, weight, bias, stride, padding, dilation, groups):
    """The arguments of a convolution, checked: (kernel_size, stride, padding as (left, right, top, bottom), dilation)."""
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    check_floating(weight, "weight", (4,), "(O, C/groups, kh, kw)")
    check_same_dtype(input, weight=weight, bias=bias)
    check_bias(bias, len(weight))
    kernel_size = pair(tuple(weight.shape[2:]), "weight")
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    require(isinstance(groups, int) and groups >= 1, "groups", repr(groups), "a whole number ≥ 1")
    require(len(weight) % groups == 0, "groups", groups, f"a divisor of the {len(weight)} output channels")
    channels = input.shape[-3]
    expected = f"(O, {channels} input channels / {groups} groups, kh, kw) for input {tuple(input.shape)}"
    require(weight.shape[1] * groups == channels, "weight", f"shape {tuple(weight.shape)}", expected)
    return kernel_size, stride, resolve_padding(padding, kernel_size, stride, dilation), dilation


def _chunks(padded, kernel_size, stride, dilation, groups):
    """im2col for a few images at a time: yields (which images, their columns (n, g, C/g·k², L)).

    One matrix for the whole batch would not fit into the cache: filling fresh memory then costs more than the product.
    """
    N, C = padded.shape[:2]
    cells = kernel_size[0] * kernel_size[1]
    positions = next(taps(padded[:1, 0], kernel_size, stride, dilation)).numel()
    size = max(1, COLUMN_BUDGET // (C * cells * positions))
    for start in range(0, N, size):
        images = padded[start : start + size]
        columns = torch.stack(list(taps(images, kernel_size, stride, dilation)), dim=2)  # (n, C, k², H', W')
        yield slice(start, start + len(images)), columns.view(len(images), groups, -1, positions)


def _by_group(weight, groups):
    """(O, C/g, kh, kw) → (g, O/g, C/g·k²): for each group the matrix that multiplies its columns."""
    return weight.reshape(groups, len(weight) // groups, -1)


def _output_shape(padded, kernel_size, stride, dilation):
    return next(taps(padded[:1, 0], kernel_size, stride, dilation)).shape[-2:]


def conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """∂L/∂w[o,c,u,v] = Σ_{n,i,j} ∂L/∂y[n,o,i,j] · x̃[n,c, s·i+d·u, s·j+d·v] — Eq. 5.2.

    The input cross-correlated with the output's gradient; as matrices, dW = dY · X_colᵀ summed over the images.
    Same arguments as torch.nn.grad.conv2d_weight.
    input: (N, C, H, W)   weight_size: (O, C/g, kh, kw)   grad_output: (N, O, H', W')   returns: (O, C/g, kh, kw)
    """
    weight = input.new_empty(weight_size)
    kernel_size, stride, padding, dilation = check_arguments(input, weight, None, stride, padding, dilation, groups)
    padded = pad(input, padding)
    check_grad_output(grad_output, input, weight, _output_shape(padded, kernel_size, stride, dilation))
    grad_rows = grad_output.reshape(len(input), groups, len(weight) // groups, -1)  # (N, g, O/g, L)
    grad = torch.zeros_like(_by_group(weight, groups))                              # (g, O/g, C/g·k²)
    for images, columns in _chunks(padded, kernel_size, stride, dilation, groups):
        grad += (grad_rows[images] @ columns.mT).sum(0)
    return grad.view(weight_size)


def conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """∂L/∂x̃[n,c,p,q] = Σ_{o,u,v,i,j: s·i+d·u=p, s·j+d·v=q} w[o,c,u,v] · ∂L/∂y[n,o,i,j] — Eq. 5.3.

    Each output pixel sends its gradient, times the kernel, back to the pixels it was computed from; where windows overlap the parts
    add up, and what lands on the padding is dropped. As matrices: fold(Wᵀ · dY). Same arguments as torch.nn.grad.conv2d_input.
    input_size: (N, C, H, W)   weight: (O, C/g, kh, kw)   grad_output: (N, O, H', W')   returns: (N, C, H, W)
    """
    image = weight.new_zeros(input_size)
    kernel_size, stride, padding, dilation = check_arguments(image, weight, None, stride, padding, dilation, groups)
    left, right, top, bottom = padding
    padded = pad(image, padding)
    check_grad_output(grad_output, image, weight, _output_shape(padded, kernel_size, stride, dilation))
    matrices = _by_group(weight, groups).mT                                         # (g, C/g·k², O/g)
    grad_rows = grad_output.reshape(len(image), groups, len(weight) // groups, -1)  # (N, g, O/g, L)
    for images, grad_columns in _chunked_product(matrices, grad_rows):
        cells = grad_columns.view(len(grad_columns), padded.shape[1], -1, *grad_output.shape[-2:])  # (n, C, k², H', W')
        for cell, place in enumerate(taps(padded[images], kernel_size, stride, dilation)):
            place += cells[:, :, cell]
    return padded[:, :, top : padded.shape[2] - bottom, left : padded.shape[3] - right]


def _chunked_product(matrices, rows):
    """matrices (g, a, b) @ rows (N, g, b, L), a few images at a time: yields (which images, product (n, g, a, L))."""
    groups, height, _ = matrices.shape
    size = max(1, COLUMN_BUDGET // (groups * height * rows.shape[-1]))
    for start in range(0, len(rows), size):
        images = slice(start, min(start + size, len(rows)))
        yield images, matrices @ rows[images]


def check_grad_output(grad_output, input, weight, output_size):
    """grad_output has the shape of the output that it is the gradient of."""
    expected = (len(input), len(weight), *output_size)
    check_floating(grad_output, "grad_output", (4,), str(expected))
    check_same_dtype(weight, grad_output=grad_output)
    got = f"shape {tuple(grad_output.shape)}"
    require(tuple(grad_output.shape) == expected, "grad_output", got, f"the output's shape {expected}")


def conv2d_backward(grad_output, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The three gradients of ``conv2d``; the bias is added at every pixel, so ∂L/∂b[o] = Σ_{n,i,j} ∂L/∂y[n,o,i,j] — Eq. 5.1.

    grad_output: (N, O, H', W')   input, weight, bias and the rest: as given to conv2d
    returns: Conv2dGradients(input, weight, bias); bias is None when there was none.
    """
    images, grads = (input, grad_output) if input.dim() == 4 else (input[None], grad_output[None])
    options = (stride, padding, dilation, groups)
    grad_input = conv2d_input(tuple(images.shape), weight, grads, *options)
    grad_weight = conv2d_weight(images, tuple(weight.shape), grads, *options)
    grad_bias = None if bias is None else grads.sum((0, 2, 3))
    return Conv2dGradients(grad_input.view_as(input) if input.dim() == 3 else grad_input, grad_weight, grad_bias)


@differentiated_by(conv2d_backward)
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Y = W · X_col + b, for each group of channels on its own — Eq. 4.8 (LeCun et al. 1989; groups: Krizhevsky et al. 2012).

    A drop-in for torch.nn.functional.conv2d. ``groups`` cuts the C input and the O output channels into g equal parts, and part k of
    the output sees part k of the input alone: W is block-diagonal, with g times fewer weights.
    input: (N, C, H, W) or (C, H, W)   weight: (O, C/g, kh, kw)   bias: (O,) or None
    padding: a number, (height, width), 'same' or 'valid'   returns: (N, O, H', W') or (O, H', W'), H' and W' as in Eq. 4.3.
    Raises ValueError naming the argument that does not fit.
    """
    kernel_size, stride, padding, dilation = check_arguments(input, weight, bias, stride, padding, dilation, groups)
    padded = pad(input if input.dim() == 4 else input[None], padding)        # (N, C, H+2p, W+2p)
    height, width = _output_shape(padded, kernel_size, stride, dilation)
    O = len(weight)
    matrices = _by_group(weight, groups)                                     # (g, O/g, C/g·k²)
    offset = (weight.new_zeros(O) if bias is None else bias).view(groups, -1, 1)
    output = padded.new_empty(len(padded), groups, O // groups, height * width)
    for images, columns in _chunks(padded, kernel_size, stride, dilation, groups):
        output[images] = matrices @ columns + offset
    output = output.view(len(padded), O, height, width)
    return output if input.dim() == 4 else output[0]


def conv2d_flops(input_size, weight_size, stride=1, padding=0, dilation=1, groups=1):
    """FLOPs = 2 · N · O · H' · W' · (C/g) · kh · kw — Eq. 4.9: one multiplication and one addition per weight and position.

    input_size: (N, C, H, W)   weight_size: (O, C/g, kh, kw)   returns: a whole number (the bias is not counted)

    >>> conv2d_flops((1, 3, 64, 64), (32, 3, 3, 3), padding=1)
    7077888
    """
    image, weight = torch.empty(input_size, device="meta"), torch.empty(weight_size, device="meta")
    kernel_size, stride, padding, dilation = check_arguments(image, weight, None, stride, padding, dilation, groups)
    height, width = _output_shape(pad(image, padding), kernel_size, stride, dilation)
    return 2 * input_size[0] * height * width * weight.numel()
