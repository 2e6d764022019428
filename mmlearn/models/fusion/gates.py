"""Fusion by gates: how much of each modality comes through is computed from the features, example by example."""

import torch
from torch import nn

from mmlearn.models.fusion.interface import Fusion
from mmlearn.models.fusion.simple import Projected, stacked
from mmlearn.ops.arguments import require
from mmlearn.ops.fusion import film, gated_mean


class Gated(Projected):
    """Gated multimodal unit (Arevalo et al. 2017): for each of the out_dim numbers, a mixture of what the modalities say.

    Of two modalities exactly theirs, with biases: z ⊙ tanh(h_1) + (1 − z) ⊙ tanh(h_2), where z = σ(scores of all features). Of
    more, theirs has gates that do not add up to 1; here a softmax shares them out, which for two is the same.
    Without a modality: the gates of the others, scaled to add up to 1; the scores are computed with zeros in its place.
    Σ d_m·out_dim + M·out_dim parameters, and (M − 1)(Σ d_m + 1)·out_dim for the gates (the last modality's score is 0).
    """

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.score = nn.Linear(sum(dims.values()), (len(dims) - 1) * out_dim) if len(dims) > 1 else None

    def fuse(self, features, present):
        """z ⊙ tanh(h_1) + (1 − z) ⊙ tanh(h_2), z = σ(W_z [f_1; f_2] + b_z) — Eq. 15.7 (Arevalo et al. 2017)."""
        return gated_mean(self.projections(features).tanh(), self._scores(features), stacked(present))

    def gates(self, inputs, present=None):
        """How much of each modality comes through, for each example and feature: (M, N, out_dim), adding up to 1 over M."""
        features, present, _ = self.prepare(inputs, present)
        return self._scores(features).masked_fill(~stacked(present)[..., None], -torch.inf).softmax(0)

    def _scores(self, features):
        n, first = len(next(iter(features.values()))), next(iter(features.values()))
        last = first.new_zeros(1, n, self.out_dim)
        if self.score is None:
            return last
        scores = self.score(torch.cat(list(features.values()), dim=1))  # (N, (M − 1)·out_dim)
        return torch.cat([scores.unflatten(1, (-1, self.out_dim)).transpose(0, 1), last])  # (M, N, out_dim)


class FiLM(Fusion):
    """Feature-wise linear modulation (Perez et al. 2018): one modality is scaled and shifted by what the others say.

    modulated: which one; by default the first. Its projection x = W f + b is scaled by γ = 1 + Σ_m (A_m f_m + a_m) and shifted
    by β = Σ_m (B_m f_m + c_m), the sums over the others. Several blocks of it, one behind another, make the network of the paper.
    Without the others: γ = 1, β = 0, and x goes through as it is. Without the modulated one: β alone.
    (d + 1)·out_dim parameters for the modulated one, 2·(d_m + 1)·out_dim for each of the others.
    """

    fewest = 2

    def __init__(self, dims, out_dim, modulated=None):
        super().__init__(dims, out_dim)
        self.modulated = self.names[0] if modulated is None else modulated
        require(self.modulated in self.dims, "modulated", repr(modulated), f"one of {', '.join(map(repr, self.names))}")
        self.content = nn.Linear(dims[self.modulated], out_dim)
        others = {name: features for name, features in dims.items() if name != self.modulated}
        self.condition = nn.ModuleDict({name: nn.Linear(features, 2 * out_dim) for name, features in others.items()})

    def fuse(self, features, present):
        """γ ⊙ x + β, with γ = 1 + (A f_2 + a) and β = B f_2 + c of the other modality — Eq. 15.9 (Perez et al. 2018)."""
        said = [layer(features[name]).where(present[name][:, None], 0) for name, layer in self.condition.items()]
        scale, shift = sum(said).chunk(2, dim=1)
        x = self.content(features[self.modulated]).where(present[self.modulated][:, None], 0)
        return film(x, 1 + scale, shift)
