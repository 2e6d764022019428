"""Fusion by products: one weight for every product of a feature of one modality with a feature of each other one."""

import math

import torch
from torch import nn

from mmlearn.models.fusion.interface import Fusion
from mmlearn.ops.arguments import check_whole, require
from mmlearn.ops.bilinear import bilinear, generated_layer, low_rank_product, product_tensor, tensor_of_factors

LARGEST = 2**27  # weights of a full tensor: half a gigabyte of float32


class Bilinear(Fusion):
    """z_k = xᵀ·W_k·y + b_k: products of two modalities, and nothing but products.

    Without one of the two, z = b whatever the other one says. The weights begin with variance 1/(D₁·D₂), so that features of
    variance 1 give a z of variance 1; torch.nn.Bilinear's, which begin uniform within ±1/√D₁, give D₂/3.

    >>> Bilinear({"image": 64, "text": 32}, 128)({"image": torch.ones(2, 64), "text": torch.ones(2, 32)}).shape
    torch.Size([2, 128])
    """

    fewest = most = 2

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        sizes = tuple(self.dims.values())
        _check_weights(out_dim, sizes, type(self).__name__)
        self.weight = nn.Parameter(torch.randn(out_dim, *sizes) / math.sqrt(math.prod(sizes)))
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def fuse(self, features, present):
        return bilinear(*features.values(), self.weight, self.bias)

    def products(self):
        """Multiplications for one example."""
        first, second = self.dims.values()
        return self.out_dim * second * (first + 1)


class TensorFusion(Fusion):
    """One weight for every entry of [1; x] ⊗ [1; y] ⊗ … (Zadeh et al. 2017): a bias, each modality alone, pairs, triples, ….

    An absent modality's features count as 0; its 1 stays. What remains is the tensor fusion of the others.
    Raises ValueError where that would be more than 2²⁷ weights.
    """

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        sizes = tuple(features + 1 for features in self.dims.values())
        _check_weights(out_dim, sizes, type(self).__name__)
        self.weight = nn.Parameter(torch.randn(out_dim, *sizes) / math.sqrt(math.prod(sizes)))

    def fuse(self, features, present):
        tensor = product_tensor(list(features.values()))  # (N, 1 + D_1, …)
        return tensor.flatten(1) @ self.weight.flatten(1).mT

    def products(self):
        """Multiplications for one example: those that make the tensor, and those that weigh it."""
        sizes = [features + 1 for features in self.dims.values()]
        making = sum(math.prod(sizes[: m + 1]) for m in range(1, len(sizes)))
        return making + self.out_dim * math.prod(sizes)


class LowRank(Fusion):
    """The tensor fusion whose weights have rank ≤ ``rank`` for each output, computed without any tensor (Liu et al. 2018).

    z_k = b_k + Σ_r Π_m (w_m^{(r,k)} · [1; x_m]). An absent modality's features count as 0, so that its factor is the weight of
    its 1: what remains is the low-rank fusion of the others.

    rank    how many products of projections each output adds up
    The factors begin with a variance such that features of variance 1 give a z of variance 1.

    >>> fusion = LowRank({"image": 64, "text": 32, "sound": 16}, 128, rank=4)
    >>> sum(p.numel() for p in fusion.parameters()), 128 * (4 * (65 + 33 + 17) + 1)
    (59008, 59008)
    """

    def __init__(self, dims, out_dim, rank=4):
        super().__init__(dims, out_dim)
        check_whole(rank, "rank")
        self.rank = rank
        spread = rank ** (-0.5 / len(self.dims))
        self.factors = nn.ParameterList(
            nn.Parameter(torch.randn(rank, out_dim, features + 1) * spread / math.sqrt(features + 1))
            for features in self.dims.values()
        )
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def fuse(self, features, present):
        return low_rank_product(list(features.values()), list(self.factors)) + self.bias

    def full(self):
        """The TensorFusion that computes the same: its tensor is built from the factors, the bias added where all are 1."""
        same = TensorFusion(self.dims, self.out_dim).to(self.bias)
        with torch.no_grad():
            same.weight.copy_(tensor_of_factors(list(self.factors)))
            same.weight[(slice(None), *[0] * len(self.dims))] += self.bias
        return same

    def products(self):
        """Multiplications for one example."""
        sizes = [features + 1 for features in self.dims.values()]
        return self.rank * self.out_dim * (sum(sizes) + len(sizes) - 1)


class Multiplicative(Fusion):
    """z = W(c)·x + b(c): a linear layer on one modality whose weights and bias another one makes (Jayakumar et al. 2020).

    W(c) = Σ_j c_j·W_j + U and b(c) = V·c + b. For two modalities these are the functions of TensorFusion, arranged otherwise.

    context    the modality that makes the weights; the last one, unless said otherwise
    Without the context the layer is U·x + b; without the other modality V·c + b.
    """

    fewest = most = 2

    def __init__(self, dims, out_dim, context=None):
        super().__init__(dims, out_dim)
        context = self.names[-1] if context is None else context
        require(context in self.dims, "context", repr(context), f"one of {', '.join(map(repr, self.names))}")
        self.context = context
        self.content = next(name for name in self.names if name != context)
        D, E = self.dims[self.content], self.dims[context]
        _check_weights(out_dim, (D, E), type(self).__name__)
        self.weight = nn.Parameter(torch.randn(out_dim, D, E) / math.sqrt(3 * D * E))  # three terms, a third of z's variance each
        self.from_content = nn.Parameter(torch.randn(out_dim, D) / math.sqrt(3 * D))
        self.from_context = nn.Parameter(torch.randn(out_dim, E) / math.sqrt(3 * E))
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def fuse(self, features, present):
        parts = self.weight, self.from_content, self.from_context, self.bias
        return generated_layer(features[self.content], features[self.context], *parts)

    def made_by(self, context):
        """The layer that each context makes: W(c) (N, out_dim, D) and b(c) (N, out_dim).   context: (N, E)"""
        made = torch.einsum("ne,kde->nkd", context, self.weight) + self.from_content
        return made, context @ self.from_context.mT + self.bias

    def products(self):
        """Multiplications for one example."""
        D, E = self.dims[self.content], self.dims[self.context]
        return self.out_dim * (D * E + D + E)


def _check_weights(out_dim, sizes, name):
    count = out_dim * math.prod(sizes)
    product = " · ".join(map(str, (out_dim, *sizes)))
    require(count <= LARGEST, "dims", f"{name} of {product} = {count:,} weights", f"at most {LARGEST:,}: take LowRank")
