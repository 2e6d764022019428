"""Fusion without a gate: concatenate, add, average, weigh, multiply.

h_m = W_m f_m + b_m is what a modality's own linear layer makes of its features. The first four operators are sums of such
terms: *additive* in their modalities. What follows them decides whether that is a limit: logits that are linear in an additive
result are additive, too; a nonlinear head is free of that.
"""

import torch
from torch import nn

from mmlearn.models.fusion.interface import Fusion
from mmlearn.ops.fusion import gated_mean, hadamard_product


class Projected(Fusion):
    """A fusion of projections h_m = W_m f_m + b_m, one linear layer for each modality.   Σ d_m·out_dim + M·out_dim parameters"""

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.project = nn.ModuleDict({name: nn.Linear(features, out_dim) for name, features in dims.items()})

    def projections(self, features):
        """h_m = W_m f_m + b_m of every modality: (M, N, out_dim). Of an absent one it is b_m: the caller leaves it out."""
        return torch.stack([layer(features[name]) for name, layer in self.project.items()])


def stacked(present):
    """modality → (N,) bool as one tensor (M, N)."""
    return torch.stack(list(present.values()))


class Concat(Fusion):
    """All features in one long vector, and a linear layer on it.   (Σ d_m)·out_dim + out_dim parameters

    Without a modality: its stretch of the vector is zeros, so its block of the weight says nothing; nothing stands in for it.
    """

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.linear = nn.Linear(sum(dims.values()), out_dim)

    def fuse(self, features, present):
        """W [f_1; …; f_M] + b = Σ_m W_m f_m + b, W_m the columns that meet f_m — Eq. 15.1."""
        return self.linear(torch.cat(list(features.values()), dim=1))

    def blocks(self):
        """modality → W_m (out_dim, d_m), the columns of the weight that meet it: views, so a change changes the layer."""
        return dict(zip(self.names, self.linear.weight.split(list(self.dims.values()), dim=1), strict=True))


class Sum(Projected):
    """The sum of the projections of what is present. Concat with a bias for each modality, all of them present.

    Without a modality: its term is missing; the result shrinks. Σ d_m·out_dim + M·out_dim parameters.
    """

    def fuse(self, features, present):
        """Σ_m h_m over the modalities that are present — Eq. 15.2."""
        return self.projections(features).where(stacked(present)[..., None], 0).sum(0)


class Mean(Projected):
    """The mean of the projections of what is present: of the size of one, however many there are.

    Without a modality: the mean of the others. Σ d_m·out_dim + M·out_dim parameters.
    """

    def fuse(self, features, present):
        """(1/|P|) Σ_{m∈P} h_m, P the modalities that are present — Eq. 15.3."""
        h = self.projections(features)
        return gated_mean(h, h.new_zeros(()), stacked(present))


class WeightedMean(Projected):
    """A mean with one learned weight for each modality, the same for every example.

    Without a modality: the weights of the others, scaled to add up to 1. M more parameters than Mean; equal weights at first.
    """

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.scores = nn.Parameter(torch.zeros(len(dims)))

    def fuse(self, features, present):
        """Σ_{m∈P} w_m h_m with w_m = e^{s_m} / Σ_{k∈P} e^{s_k}, s_m learned — Eq. 15.4."""
        return gated_mean(self.projections(features), self.scores[:, None, None], stacked(present))

    def weights(self):
        """modality → its weight where all are present, a float."""
        return dict(zip(self.names, self.scores.detach().softmax(0).tolist(), strict=True))


class Hadamard(Projected):
    """The product of the projections, element by element (Kim et al. 2017). Their biases keep sums possible.

    (1 + u)(1 + v) = 1 + u + v + uv: the biases, 1 at first, let every modality through alone, too. Features of size about 1
    (after a LayerNorm) train best; products of small numbers are very small.
    Without a modality: its factor is 1. Σ d_m·out_dim + M·out_dim parameters.
    """

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        for layer in self.project.values():
            nn.init.ones_(layer.bias)

    def fuse(self, features, present):
        """∏_m h_m over the modalities that are present, element by element — Eq. 15.5."""
        return hadamard_product(self.projections(features), stacked(present))
