"""The fully connected layer."""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_bias, check_floating, check_grad_output, require, shape
from mmlearn.ops.by_hand import differentiated_by


class LinearGradients(NamedTuple):
    """∂L/∂input (…, D), ∂L/∂weight (K, D) and ∂L/∂bias (K,); None for what was not asked for."""

    input: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor | None


def linear_backward(grad_output, input, weight, bias=None, output_mask=(True, True, True)):
    """dX = dY·W,  dW = dYᵀ·X,  db = Σ dY, the sums over everything in front of the features — Eq. 2.10.

    grad_output: (…, K)   input: (…, D)   weight: (K, D)   output_mask: which of the three to compute
    returns: LinearGradients(input, weight, bias)
    """
    check_grad_output(grad_output, (*input.shape[:-1], len(weight)))
    rows, grad_rows = input.reshape(-1, weight.shape[1]), grad_output.reshape(-1, len(weight))
    return LinearGradients(
        grad_output @ weight if output_mask[0] else None,
        grad_rows.mT @ rows if output_mask[1] else None,
        grad_rows.sum(0) if output_mask[2] and bias is not None else None,
    )


@differentiated_by(linear_backward)
def linear(input, weight, bias=None):
    """Y = X·Wᵀ + b. A drop-in for torch.nn.functional.linear.

    input: (…, D)   weight: (K, D)   bias: (K,) or None   returns: (…, K)
    """
    check_floating(input, "input", ANY_DIMS[1:], "(…, D)")
    check_floating(weight, "weight", (2,), "(K, D)")
    check_alike("input", input, weight=weight, bias=bias)
    require(weight.numel() > 0, "weight", shape(weight), "(K, D) with at least one number")
    features = weight.shape[1]
    require(input.shape[-1] == features, "input", shape(input), f"(…, {features}), as weight is {tuple(weight.shape)}")
    check_bias(bias, len(weight))
    return input @ weight.mT if bias is None else input @ weight.mT + bias
