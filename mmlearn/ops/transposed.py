"""Convolution run backwards: its adjoint, used as a layer that enlarges, and the same thing seen as a convolution."""

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
    require,
    shape,
)
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.convolution import check_arguments, conv2d, conv2d_input, conv2d_weight


class ConvTranspose2dGradients(NamedTuple):
    """∂L/∂input (N, C, H, W), ∂L/∂weight (C, O/g, kh, kw) and ∂L/∂bias (O,); None for what was not asked for."""

    input: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor | None


def insert_zeros(input, stride):
    """y[s·i, s·j] = x[i, j], and zero elsewhere — Eq. 5.5: the pixels moved s apart.

    input: (…, H, W)   stride: a whole number or (height, width)   returns: (…, s(H−1)+1, s(W−1)+1)

    >>> insert_zeros(torch.tensor([[1, 2], [3, 4]]), stride=2)
    tensor([[1, 0, 2],
            [0, 0, 0],
            [3, 0, 4]])
    """
    require(isinstance(input, torch.Tensor), "input", type(input).__name__, "a torch.Tensor (…, H, W)")
    require(input.dim() >= 2 and min(input.shape[-2:]) >= 1, "input", shape(input), "(…, H, W) with at least one pixel")
    sh, sw = pair(stride, "stride")
    H, W = input.shape[-2:]
    output = input.new_zeros(*input.shape[:-2], sh * (H - 1) + 1, sw * (W - 1) + 1)
    output[..., ::sh, ::sw] = input
    return output


def conv2d_input_by_correlation(input_size, weight, grad_output, stride=1, padding=0, dilation=1):
    """∂L/∂x = (∂L/∂y with zeros inserted, padded by a before and a + r after) ⋆ (kernel flipped, channels swapped) — Eq. 5.6.

    a = d(k−1) − p, and r = (H + 2p − d(k−1) − 1) mod s rows that no window reached. The gradient of a convolution is a "full"
    convolution with the kernel, which is a cross-correlation with the flipped one. Kept to compare with ``conv2d_input``, which
    reaches the same numbers by adding up footprints (Eq. 5.3).
    input_size: (N, C, H, W)   weight: (O, C, kh, kw)   grad_output: (N, O, H', W')   returns: (N, C, H, W)
    """
    check_floating(weight, "weight", (4,), "(O, C, kh, kw)")
    check_size(input_size, "input_size", "(N, C, H, W)")
    image = weight.new_empty(input_size)
    (kh, kw), stride, sides, (dh, dw), output_size = check_arguments(image, weight, None, stride, padding, dilation, groups=1)
    check_grad_output(grad_output, (len(image), len(weight), *output_size))
    apart = insert_zeros(grad_output, stride)  # (N, O, s(H'−1)+1, s(W'−1)+1)
    top, left = dh * (kh - 1) - sides[2], dw * (kw - 1) - sides[0]
    bottom = input_size[2] + sides[2] - apart.shape[2]  # as many rows as H needs: a stride may leave some over
    right = input_size[3] + sides[0] - apart.shape[3]
    flipped = weight.flip(-2, -1).transpose(0, 1)  # (C, O, kh, kw)
    return conv2d(pad(apart, (left, right, top, bottom)), flipped, dilation=(dh, dw))  # negative padding crops


def conv_transpose_output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    """H = s(H' − 1) − 2p + d(k − 1) + 1 + output_padding — Eq. 5.8, for one axis (Dumoulin and Visin 2016).

    The inverse of Eq. 4.3. Up to s input sizes share one output size; output_padding < s says which of them is meant.

    >>> conv_transpose_output_size(14, kernel_size=3, stride=2, padding=1, output_padding=1)
    28
    """
    return stride * (size - 1) - 2 * padding + dilation * (kernel_size - 1) + 1 + output_padding


def conv_transpose2d_backward(
    grad_output,
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    output_mask=(True, True, True),
):
    """The gradients of the adjoint: input and output change places, so dX is a convolution, and dW a correlation of dY with X.

    grad_output: (N, O, H, W)   input, weight, bias and the rest: as given to conv_transpose2d
    output_mask: which of the three to compute   returns: ConvTranspose2dGradients(input, weight, bias)
    """
    stride, padding, output_padding, dilation, size = _check_arguments(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )
    check_grad_output(grad_output, (*input.shape[:-3], weight.shape[1] * groups, *size))
    images, grads = (tensor if tensor.dim() == 4 else tensor[None] for tensor in (input, grad_output))
    (ph, pw), (eh, ew) = padding, output_padding
    full = pad(grads, (pw, pw - ew, ph, ph - eh))  # what was cropped has no gradient: (N, O, s(H'−1)+d(k−1)+1, …)
    return ConvTranspose2dGradients(
        conv2d(full, weight, None, stride, 0, dilation, groups).reshape(input.shape) if output_mask[0] else None,
        conv2d_weight(full, tuple(weight.shape), images, stride, 0, dilation, groups) if output_mask[1] else None,
        grads.sum((2, 3)).sum(0) if output_mask[2] and bias is not None else None,
    )


@differentiated_by(conv_transpose2d_backward)
def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """y = Aᵀx + b, where A is ``conv2d`` with the same weight: ⟨A u, x⟩ = ⟨u, Aᵀ x⟩ for every u — Eq. 5.7 (Zeiler et al. 2010).

    A drop-in for torch.nn.functional.conv_transpose2d. It is not the inverse of a convolution.
    input: (N, C, H, W) or (C, H, W)   weight: (C, O/g, kh, kw)   bias: (O,) or None   output_padding < max(stride, dilation)
    returns: (N, O, H₂, W₂) or (O, H₂, W₂), with the sizes of Eq. 5.8
    """
    stride, padding, output_padding, dilation, size = _check_arguments(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )
    images = input if input.dim() == 4 else input[None]
    (ph, pw), (eh, ew) = padding, output_padding
    channels = weight.shape[1] * groups
    full = (len(images), channels, size[0] + 2 * ph - eh, size[1] + 2 * pw - ew)  # every footprint, before p is cropped
    output = conv2d_input(full, weight, images, stride, 0, dilation, groups)
    output = pad(output, (-pw, ew - pw, -ph, eh - ph))
    if bias is not None:
        output += bias.view(-1, 1, 1)
    return output.reshape(*input.shape[:-3], channels, *size)


def _check_arguments(input, weight, bias, stride, padding, output_padding, groups, dilation):
    """A transposed convolution's arguments, checked: (stride, padding, output_padding, dilation, output size)."""
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    check_floating(weight, "weight", (4,), "(C, O/groups, kh, kw)")
    check_alike("input", input, weight=weight, bias=bias)
    require(weight.numel() > 0, "weight", shape(weight), "(C, O/groups, kh, kw) with at least one number")
    require(min(input.shape[-2:]) >= 1, "input", shape(input), "at least one pixel")
    channels = input.shape[-3]
    require(len(weight) == channels, "weight", shape(weight), f"({channels}, O/groups, kh, kw) for input {tuple(input.shape)}")
    check_groups(groups, channels, "input")
    check_bias(bias, weight.shape[1] * groups)
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    padding, extra = pair(padding, "padding", minimum=0), pair(output_padding, "output_padding", minimum=0)
    for e, s, d in zip(extra, stride, dilation, strict=True):
        require(e < max(s, d), "output_padding", output_padding, f"less than the stride {stride} or the dilation {dilation}")
    axes = zip(input.shape[-2:], weight.shape[2:], stride, padding, extra, dilation, strict=True)
    height, width = (conv_transpose_output_size(*axis) for axis in axes)
    require(min(height, width) >= 1, "padding", padding, f"less: the output would have {height}×{width} pixels")
    return stride, padding, extra, dilation, (height, width)
