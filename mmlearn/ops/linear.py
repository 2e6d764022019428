"""The fully connected layer."""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_floating, check_same_dtype, require
from mmlearn.ops.by_hand import differentiated_by

__all__ = ["LinearGradients", "linear", "linear_backward"]


class LinearGradients(NamedTuple):
    """∂L/∂input (…, D), ∂L/∂weight (K, D) and ∂L/∂bias (K,) or None."""

    input: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None


def linear_backward(grad_output, input, weight, bias=None):
    """dX = dY·W,  dW = dYᵀ·X,  db = Σ dY, the sums over everything in front of the features.

    grad_output: (…, K)   input: (…, D)   weight: (K, D)   returns: LinearGradients(input, weight, bias)
    """
    rows, grad_rows = input.reshape(-1, input.shape[-1]), grad_output.reshape(-1, len(weight))
    return LinearGradients(grad_output @ weight, grad_rows.mT @ rows, None if bias is None else grad_rows.sum(0))


@differentiated_by(linear_backward)
def linear(input, weight, bias=None):
    """Y = X·Wᵀ + b. A drop-in for torch.nn.functional.linear.

    input: (…, D)   weight: (K, D)   bias: (K,) or None   returns: (…, K)
    """
    check_floating(input, "input", range(1, 65), "(…, D)")
    check_floating(weight, "weight", (2,), "(K, D)")
    check_same_dtype(input, weight=weight, bias=bias)
    got, features = f"shape {tuple(input.shape)}", weight.shape[1]
    require(input.shape[-1] == features, "input", got, f"(…, {features}), as weight is {tuple(weight.shape)}")
    if bias is None:
        return input @ weight.mT
    require(tuple(bias.shape) == (len(weight),), "bias", f"shape {tuple(bias.shape)}", f"({len(weight)},): one number per output")
    return input @ weight.mT + bias
