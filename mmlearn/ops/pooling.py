"""Max and average pooling, and where each sends its gradient."""

import functools

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_floating, check_grad_output, is_whole, pair, require, shape
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.patches import taps


def _window(input, kernel_size, stride, padding, dilation=1, ceil_mode=False):
    """The checked arguments: (kernel_size, stride, (left, right, top, bottom) cells to add, dilation, output_size).

    ``ceil_mode`` lets a last window hang over the edge if it starts on a pixel, or on the padding before it: it adds cells.
    """
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    require(min(input.shape[-2:]) >= 1, "input", shape(input), "at least one pixel")
    kernel_size, dilation = pair(kernel_size, "kernel_size"), pair(dilation, "dilation")
    stride = kernel_size if stride is None or stride == [] else pair(stride, "stride")
    padding = pair(padding, "padding", minimum=0)
    sides, output_size = [], []
    for n, k, s, p, d in zip(input.shape[-2:], kernel_size, stride, padding, dilation, strict=True):
        require(2 * p <= k, "padding", p, f"at most half of the kernel size {k}")
        reach = d * (k - 1) + 1
        room = n + 2 * p - reach
        places = room // s + 1
        if ceil_mode and room % s and places * s < n + p:
            places += 1
        got = f"{k} with dilation {d}, which reaches over d(k−1)+1 = {reach}"
        require(places >= 1, "kernel_size", got, f"a window that fits into the padded input of {n + 2 * p}")
        sides = [p, p + max(0, (places - 1) * s - room), *sides]  # width before height, as pad wants it
        output_size.append(places)
    return kernel_size, stride, tuple(sides), dilation, tuple(output_size)


def _winners(input, kernel_size, stride, sides, dilation):
    """The number of the largest pixel of each window, 1 + α·W + β, as (…, H', W'); 0 where a window holds nothing but padding.

    Of several that are equal the first wins; a NaN wins over everything.
    """
    H, W = input.shape[-2:]
    numbers = pad(1 + torch.arange(H * W, device=input.device).view(1, H, W), sides)
    values = taps(pad(input, sides, value=-torch.inf), kernel_size, stride, dilation)
    best = winner = None
    for value, number in zip(values, taps(numbers, kernel_size, stride, dilation), strict=True):
        if best is None:
            best, winner = value, number.expand(value.shape)
            continue
        better = (value > best) | value.isnan() | ((winner == 0) & (number > 0))
        best, winner = torch.where(better, value, best), torch.where(better, number, winner)
    return winner


def max_pool2d_backward(
    grad_output, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """∂L/∂x[α,β] = Σ over the windows whose largest pixel is (α,β) of ∂L/∂y — Eq. 5.10: only the winner receives the gradient.

    grad_output: (N, C, H', W')   input: (N, C, H, W)   returns: (N, C, H, W)
    """
    *window, output_size = _window(input, kernel_size, stride, padding, dilation, ceil_mode)
    check_grad_output(grad_output, (*input.shape[:-2], *output_size))
    winners = _winners(input.detach(), *window).flatten(-2)
    pixels = grad_output.new_zeros(*input.shape[:-2], 1 + input.shape[-2] * input.shape[-1])  # number 0 is the padding
    pixels = pixels.scatter_add(-1, winners, grad_output.flatten(-2))  # a pixel may win several windows
    return pixels[..., 1:].reshape(input.shape)


@differentiated_by(max_pool2d_backward)
def _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode):
    kernel_size, stride, sides, dilation, _ = _window(input, kernel_size, stride, padding, dilation, ceil_mode)
    cells = taps(pad(input, sides, value=-torch.inf), kernel_size, stride, dilation)
    return functools.reduce(torch.maximum, cells).contiguous()


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """y[i,j] = max over u,v of x̃[s·i + d·u, s·j + d·v] — Eq. 5.9, channel by channel; padding counts as −∞.

    A drop-in for torch.nn.functional.max_pool2d; stride=None means stride = kernel_size. (Riesenhuber and Poggio 1999)
    input: (N, C, H, W) or (C, H, W)   returns: (N, C, H', W') or (C, H', W'); with return_indices also the winners, as α·W + β

    >>> max_pool2d(torch.arange(16.0).view(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    output = _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        return output
    *window, _ = _window(input, kernel_size, stride, padding, dilation, ceil_mode)
    return output, _winners(input.detach(), *window) - 1


def _divisor(input, kernel_size, stride, sides, padding, count_include_pad, divisor_override):
    """By how much each window's sum is divided, (H', W') or a number: its pixels, with or without the padding's zeros."""
    if divisor_override is not None:
        good = is_whole(divisor_override) and divisor_override != 0
        require(good, "divisor_override", repr(divisor_override), "a whole number that is not 0")
        return divisor_override
    ph, pw = pair(padding, "padding", minimum=0)
    _, right, _, bottom = sides
    ones = pad(input.new_ones(input.shape[-2:]), (pw, pw, ph, ph), value=float(count_include_pad))
    ones = pad(ones, (0, right - pw, 0, bottom - ph))  # what ceil_mode adds beyond the padding never counts
    return sum(taps(ones, kernel_size, stride, (1, 1)))


def avg_pool2d_backward(
    grad_output, input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """∂L/∂x[α,β] = Σ over the windows that hold (α,β) of ∂L/∂y / k² — Eq. 5.12: every pixel of a window receives an equal share.

    grad_output: (N, C, H', W')   input: (N, C, H, W)   returns: (N, C, H, W)
    """
    kernel_size, stride, sides, dilation, output_size = _window(input, kernel_size, stride, padding, ceil_mode=ceil_mode)
    check_grad_output(grad_output, (*input.shape[:-2], *output_size))
    share = grad_output / _divisor(input, kernel_size, stride, sides, padding, count_include_pad, divisor_override)
    (left, right, top, bottom), (H, W) = sides, input.shape[-2:]
    padded = share.new_zeros(*input.shape[:-2], top + H + bottom, left + W + right)
    for place in taps(padded, kernel_size, stride, dilation):
        place += share
    return padded[..., top : top + H, left : left + W].contiguous()


@differentiated_by(avg_pool2d_backward)
def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """y[i,j] = (1/k²) Σ_{u,v} x̃[s·i + u, s·j + v] — Eq. 5.11, channel by channel (LeCun et al. 1989).

    A drop-in for torch.nn.functional.avg_pool2d. count_include_pad=False divides by the number of real pixels in the window.
    input: (N, C, H, W) or (C, H, W)   returns: (N, C, H', W') or (C, H', W')

    >>> avg_pool2d(torch.arange(16.0).view(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    kernel_size, stride, sides, dilation, _ = _window(input, kernel_size, stride, padding, ceil_mode=ceil_mode)
    divisor = _divisor(input, kernel_size, stride, sides, padding, count_include_pad, divisor_override)
    return sum(taps(pad(input, sides), kernel_size, stride, dilation)) / divisor
