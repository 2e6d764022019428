"""Jacobians: all derivatives of a function at once, what forward and backward passes do with them, and what that costs."""

from itertools import pairwise

import torch

from mmlearn.ops.arguments import require, shape


def vector_jacobian_product(grad_output, jacobian):
    """x̄_i = Σ_j ȳ_j · ∂y_j/∂x_i, that is x̄ = Jᵀ ȳ: what a backward pass computes, without building J — Eq. 2.3.

    grad_output: y's shape   jacobian: y's shape followed by x's, as torch.func.jacrev returns it   returns: x's shape

    >>> vector_jacobian_product(torch.tensor([1.0, 10.0]), torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    tensor([41., 52., 63.])
    """
    axes = grad_output.dim()
    expected = f"{tuple(grad_output.shape)}, as grad_output has, then the input's shape"
    require(jacobian.shape[:axes] == grad_output.shape, "jacobian", shape(jacobian), expected)
    return torch.tensordot(grad_output, jacobian, dims=axes)


def jacobian_vector_product(jacobian, tangent):
    """ẏ_j = Σ_i ∂y_j/∂x_i · ẋ_i, that is ẏ = J ẋ: how the output moves when the input moves along ẋ — Eq. 2.4 (Wengert 1964).

    jacobian: y's shape followed by x's   tangent: x's shape   returns: y's shape

    >>> jacobian_vector_product(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), torch.tensor([1.0, 0.0, -1.0]))
    tensor([-2., -2.])
    """
    axes = tangent.dim()
    expected = f"the output's shape, then {tuple(tangent.shape)}, as tangent has"
    require(jacobian.shape[jacobian.dim() - axes :] == tangent.shape, "jacobian", shape(jacobian), expected)
    return torch.tensordot(jacobian, tangent, dims=axes)


def chain_products(widths, mode):
    """Products for a chain of layers' Jacobian: n_out · Σ n_l n_{l−1} in reverse mode, n_in · Σ n_l n_{l−1} forward — Eq. 2.5.

    The sum runs over the layers l from width n_{l−1} to n_l. A reverse-mode sweep carries one row of the Jacobian
    back through all of them, a forward-mode sweep one column onwards.
    widths: n_0 = n_in, n_1, …, n_k = n_out   mode: "forward" or "reverse"   returns: int

    >>> chain_products([64, 32, 1], "forward"), chain_products([64, 32, 1], "reverse")
    (133120, 2080)
    """
    require(mode in ("forward", "reverse"), "mode", repr(mode), "'forward' or 'reverse'")
    require(len(widths) >= 2, "widths", str(list(widths)), "at least the widths of the input and of the output")
    once = sum(before * after for before, after in pairwise(widths))
    return (widths[0] if mode == "forward" else widths[-1]) * once
