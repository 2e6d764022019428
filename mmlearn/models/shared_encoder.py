"""One space for several modalities: an encoder for each, a trunk that all share, and the unit sphere."""

import math

import torch
from torch import nn

from mmlearn.ops.arguments import check_whole, require
from mmlearn.ops.contrastive import info_nce, unit_rows

_SHARPEST = math.log(100)  # CLIP's own bound on the scale: a loss that may sharpen without end does (Radford et al. 2021)


class SharedEncoder(nn.Module):
    """z_m = unit(g(W_m f_m(x_m))): encoder f_m and adapter W_m of each modality, then a trunk g that belongs to all.

    encoders   modality → module; called with the modality's input, or with its inputs where that is a tuple   → (N, dims[m])
    dims       modality → number of features its encoder returns
    out_dim    numbers in the common space
    shared     layers of the trunk g: 0 leaves each modality its adapter alone, as in CLIP (Radford et al. 2021)
    temperature   τ at the start; ``scale`` is 1/τ, learnt through its logarithm and bounded by 100

    >>> model = SharedEncoder({"image": nn.Identity(), "text": nn.Identity()}, {"image": 5, "text": 3}, out_dim=4)
    >>> z = model({"image": torch.randn(2, 5), "text": torch.randn(2, 3)})
    >>> z["image"].shape, bool(torch.isclose(z["text"].norm(dim=1), torch.ones(2)).all())
    (torch.Size([2, 4]), True)
    """

    def __init__(self, encoders, dims, out_dim, shared=0, temperature=0.1):
        super().__init__()
        require(set(encoders) == set(dims), "dims", sorted(dims), f"the modalities of encoders, {sorted(encoders)}")
        require(len(encoders) >= 1, "encoders", "none", "one modality or more")
        check_whole(out_dim, "out_dim")
        check_whole(shared, "shared", minimum=0)
        require(0.01 <= temperature < math.inf, "temperature", temperature, "a number from 0.01: the scale 1/τ is bounded by 100")
        self.encoders = nn.ModuleDict(encoders)
        self.adapters = nn.ModuleDict({name: nn.Linear(features, out_dim) for name, features in dims.items()})
        layers = [layer for _ in range(shared) for layer in (nn.ReLU(), nn.Linear(out_dim, out_dim))]
        self.trunk = nn.Sequential(*layers)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    @property
    def scale(self):
        """s = 1/τ, a 0-d tensor, at most 100."""
        return self.log_scale.clamp(max=_SHARPEST).exp()

    def encode(self, name, *inputs):
        """The place of each example of one modality in the common space: (N, out_dim), unit rows."""
        require(name in self.encoders, "name", repr(name), " or ".join(map(repr, self.encoders)))
        return unit_rows(self.trunk(self.adapters[name](self.encoders[name](*inputs))))

    def forward(self, inputs):
        """{modality: input, or tuple of inputs} → {modality: (N, out_dim)}, for those that are given."""
        require(isinstance(inputs, dict) and len(inputs) > 0, "inputs", type(inputs).__name__, "a dict, modality → input")
        return {name: self.encode(name, *(x if isinstance(x, tuple) else (x,))) for name, x in inputs.items()}


def reference_loss(embedded, reference, scale, present=None):
    """L = mean over m ≠ r of L(z_m, z_r): every modality aligned to one, the common reference — Eq. 18.19 (Girdhar et al. 2023).

    embedded: modality → (N, D), unit rows   reference: r, one of them   scale: 1/τ
    present: modality → (N,) bool; only rows where both are present count. None: all are
    returns: (). A modality that shares fewer than two rows with the reference has no part in the mean.
    Raises ValueError when no modality shares two rows with it.
    """
    require(reference in embedded, "reference", repr(reference), " or ".join(map(repr, embedded)))
    require(len(embedded) > 1, "embedded", "the reference alone", "another modality beside it")
    present = present or {}
    losses = []
    for name, z in embedded.items():
        if name == reference:
            continue
        both = torch.ones(len(z), dtype=torch.bool, device=z.device)
        for known in (name, reference):
            if present.get(known) is not None:
                both = both & present[known]
        if int(both.sum()) >= 2:
            losses.append(info_nce(z[both], embedded[reference][both], scale))
    require(losses, "present", "no modality with two rows beside the reference", "a batch in which two examples have both")
    return torch.stack(losses).mean()
