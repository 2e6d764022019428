"""Pointwise non-linearities and the softmax, each with its derivative."""

import warnings

import torch

from mmlearn.ops.arguments import check_floating, require
from mmlearn.ops.by_hand import differentiated_by

__all__ = [
    "log_softmax",
    "log_softmax_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "tanh",
    "tanh_backward",
]

ANY = range(0, 65)


def relu_backward(grad_output, input):
    """dX = dY where x > 0, else 0 (at x = 0 too, as torch does). All shapes equal."""
    return torch.where(input > 0, grad_output, torch.zeros_like(grad_output))


@differentiated_by(relu_backward)
def _relu(input):
    return input.clamp(min=0)


def relu(input, inplace=False):
    """max(x, 0) (Fukushima 1969; in deep networks: Nair and Hinton 2010). Any shape; ``inplace`` overwrites the input, as in torch."""
    check_floating(input, "input", ANY, "of any shape")
    return input.clamp_(min=0) if inplace else _relu(input)


def sigmoid_backward(grad_output, input):
    """dX = dY · σ(x)(1 − σ(x)). All shapes equal."""
    probability = sigmoid(input)
    return grad_output * probability * (1 - probability)


@differentiated_by(sigmoid_backward)
def sigmoid(input):
    """σ(x) = 1/(1 + e^(−x)), written so that neither large nor small x overflows. Any shape.

    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_floating(input, "input", ANY, "of any shape")
    small = torch.exp(-input.abs())  # in (0, 1]
    return torch.where(input >= 0, 1 / (1 + small), small / (1 + small))


def tanh_backward(grad_output, input):
    """dX = dY · (1 − tanh²x). All shapes equal."""
    return grad_output * (1 - tanh(input) ** 2)


@differentiated_by(tanh_backward)
def tanh(input):
    """tanh x = 2σ(2x) − 1: the sigmoid, stretched to (−1, 1). Any shape."""
    check_floating(input, "input", ANY, "of any shape")
    minus_double = -2 * input.abs()  # tanh|x| = (1 − e^(−2|x|)) / (1 + e^(−2|x|)), then the sign is put back
    return torch.sign(input) * -torch.expm1(minus_double) / (1 + torch.exp(minus_double))


def _axis(input, dim):
    """torch's rule for dim=None, with torch's warning; a dim that does not exist is a ValueError."""
    if dim is None:
        dim = 0 if input.dim() in (0, 1, 3) else 1
        warnings.warn(f"softmax without dim is deprecated: taking dim={dim}; say which", UserWarning, stacklevel=4)
    require(-max(input.dim(), 1) <= dim < max(input.dim(), 1), "dim", dim, f"an axis of input {tuple(input.shape)}")
    return dim


def softmax_backward(grad_output, input, dim=None, _stacklevel=3, dtype=None):
    """dX = p ⊙ (dY − Σ_k dY_k p_k), with p = softmax(x): the Jacobian diag(p) − p pᵀ applied without building it."""
    probability = softmax(input, dim, dtype=dtype)
    inner = (grad_output * probability).sum(dim if dim is not None else _axis(input, dim), keepdim=True)
    return (probability * (grad_output - inner)).to(input.dtype)


@differentiated_by(softmax_backward)
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """p_k = e^(x_k) / Σ_j e^(x_j) along ``dim``; the largest x is subtracted first, which changes nothing but prevents overflow.

    input: any shape   dim: the axis that sums to one   returns: the same shape

    >>> softmax(torch.tensor([1000.0, 1000.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    check_floating(input, "input", ANY, "of any shape")
    input = input if dtype is None else input.to(dtype)
    dim = _axis(input, dim)
    exponential = torch.exp(input - input.amax(dim, keepdim=True))
    return exponential / exponential.sum(dim, keepdim=True)


def log_softmax_backward(grad_output, input, dim=None, _stacklevel=3, dtype=None):
    """dX = dY − p · Σ_k dY_k, with p = softmax(x)."""
    probability = softmax(input, dim, dtype=dtype)
    total = grad_output.sum(dim if dim is not None else _axis(input, dim), keepdim=True)
    return (grad_output - probability * total).to(input.dtype)


@differentiated_by(log_softmax_backward)
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log p_k = x_k − log Σ_j e^(x_j), with the largest x subtracted first. Shapes as in ``softmax``."""
    check_floating(input, "input", ANY, "of any shape")
    input = input if dtype is None else input.to(dtype)
    dim = _axis(input, dim)
    shifted = input - input.amax(dim, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))
