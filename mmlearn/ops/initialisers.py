"""First weights: random numbers whose variance lets a signal pass many layers without dying or exploding.

A layer y = Σ_i w_i·x_i over n inputs has Var(y) = n · Var(w) · E[x²]. When x = f(z) is the activation of a layer before it, whose
z are standard normal, Var(y) is 1 again with Var(w) = gain²/n and gain² = 1/E[f(z)²].
"""

import math
from numbers import Real

import torch

from mmlearn.ops.arguments import is_whole, require

_UNIT_GAIN = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid")


def calculate_gain(nonlinearity, param=None):
    """The gain that custom gives an activation: 1 linear and sigmoid, 5/3 tanh, √2 relu, √(2/(1+a²)) leaky_relu, 3/4 selu.

    Same names and numbers as torch.nn.init.calculate_gain; ``derived_gain`` says which of them follow from the derivation.
    param: the slope a of leaky_relu, 0.01 when not given

    >>> calculate_gain("relu"), calculate_gain("leaky_relu", 1)
    (1.4142135623730951, 1.0)
    """
    slope = 0.01 if param is None else param
    named = {"tanh": 5 / 3, "relu": math.sqrt(2.0), "leaky_relu": None, "selu": 3 / 4, **dict.fromkeys(_UNIT_GAIN, 1)}
    require(nonlinearity in named, "nonlinearity", repr(nonlinearity), f"one of {', '.join(named)}")
    if nonlinearity != "leaky_relu":
        return named[nonlinearity]
    good = isinstance(slope, Real) and not isinstance(slope, bool)
    require(good, "param", repr(param), "the slope of leaky_relu for negative numbers")
    return math.sqrt(2.0 / (1 + slope**2))


def derived_gain(function):
    """1/√E[f(z)²] with z standard normal: the gain that keeps the size of a signal over a layer with the activation f.

    The expectation is a sum over a fine grid, with an error below 10⁻⁶. function: takes and returns a float64 tensor of any shape
    Raises ValueError when E[f(z)²] is zero or infinite.

    >>> round(derived_gain(torch.relu) ** 2, 6), round(derived_gain(torch.tanh), 4)
    (2.0, 1.5925)
    """
    z = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    second_moment = torch.trapezoid(function(z) ** 2 * density, z).item()
    got = f"one with E[f(z)²] = {second_moment}"
    require(0 < second_moment < math.inf, "function", got, "a function with 0 < E[f(z)²] < ∞ for standard normal z")
    return 1 / math.sqrt(second_moment)


def fans(shape):
    """(fan_in, fan_out): how many numbers each output is a sum of, and how many outputs each input goes to.

    shape: of a weight (K, D) or (O, C, kh, kw), output first as in torch; a kernel's pixels count in both

    >>> fans((10, 784)), fans((32, 16, 3, 3))
    ((784, 10), (144, 288))
    """
    good = isinstance(shape, (tuple, list)) and len(shape) >= 2 and all(is_whole(n) and n >= 1 for n in shape)
    require(good, "shape", repr(shape), "two or more whole numbers ≥ 1, such as (K, D) or (O, C, kh, kw)")
    pixels = math.prod(shape[2:])
    return shape[1] * pixels, shape[0] * pixels


def output_variance(fan_in, weight_variance, second_moment=1.0):
    """Var(y) = n · Var(w) · E[x²]: the variance of a sum of n products with weights of mean 0 — Eq. 3.1.

    Weights and inputs are independent of each other; the inputs need no mean of 0, so their second moment counts, not their
    variance. fan_in: n ≥ 1   weight_variance, second_moment: ≥ 0   returns: float

    >>> output_variance(100, 0.02), output_variance(100, 0.02, second_moment=0.5)
    (2.0, 1.0)
    """
    require(is_whole(fan_in) and fan_in >= 1, "fan_in", repr(fan_in), "a whole number ≥ 1")
    for argument, value in {"weight_variance": weight_variance, "second_moment": second_moment}.items():
        require(isinstance(value, Real) and value >= 0, argument, repr(value), "a number ≥ 0")
    return fan_in * weight_variance * second_moment


def xavier_variance(shape, gain=1.0):
    """Var(w) = gain² · 2/(fan_in + fan_out): between 1/fan_in and 1/fan_out — Eq. 3.2 (Glorot and Bengio 2010).

    1/fan_in would keep the size of the signal on its way forward, 1/fan_out that of the gradient on its way back.

    >>> xavier_variance((300, 100))
    0.005
    """
    require(isinstance(gain, Real), "gain", repr(gain), "a number")
    return gain**2 * 2.0 / sum(fans(shape))


def kaiming_variance(shape, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Var(w) = gain²/fan: a rectifier keeps half of the signal's square, gain² = 2 makes up for it — Eq. 3.3 (He et al. 2015).

    mode: 'fan_in' keeps the size of the signal, 'fan_out' that of the gradient   a: the slope of leaky_relu

    >>> round(kaiming_variance((10, 50), nonlinearity="relu"), 12)
    0.04
    """
    require(mode in ("fan_in", "fan_out"), "mode", repr(mode), "'fan_in' or 'fan_out'")
    fan_in, fan_out = fans(shape)
    return calculate_gain(nonlinearity, a) ** 2 / (fan_in if mode == "fan_in" else fan_out)


def uniform_bound(variance):
    """b = √(3·Var): numbers drawn uniformly from −b to b have the variance b²/3.

    >>> uniform_bound(3.0)
    3.0
    """
    require(isinstance(variance, Real) and variance >= 0, "variance", repr(variance), "a number ≥ 0")
    return math.sqrt(3.0 * variance)


def _uniform(shape, variance, generator, dtype, device):
    bound = uniform_bound(variance)
    return torch.empty(tuple(shape), dtype=dtype, device=device).uniform_(-bound, bound, generator=generator)


def _normal(shape, variance, generator, dtype, device):
    return torch.empty(tuple(shape), dtype=dtype, device=device).normal_(0, math.sqrt(variance), generator=generator)


def xavier_uniform(shape, gain=1.0, generator=None, *, dtype=None, device=None):
    """A weight drawn uniformly from −b to b, b = √(3·Var), with the variance of ``xavier_variance``.

    shape: (K, D) or (O, C, kh, kw)   generator: the torch.Generator to draw from; None is torch's own
    returns: a new tensor with the numbers that torch.nn.init.xavier_uniform_ draws from the same generator
    """
    return _uniform(shape, xavier_variance(shape, gain), generator, dtype, device)


def xavier_normal(shape, gain=1.0, generator=None, *, dtype=None, device=None):
    """A normal weight with the variance of ``xavier_variance``; arguments as in ``xavier_uniform``."""
    return _normal(shape, xavier_variance(shape, gain), generator, dtype, device)


def kaiming_uniform(shape, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None, *, dtype=None, device=None):
    """A weight drawn uniformly from −b to b, b = √(3·Var), with the variance of ``kaiming_variance``.

    shape: (K, D) or (O, C, kh, kw)   generator: the torch.Generator to draw from; None is torch's own
    returns: a new tensor with the numbers that torch.nn.init.kaiming_uniform_ draws from the same generator
    """
    return _uniform(shape, kaiming_variance(shape, a, mode, nonlinearity), generator, dtype, device)


def kaiming_normal(shape, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None, *, dtype=None, device=None):
    """A normal weight with the variance of ``kaiming_variance``; arguments as in ``kaiming_uniform``."""
    return _normal(shape, kaiming_variance(shape, a, mode, nonlinearity), generator, dtype, device)
