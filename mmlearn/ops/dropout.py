"""Dropout: numbers set to zero at random while a network trains."""

from numbers import Real

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, check_grad_output, require
from mmlearn.ops.by_hand import differentiated_by


def dropout_backward(grad_output, mask, scale):
    """dX = dY · m / (1 − p): a number that was dropped receives no gradient.

    grad_output, mask m: the output's shape, the mask 1 where a number was kept and 0 where it was dropped
    scale: 1/(1 − p)   returns: the same shape. Same arguments as torch.ops.aten.native_dropout_backward.
    """
    require(isinstance(mask, torch.Tensor), "mask", type(mask).__name__, "a torch.Tensor of zeros and ones")
    check_grad_output(grad_output, mask.shape)
    return grad_output * mask * scale


def _keep_backward(grad_output, input, mask, scale):
    return dropout_backward(grad_output, mask, scale)


@differentiated_by(_keep_backward)
def _keep(input, mask, scale):
    return input * mask * scale


def dropout(input, p=0.5, training=True, inplace=False):
    """y = x · m / (1 − p) with m = 0 at probability p, else 1, drawn anew at each call (Srivastava et al. 2014).

    Dividing by 1 − p keeps the expected value: without training, dropout does nothing at all. A drop-in for
    torch.nn.functional.dropout; after the same torch.manual_seed it drops the same numbers on the CPU.
    input: any shape   p: from 0 to 1   ``inplace`` overwrites the input   returns: input's shape
    Raises ValueError when p is no probability.

    >>> dropout(torch.ones(3), p=0.2, training=False)
    tensor([1., 1., 1.])
    """
    check_floating(input, "input", ANY_DIMS, "of any shape")
    good = isinstance(p, Real) and 0 <= p <= 1
    require(good, "p", repr(p), "a probability from 0 to 1: the part of the numbers that is dropped")
    if not training or p == 0:
        return input
    mask = torch.empty_like(input, requires_grad=False).bernoulli_(1 - p)
    scale = 1 / (1 - p) if p < 1 else 0.0  # nothing is left to be scaled
    return input.mul_(mask * scale) if inplace else _keep(input, mask, scale)
