"""Max and average pooling, and where each sends its gradient."""

import functools

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_floating, pair, require
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.patches import taps

__all__ = ["avg_pool2d", "avg_pool2d_backward", "max_pool2d", "max_pool2d_backward"]


def _window(input, kernel_size, stride, padding, dilation=1, ceil_mode=False):
    """The checked arguments: (kernel_size, stride, (left, right, top, bottom) zeros, dilation).

    ``ceil_mode`` lets a last window hang over the edge, if it starts on a pixel or on the padding before it: more zeros at the end.
    """
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    kernel_size, dilation = pair(kernel_size, "kernel_size"), pair(dilation, "dilation")
    stride = kernel_size if stride is None or stride == [] else pair(stride, "stride")
    padding = pair(padding, "padding", minimum=0)
    sides = []
    for n, k, s, p, d in zip(input.shape[-2:], kernel_size, stride, padding, dilation, strict=True):
        require(2 * p <= k, "padding", p, f"at most half of the kernel size {k}")
        reach = d * (k - 1) + 1
        expected = f"a window that fits into the padded input of {n + 2 * p}"
        require(n + 2 * p >= reach or ceil_mode, "kernel_size", f"{k} with dilation {d}, which reaches over {reach}", expected)
        extra = 0
        if ceil_mode:
            outputs = -(-(n + 2 * p - reach) // s) + 1
            outputs -= (outputs - 1) * s >= n + p
            require(outputs >= 1, "kernel_size", f"{k} with dilation {d}, which reaches over {reach}", expected)
            extra = max(0, (outputs - 1) * s + reach - (n + 2 * p))
        sides.append((p, p + extra))
    (top, bottom), (left, right) = sides
    return kernel_size, stride, (left, right, top, bottom), dilation


def _argmax(input, kernel_size, stride, sides, dilation):
    """The flat index p·W + q of the largest pixel of each window, (…, H', W'); the first one when several are equal."""
    H, W = input.shape[-2:]
    pixels = pad(torch.arange(H * W, device=input.device).view(1, H, W), sides, value=-1)  # −1 marks the padding
    values = taps(pad(input, sides, value=-torch.inf), kernel_size, stride, dilation)
    best = chosen = None
    for value, pixel in zip(values, taps(pixels, kernel_size, stride, dilation), strict=True):
        if best is None:
            best, chosen = value, pixel.expand(value.shape)
            continue
        better = (value > best) | value.isnan() | ((chosen < 0) & (pixel >= 0))
        best, chosen = torch.where(better, value, best), torch.where(better, pixel, chosen)
    return chosen


def max_pool2d_backward(
    grad_output, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """∂L/∂x[p,q] = Σ over the windows whose largest pixel is (p,q) of ∂L/∂y — Eq. 5.10: only the winner receives the gradient.

    grad_output: (N, C, H', W')   input: (N, C, H, W)   returns: (N, C, H, W)
    """
    winners = _argmax(input.detach(), *_window(input, kernel_size, stride, padding, dilation, ceil_mode)).flatten(-2)
    pixels = torch.zeros_like(input).flatten(-2)
    return pixels.scatter_add(-1, winners, grad_output.flatten(-2)).view_as(input)  # a pixel may win several windows


@differentiated_by(max_pool2d_backward)
def _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode):
    kernel_size, stride, sides, dilation = _window(input, kernel_size, stride, padding, dilation, ceil_mode)
    return functools.reduce(torch.maximum, taps(pad(input, sides, value=-torch.inf), kernel_size, stride, dilation))


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """y[i,j] = max over u,v of x̃[s·i + d·u, s·j + d·v] — Eq. 5.9, channel by channel; the padding counts as −∞ (Riesenhuber and Poggio 1999).

    A drop-in for torch.nn.functional.max_pool2d; stride=None means stride = kernel_size.
    input: (N, C, H, W) or (C, H, W)   returns: (N, C, H', W') or (C, H', W'); with return_indices also the winners' flat indices

    >>> max_pool2d(torch.arange(16.0).view(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    if not return_indices:
        return _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)
    winners = _argmax(input.detach(), *_window(input, kernel_size, stride, padding, dilation, ceil_mode))
    return input.flatten(-2).gather(-1, winners.flatten(-2)).view(winners.shape), winners


def _divisor(input, kernel_size, stride, sides, padding, count_include_pad, divisor_override):
    """By how much each window's sum is divided, (H', W') or a number: its pixels, with or without the padding's zeros."""
    if divisor_override is not None:
        require(divisor_override != 0, "divisor_override", divisor_override, "a number that is not 0")
        return divisor_override
    ph, pw = pair(padding, "padding", minimum=0)
    left, right, top, bottom = sides
    ones = pad(input.new_ones(input.shape[-2:]), (pw, pw, ph, ph), value=float(count_include_pad))
    ones = pad(ones, (0, right - pw, 0, bottom - ph))  # what ceil_mode adds beyond the padding never counts
    return sum(taps(ones, kernel_size, stride, (1, 1)))


def avg_pool2d_backward(
    grad_output, input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """∂L/∂x[p,q] = Σ over the windows that hold (p,q) of ∂L/∂y / n — Eq. 5.12: every pixel of a window receives an equal share.

    grad_output: (N, C, H', W')   input: (N, C, H, W)   returns: (N, C, H, W)
    """
    kernel_size, stride, sides, dilation = _window(input, kernel_size, stride, padding, ceil_mode=ceil_mode)
    share = grad_output / _divisor(input, kernel_size, stride, sides, padding, count_include_pad, divisor_override)
    padded = pad(torch.zeros_like(input), sides)
    for place in taps(padded, kernel_size, stride, dilation):
        place += share
    left, _, top, _ = sides
    return padded[..., top : top + input.shape[-2], left : left + input.shape[-1]]


@differentiated_by(avg_pool2d_backward)
def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """y[i,j] = (1/n) Σ_{u,v} x̃[s·i + u, s·j + v] — Eq. 5.11, channel by channel; n is the window's size (LeCun et al. 1989).

    A drop-in for torch.nn.functional.avg_pool2d. count_include_pad=False divides by the number of real pixels in the window.
    input: (N, C, H, W) or (C, H, W)   returns: (N, C, H', W') or (C, H', W')

    >>> avg_pool2d(torch.arange(16.0).view(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    kernel_size, stride, sides, dilation = _window(input, kernel_size, stride, padding, ceil_mode=ceil_mode)
    divisor = _divisor(input, kernel_size, stride, sides, padding, count_include_pad, divisor_override)
    return sum(taps(pad(input, sides), kernel_size, stride, dilation)) / divisor
