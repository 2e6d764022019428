"""Pointwise non-linearities and the softmax, each with its derivative."""

import warnings

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, check_grad_output, is_whole, require, shape
from mmlearn.ops.by_hand import differentiated_by


def relu_backward(grad_output, input):
    """dX = dY · [x > 0]: the gradient passes where x > 0 and nowhere else — Eq. 2.6.

    Not at x = 0 either, as in torch. All shapes equal.
    """
    check_grad_output(grad_output, input.shape)
    return grad_output * (input > 0)


@differentiated_by(relu_backward)
def _relu(input):
    return input.clamp(min=0)


def relu(input, inplace=False):
    """max(x, 0) (Fukushima 1969; in deep networks: Nair and Hinton 2010). Any shape; ``inplace`` overwrites the input."""
    check_floating(input, "input", ANY_DIMS, "of any shape")
    return input.masked_fill_(input <= 0, 0) if inplace else _relu(input)


def sigmoid_backward(grad_output, input, output=None):
    """dX = dY · σ(x)(1 − σ(x)) — Eq. 2.7.

    All shapes equal; output: σ(x), when it is known already.
    """
    check_grad_output(grad_output, input.shape)
    probability = sigmoid(input) if output is None else output
    return grad_output * probability * (1 - probability)


@differentiated_by(sigmoid_backward)
def sigmoid(input):
    """σ(x) = 1/(1 + e^(−x)). Any shape. For a very negative x the power is ∞, and 1/∞ = 0 is the right answer.

    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_floating(input, "input", ANY_DIMS, "of any shape")
    return 1 / (1 + torch.exp(-input))


def tanh_backward(grad_output, input, output=None):
    """dX = dY · (1 − tanh²x) — Eq. 2.8.

    All shapes equal; output: tanh x, when it is known already.
    """
    check_grad_output(grad_output, input.shape)
    return grad_output * (1 - (tanh(input) if output is None else output) ** 2)


@differentiated_by(tanh_backward)
def tanh(input):
    """tanh x = 2σ(2x) − 1 = (1 − e^(−2x)) / (1 + e^(−2x)): the sigmoid, stretched to (−1, 1). Any shape.

    Computed for |x|, so that the power cannot overflow, with expm1, which keeps the digits of e^z − 1 for a small z.
    """
    check_floating(input, "input", ANY_DIMS, "of any shape")
    minus_double = -2 * input.abs()
    return torch.sign(input) * -torch.expm1(minus_double) / (1 + torch.exp(minus_double))


def _softmax_axis(input, dim):
    """The axis that sums to one; torch's rule when dim is None."""
    check_floating(input, "input", ANY_DIMS, "of any shape")
    if dim is None:
        dim = 0 if input.dim() in (0, 1, 3) else 1
    axes = max(input.dim(), 1)
    require(is_whole(dim) and -axes <= dim < axes, "dim", repr(dim), f"an axis of input {tuple(input.shape)}")
    require(input.dim() == 0 or input.shape[dim] > 0, "input", shape(input), f"at least one number along dim {dim}")
    return dim


def _converted(input, dim, dtype):
    """The input in the dtype that was asked for; torch's warning when dim is missing."""
    if dim is None:
        warnings.warn("softmax and log_softmax choose a dim by an old rule without dim: give one", UserWarning, stacklevel=4)
    require(isinstance(input, torch.Tensor), "input", type(input).__name__, "a torch.Tensor of any shape")
    good = dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point)
    require(good, "dtype", dtype, "a floating-point torch.dtype or None")
    return input if dtype is None else input.to(dtype)


def softmax_backward(grad_output, input, dim=None, _stacklevel=3, dtype=None, output=None):
    """dX = p ⊙ (dY − Σ_k dY_k p_k), with p = softmax(x): the Jacobian diag(p) − p pᵀ applied without building it — Eq. 2.12.

    grad_output: input's shape   input, dim, dtype: as given to softmax   output: p, when it is known already
    """
    check_grad_output(grad_output, input.shape)
    dim = _softmax_axis(input, dim)
    probability = softmax(input, dim, dtype=dtype) if output is None else output
    inner = (grad_output * probability).sum(dim, keepdim=True)
    return (probability * (grad_output - inner)).to(input.dtype)


@differentiated_by(softmax_backward)
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """p_k = e^(x_k) / Σ_j e^(x_j) along ``dim`` — Eq. 2.11.

    The largest x is subtracted first, which changes nothing but prevents overflow.

    input: any shape   dim: the axis that sums to one   dtype: computes in this one   returns: the same shape

    >>> softmax(torch.tensor([1000.0, 1000.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    input = _converted(input, dim, dtype)
    dim = _softmax_axis(input, dim)
    exponential = torch.exp(input - input.amax(dim, keepdim=True))
    return exponential / exponential.sum(dim, keepdim=True)


def log_softmax_backward(grad_output, input, dim=None, _stacklevel=3, dtype=None, output=None):
    """dX = dY − p · Σ_k dY_k, with p = softmax(x).

    grad_output: input's shape   input, dim, dtype: as given to log_softmax   output: log p, when it is known already
    """
    check_grad_output(grad_output, input.shape)
    dim = _softmax_axis(input, dim)
    probability = softmax(input, dim, dtype=dtype) if output is None else torch.exp(output)
    return (grad_output - probability * grad_output.sum(dim, keepdim=True)).to(input.dtype)


@differentiated_by(log_softmax_backward)
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log p_k = x_k − log Σ_j e^(x_j), with the largest x subtracted first. Arguments and shapes as in ``softmax``."""
    input = _converted(input, dim, dtype)
    dim = _softmax_axis(input, dim)
    shifted = input - input.amax(dim, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))
