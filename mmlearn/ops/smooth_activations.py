"""Activations without a corner: the GELU and the SiLU, a number times the probability of keeping it."""

import math

import torch

from mmlearn.ops.activation import sigmoid
from mmlearn.ops.arguments import ANY_DIMS, check_floating, check_grad_output, require
from mmlearn.ops.by_hand import differentiated_by

_FIT = 0.044715  # of the approximation Φ(x) ≈ ½(1 + tanh(√(2/π)(x + 0.044715x³)))


def _check_gelu(input, approximate):
    check_floating(input, "input", ANY_DIMS, "of any shape")
    require(approximate in ("none", "tanh"), "approximate", repr(approximate), "'none' or 'tanh'")


def gelu_backward(grad_output, input, approximate="none"):
    """dX = dY · (Φ(x) + x·φ(x)), with φ the normal density; for 'tanh' with the derivative of the approximation in its place.

    All shapes equal   approximate: as given to gelu
    """
    _check_gelu(input, approximate)
    check_grad_output(grad_output, input.shape)
    if approximate == "none":
        density = torch.exp(-input * input / 2) / math.sqrt(2 * math.pi)
        return grad_output * (_normal_cdf(input) + input * density)
    bend = _bend(input)
    slope = math.sqrt(2 / math.pi) * (1 + 3 * _FIT * input**2) * (1 - bend * bend)
    return grad_output * ((1 + bend) / 2 + input * slope / 2)


def _bend(x):
    """tanh(√(2/π)(x + 0.044715x³)), which is close to 2Φ(x) − 1."""
    return torch.tanh(math.sqrt(2 / math.pi) * (x + _FIT * x**3))


def _normal_cdf(x):
    """Φ(x) = ½ erfc(−x/√2): unlike ½(1 + erf(x/√2)) it keeps its digits where Φ is close to 0."""
    return torch.special.erfc(x / -math.sqrt(2)) / 2


@differentiated_by(gelu_backward)
def gelu(input, approximate="none"):
    """x·Φ(x), with Φ(x) the probability that a standard normal number is below x (Hendrycks and Gimpel 2016).

    A drop-in for torch.nn.functional.gelu. approximate='tanh' takes ½(1 + tanh(√(2/π)(x + 0.044715x³))) for Φ(x).
    input: any shape   returns: the same shape

    >>> gelu(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    _check_gelu(input, approximate)
    if approximate == "none":
        return input * _normal_cdf(input)
    return input * (1 + _bend(input)) / 2


def silu_backward(grad_output, input):
    """dX = dY · σ(x)(1 + x(1 − σ(x))). All shapes equal."""
    check_grad_output(grad_output, input.shape)
    probability = sigmoid(input)
    return grad_output * probability * (1 + input * (1 - probability))


@differentiated_by(silu_backward)
def _silu(input):
    return input * sigmoid(input)


def silu(input, inplace=False):
    """x·σ(x) (Elfwing, Uchibe and Doya 2018). A drop-in for torch.nn.functional.silu; ``inplace`` overwrites the input."""
    check_floating(input, "input", ANY_DIMS, "of any shape")
    return input.mul_(sigmoid(input)) if inplace else _silu(input)
