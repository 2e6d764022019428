"""A part added to what is there behind a gate that starts closed (Flamingo, Alayrac et al. 2022)."""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_floating, check_grad_output, require, shape
from mmlearn.ops.by_hand import differentiated_by


class GatedGradients(NamedTuple):
    """∂L/∂input and ∂L/∂part, of their shape, and ∂L/∂gate, a 0-d tensor."""

    input: torch.Tensor
    part: torch.Tensor
    gate: torch.Tensor


def gated_residual_backward(grad_output, input, part, gate):
    """dX = dY,  dU = tanh(α) dY,  dα = (1 − tanh²α) Σ dY ⊙ U, for Y = X + tanh(α) U — Eq. 17.7.

    At α = 0 nothing arrives at the part U, but the gate receives the whole Σ dY ⊙ U: the gate moves first.
    grad_output dY, input X, part U: one shape   gate α: 0-d   returns: GatedGradients
    """
    _check(input, part, gate)
    check_grad_output(grad_output, input.shape)
    opened = torch.tanh(gate)
    return GatedGradients(grad_output, grad_output * opened, (1 - opened**2) * (grad_output * part).sum())


@differentiated_by(gated_residual_backward)
def gated_residual(input, part, gate):
    """Y = X + tanh(α) U: with the gate α at 0, Y is X — Eq. 17.6 (Alayrac et al. 2022).

    input X, part U: one shape, any   gate α: 0-d   returns: the same shape
    Raises ValueError where the shapes or the types differ.

    >>> gated_residual(torch.ones(2), torch.full((2,), 5.0), torch.tensor(0.0))
    tensor([1., 1.])
    """
    _check(input, part, gate)
    return input + torch.tanh(gate) * part


def _check(input, part, gate):
    check_floating(input, "input", ANY_DIMS, "of any shape")
    check_floating(part, "part", ANY_DIMS, f"of shape {tuple(input.shape)}, as input")
    require(part.shape == input.shape, "part", shape(part), f"shape {tuple(input.shape)}, as input")
    check_floating(gate, "gate", (0,), "a 0-d tensor, one number for all")
    check_alike("input", input, part=part, gate=gate)
