"""How far one output pixel of a stack of layers sees: the arithmetic of receptive fields, along one axis.

A layer is written as torch writes it, (kernel_size, stride, padding, dilation), where what is left out is 1, 0 and 1. Pooling
is a layer like any other; ReLU, batch normalisation and whatever else works pixel by pixel is none.
"""

from typing import NamedTuple

from mmlearn.ops.arguments import check_whole, require


class Window(NamedTuple):
    """One layer's window along one axis."""

    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


def jumps(layers):
    """j_l = j_{l−1} · s_l, with j_0 = 1: pixels of the input between neighbouring outputs of layer l — Eq. 6.2.

    layers: sequence of (kernel_size, stride, padding, dilation)   returns: [j_0, j_1, …, j_L]

    >>> jumps([(5,), (2, 2), (5,), (2, 2)])
    [1, 1, 2, 2, 4]
    """
    steps = [1]
    for window in windows(layers):
        steps.append(steps[-1] * window.stride)
    return steps


def receptive_field(layers):
    """r_l = r_{l−1} + d_l · (k_l − 1) · j_{l−1}, with r_0 = 1: pixels from the first to the last that an output sees — Eq. 6.3.

    The jump j_{l−1} is the product of the strides below layer l. (Recursion: Araujo, Norris & Sim 2019.)
    layers: sequence of (kernel_size, stride, padding, dilation)   returns: a whole number of pixels

    >>> receptive_field([(3,), (3,)]), receptive_field([(5,), (2, 2), (5,), (2, 2)])
    (5, 16)
    """
    seen = 1
    for window, jump in zip(windows(layers), jumps(layers), strict=False):
        seen += window.dilation * (window.kernel_size - 1) * jump
    return seen


def first_pixel(layers):
    """a_l = a_{l−1} − p_l · j_{l−1}, with a_0 = 0: the first pixel that output 0 sees, negative on the padding — Eq. 6.4.

    Output i of the last layer sees the pixels a + i·j … a + i·j + r − 1.
    layers: sequence of (kernel_size, stride, padding, dilation)   returns: a whole number

    >>> first_pixel([(5, 1, 2), (2, 2), (5, 1, 2), (2, 2)])
    -6
    """
    first = 0
    for window, jump in zip(windows(layers), jumps(layers), strict=False):
        first -= window.padding * jump
    return first


def effective_deviation(layers):
    """σ² = Σ_l j_{l−1}² d_l² (k_l² − 1)/12: the variance of the place that a random path arrives at; returns σ — Eq. 6.5.

    Each layer moves a path from the output to the input by one of its k cells, all equally likely. The share of paths that end
    at a pixel is the gradient by it if all weights are equal, and the expected squared gradient if they are random with mean
    zero, as long as nothing falls on the padding. (Luo, Li, Urtasun & Zemel 2016.)
    layers: sequence of (kernel_size, stride, padding, dilation)   returns: float, in pixels of the input

    >>> round(effective_deviation([(3,)] * 6), 6)
    2.0
    """
    steps = zip(windows(layers), jumps(layers), strict=False)
    return sum((jump * w.dilation) ** 2 * (w.kernel_size**2 - 1) / 12 for w, jump in steps) ** 0.5


def windows(layers):
    """The layers as a list of Window; raises ValueError naming the layer and the number that does not fit.

    >>> windows([(3, 2), 5])
    [Window(kernel_size=3, stride=2, padding=0, dilation=1), Window(kernel_size=5, stride=1, padding=0, dilation=1)]
    """
    found = []
    for number, layer in enumerate(layers, start=1):
        numbers = (layer,) if isinstance(layer, int) else layer
        good = isinstance(numbers, (tuple, list)) and 1 <= len(numbers) <= 4
        require(good, f"layer {number}", repr(layer), "(kernel_size, stride, padding, dilation), of which the last ones may lack")
        window = Window(*numbers)
        for name, value in window._asdict().items():
            check_whole(value, f"layer {number}: {name}", minimum=0 if name == "padding" else 1)
        found.append(window)
    return found
