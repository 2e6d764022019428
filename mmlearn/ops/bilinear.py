"""Products of the features of several modalities: the bilinear form, the tensor of all products, and its low-rank form."""

import math
from functools import reduce

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_bias, check_floating, require, shape


def bilinear(input1, input2, weight, bias=None):
    """z_k = xᵀ·W_k·y + b_k, a weight for each product x_i·y_j — Eq. 16.1. A drop-in for torch.nn.functional.bilinear.

    input1: x (…, D1)   input2: y (…, D2)   weight: (K, D1, D2)   bias: (K,) or None   returns: (…, K)

    >>> x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    >>> bilinear(x, y, torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]))  # x₁·y₂
    tensor([5.])
    """
    check_floating(weight, "weight", (3,), "(K, D1, D2)")
    for name, tensor, features in (("input1", input1, weight.shape[1]), ("input2", input2, weight.shape[2])):
        check_floating(tensor, name, ANY_DIMS[1:], f"(…, {features})")
        require(tensor.shape[-1] == features, name, shape(tensor), f"(…, {features}), as weight is {tuple(weight.shape)}")
    require(input1.shape[:-1] == input2.shape[:-1], "input2", shape(input2), f"(…, D2) with {tuple(input1.shape[:-1])} in front")
    check_alike("input1", input1, input2=input2, weight=weight, bias=bias)
    check_bias(bias, len(weight))
    rows = torch.einsum("...i,kij->...kj", input1, weight)  # (…, K, D2): xᵀW_k
    scores = (rows * input2[..., None, :]).sum(-1)  # (…, K)
    return scores if bias is None else scores + bias


def with_one(features):
    """[1; x]: a constant 1 in front of the features.   (…, D) → (…, 1 + D)"""
    return torch.cat([torch.ones_like(features[..., :1]), features], dim=-1)


def product_tensor(features):
    """[1; x] ⊗ [1; y] ⊗ …: every product of no feature or one of each modality — Eq. 16.2 (Zadeh et al. 2017).

    features: M tensors (N, D_m)   returns: (N, 1 + D_1, …, 1 + D_M)

    >>> product_tensor([torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0]])])
    tensor([[[ 1.,  5.],
             [ 2., 10.],
             [ 3., 15.]]])
    """
    _check_features(features)

    def outer(tensor, x):
        return tensor[..., None] * x.view(len(x), *[1] * (tensor.ndim - 1), -1)

    return reduce(outer, map(with_one, features))


def generated_layer(input, context, weight, from_input, from_context, bias):
    """z = (Σ_j c_j·W_j + U)·x + (V·c + b): a layer whose weights the context makes — Eq. 16.3 (Jayakumar et al. 2020).

    input: x (N, D)   context: c (N, E)   weight: W (K, D, E)   from_input: U (K, D)   from_context: V (K, E)   bias: b (K,)
    returns: (N, K)
    """
    made = torch.einsum("ne,kde->nkd", context, weight) + from_input  # (N, K, D): a matrix for each example
    return torch.einsum("nkd,nd->nk", made, input) + context @ from_context.mT + bias


def tensor_of_factors(factors):
    """W_k = Σ_r w_1^{(r,k)} ⊗ … ⊗ w_M^{(r,k)}, the tensor that low-rank factors stand for — Eq. 16.4.

    factors: M tensors (rank, K, 1 + D_m)   returns: (K, 1 + D_1, …, 1 + D_M)
    Each is in the form of a CP decomposition (Hitchcock 1927): tensorly's cp_to_tensor gives the same, one k at a time.
    """
    _check_factors(factors)

    def outer(tensor, w):
        return tensor[..., None] * w.view(*w.shape[:2], *[1] * (tensor.ndim - 2), -1)

    return reduce(outer, factors).sum(0)


def low_rank_product(features, factors):
    """z_k = Σ_r Π_m (w_m^{(r,k)} · [1; x_m]): the tensor's scores without the tensor — Eq. 16.5 (Liu et al. 2018).

    features: M tensors (N, D_m)   factors: M tensors (rank, K, 1 + D_m)   returns: (N, K)
    """
    _check_features(features)
    _check_factors(factors)
    fits = [x.shape[1] + 1 for x in features] == [w.shape[2] for w in factors]
    got = f"{[w.shape[2] for w in factors]} columns"
    require(fits, "factors", got, f"{[x.shape[1] + 1 for x in features]}: one for the constant 1, and one for each feature")
    projected = [torch.einsum("nd,rkd->nrk", with_one(x), w) for x, w in zip(features, factors, strict=True)]
    return math.prod(projected).sum(1)


def _check_features(features):
    require(len(features) > 0, "features", "nothing", "one tensor (N, D) or more")
    for m, x in enumerate(features):
        check_floating(x, f"features[{m}]", (2,), "(N, D)")
        require(len(x) == len(features[0]), f"features[{m}]", shape(x), f"({len(features[0])}, D), as many examples as the first")


def _check_factors(factors):
    require(len(factors) > 0, "factors", "nothing", "one tensor (rank, K, 1 + D) or more")
    for m, w in enumerate(factors):
        check_floating(w, f"factors[{m}]", (3,), "(rank, K, 1 + D)")
        same = w.shape[:2] == factors[0].shape[:2]
        require(same, f"factors[{m}]", shape(w), f"({', '.join(map(str, factors[0].shape[:2]))}, 1 + D), as the first")
