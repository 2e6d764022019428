"""Gradient clipping: one exploding step must not undo what a thousand steps have learnt."""

from numbers import Real
from typing import NamedTuple

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, require


class ClippedGradients(NamedTuple):
    """The gradients, shortened, in the order given; and the norm ‖g‖ that all of them had together before, of shape ()."""

    gradients: list
    total_norm: torch.Tensor


def _as_list(gradients):
    """The gradients as a list of floating-point tensors; None stands for a parameter without a gradient."""
    given = [gradients] if isinstance(gradients, torch.Tensor) else gradients
    expected = "a list of tensors, such as [p.grad for p in model.parameters()]"
    require(hasattr(given, "__iter__"), "gradients", type(gradients).__name__, expected)
    given = list(given)
    for place, gradient in enumerate(given):
        if gradient is not None:
            check_floating(gradient, f"gradients[{place}]", ANY_DIMS, "of any shape")
    return given


def clip_grad_norm(gradients, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """g ← g · min(1, c/(‖g‖ + 10⁻⁶)), ‖g‖ the norm of all gradients as one vector — Eq. 3.12 (Pascanu et al. 2013).

    The direction stays, the length becomes at most c: the numbers of torch.nn.utils.clip_grad_norm_, as new tensors.
    gradients: a list of tensors of any shapes, None among them for parameters that have none   max_norm: c ≥ 0
    norm_type: 2, any other number > 0, or inf for the largest absolute value   returns: ClippedGradients(gradients, total_norm)
    Raises ValueError when error_if_nonfinite is set and the norm is NaN or infinite.

    >>> clipped, norm = clip_grad_norm([torch.tensor([3.0]), torch.tensor([4.0])], max_norm=1.0)
    >>> norm, clipped
    (tensor(5.), [tensor([0.6000]), tensor([0.8000])])
    """
    given = _as_list(gradients)
    require(isinstance(max_norm, Real) and max_norm >= 0, "max_norm", repr(max_norm), "a number ≥ 0")
    require(isinstance(norm_type, Real) and norm_type > 0, "norm_type", repr(norm_type), "a number > 0, or float('inf')")
    norms = [torch.linalg.vector_norm(gradient, norm_type) for gradient in given if gradient is not None]
    first = norms[0] if norms else torch.zeros(1)
    total_norm = torch.linalg.vector_norm(torch.stack([norm.to(first.device) for norm in norms] or [first.sum()]), norm_type)
    if error_if_nonfinite:
        expected = "gradients whose norm is finite; look for a division by zero, a logarithm of zero or a step that is too long"
        require(bool(total_norm.isfinite()), "gradients", f"norm {total_norm.item()}", expected)
    factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
    return ClippedGradients([g if g is None else g * factor.to(g.device, g.dtype) for g in given], total_norm)


def clip_grad_value(gradients, clip_value):
    """g_i ← min(max(g_i, −c), c), number by number: the numbers of torch.nn.utils.clip_grad_value_, and nothing changed in place.

    Unlike clip_grad_norm it turns the gradient's direction. gradients: a list of tensors, None among them allowed
    clip_value: c ≥ 0   returns: the list of clipped gradients

    >>> clip_grad_value([torch.tensor([3.0, -0.5])], 1.0)
    [tensor([ 1.0000, -0.5000])]
    """
    require(isinstance(clip_value, Real) and clip_value >= 0, "clip_value", repr(clip_value), "a number ≥ 0")
    return [g if g is None else g.clamp(-clip_value, clip_value) for g in _as_list(gradients)]
