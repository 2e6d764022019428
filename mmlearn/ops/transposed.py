"""Convolution run backwards: its adjoint, used as a layer that enlarges, and the same thing seen as a convolution."""

from typing import NamedTuple

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_bias, check_floating, check_same_dtype, pair, require
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.convolution import conv2d, conv2d_input, conv2d_weight

__all__ = [
    "ConvTranspose2dGradients",
    "conv2d_input_by_correlation",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose_output_size",
    "insert_zeros",
]


class ConvTranspose2dGradients(NamedTuple):
    """∂L/∂input (N, C, H, W), ∂L/∂weight (C, O/g, kh, kw) and ∂L/∂bias (O,) or None."""

    input: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None


def insert_zeros(input, stride):
    """y[s·i, s·j] = x[i, j], and zero elsewhere — Eq. 5.5: the pixels moved s apart.

    input: (…, H, W)   stride: a whole number or (height, width)   returns: (…, s(H−1)+1, s(W−1)+1)

    >>> insert_zeros(torch.tensor([[1, 2], [3, 4]]), stride=2)
    tensor([[1, 0, 2],
            [0, 0, 0],
            [3, 0, 4]])
    """
    sh, sw = pair(stride, "stride")
    H, W = input.shape[-2:]
    output = input.new_zeros(*input.shape[:-2], sh * (H - 1) + 1, sw * (W - 1) + 1)
    output[..., ::sh, ::sw] = input
    return output


def conv2d_input_by_correlation(input_size, weight, grad_output, stride=1, padding=0, dilation=1):
    """∂L/∂x = (∂L/∂y with zeros inserted, padded by d(k−1) − p) ⋆ (kernel flipped, channels swapped) — Eq. 5.6.

    The gradient of a convolution is a convolution: "full" correlation with the flipped kernel. Kept to compare with
    ``conv2d_input``, which reaches the same numbers by adding up footprints (Eq. 5.3).
    input_size: (N, C, H, W)   weight: (O, C, kh, kw)   grad_output: (N, O, H', W')   returns: (N, C, H, W)
    """
    H, W = input_size[-2:]
    (ph, pw), (dh, dw) = pair(padding, "padding", minimum=0), pair(dilation, "dilation")
    apart = insert_zeros(grad_output, stride)                               # (N, O, s(H'−1)+1, s(W'−1)+1)
    top, left = dh * (weight.shape[2] - 1) - ph, dw * (weight.shape[3] - 1) - pw
    bottom = H - (apart.shape[2] + top - dh * (weight.shape[2] - 1))        # as many rows as H needs: a stride may leave some over
    right = W - (apart.shape[3] + left - dw * (weight.shape[3] - 1))
    flipped = weight.flip(-2, -1).transpose(0, 1)                           # (C, O, kh, kw)
    return conv2d(pad(apart, (left, right, top, bottom)), flipped, dilation=dilation)  # negative padding crops


def conv_transpose_output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    """H = s(H' − 1) − 2p + d(k − 1) + 1 + output_padding — Eq. 5.8, for one axis (Dumoulin and Visin 2016).

    The inverse of Eq. 4.3. Up to s input sizes share one output size; output_padding < s says which of them is meant.

    >>> conv_transpose_output_size(14, kernel_size=3, stride=2, padding=1, output_padding=1)
    28
    """
    return stride * (size - 1) - 2 * padding + dilation * (kernel_size - 1) + 1 + output_padding


def conv_transpose2d_backward(
    grad_output, input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The gradients of the adjoint: input and output change places, so dX is a convolution, and dW a correlation of dY with X.

    grad_output: (N, O, H, W)   input, weight, bias and the rest: as given to conv_transpose2d
    returns: ConvTranspose2dGradients(input, weight, bias)
    """
    images, grads = (input, grad_output) if input.dim() == 4 else (input[None], grad_output[None])
    grad_input = conv2d(grads, weight, None, stride, padding, dilation, groups)
    grad_weight = conv2d_weight(grads, tuple(weight.shape), images, stride, padding, dilation, groups)
    grad_bias = None if bias is None else grads.sum((0, 2, 3))
    return ConvTranspose2dGradients(grad_input.view_as(input), grad_weight, grad_bias)


@differentiated_by(conv_transpose2d_backward)
def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """y = Aᵀx + b, where A is ``conv2d`` with the same weight: ⟨A u, x⟩ = ⟨u, Aᵀ x⟩ for every u — Eq. 5.7 (Zeiler et al. 2010).

    A drop-in for torch.nn.functional.conv_transpose2d. It is not the inverse of a convolution.
    input: (N, C, H, W) or (C, H, W)   weight: (C, O/g, kh, kw)   bias: (O,) or None   output_padding < max(stride, dilation)
    returns: (N, O, H₂, W₂) or (O, H₂, W₂), with the sizes of Eq. 5.8
    """
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    check_floating(weight, "weight", (4,), "(C, O/groups, kh, kw)")
    check_same_dtype(input, weight=weight, bias=bias)
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    padding, extra = pair(padding, "padding", minimum=0), pair(output_padding, "output_padding", minimum=0)
    images = input if input.dim() == 4 else input[None]
    require(isinstance(groups, int) and groups >= 1, "groups", repr(groups), "a whole number ≥ 1")
    channels = images.shape[1]
    expected = f"({channels}, O/groups, kh, kw) for input {tuple(input.shape)}"
    require(len(weight) == channels, "weight", f"shape {tuple(weight.shape)}", expected)
    for o, s, d in zip(extra, stride, dilation, strict=True):
        require(o < max(s, d), "output_padding", output_padding, f"less than the stride {stride} or the dilation {dilation}")
    O = weight.shape[1] * groups
    check_bias(bias, O)
    sizes = zip(images.shape[2:], weight.shape[2:], stride, padding, extra, dilation, strict=True)
    height, width = (conv_transpose_output_size(*axis) for axis in sizes)
    require(min(height, width) >= 1, "padding", padding, f"less, since the output would be {height}×{width}")
    output = conv2d_input((len(images), O, height, width), weight, images, stride, padding, dilation, groups)
    if bias is not None:
        output = output + bias.view(-1, 1, 1)
    return output if input.dim() == 4 else output[0]
