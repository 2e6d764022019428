"""Tokens of several modalities, brought to one width so that they can look at one another."""

import torch
from torch import nn

from mmlearn.ops.arguments import check_whole


class Tokens(nn.Module):
    """W_m LN_m(x) + e_m for each modality m: its tokens in one width, and the vector e_m that says whose they are.

    {name: (N, T, dims[name])} → {name: (N, T, D)}

    features: D   norm: False leaves the LayerNorm out, so that the tokens come in whatever scale their encoder gives them
    """

    def __init__(self, dims, features, norm=True):
        super().__init__()
        check_whole(features, "features")
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) if norm else nn.Identity() for name, width in dims.items()})
        self.maps = nn.ModuleDict({name: nn.Linear(width, features, bias=False) for name, width in dims.items()})
        self.marks = nn.ParameterDict({name: nn.Parameter(0.1 * torch.randn(features)) for name in dims})

    def forward(self, features):
        return {name: self.maps[name](self.norms[name](x)) + self.marks[name] for name, x in features.items()}

    def asking(self, name, tokens, mask):
        """Tokens that ask, and which of them count. Where the modality is absent, its vector e_m asks alone, as one token."""
        absent = ~mask.any(1)  # (N,)
        first = torch.arange(mask.shape[1], device=mask.device) == 0  # (T,)
        return tokens.where(~absent[:, None, None], self.marks[name]), mask | (absent[:, None] & first)


def joined(tokens, masks, names):
    """The tokens of the named modalities one after the other, (N, S, D), and which of them count, (N, S)."""
    return torch.cat([tokens[name] for name in names], 1), torch.cat([masks[name] for name in names], 1)


def parted(weights, tokens, names):
    """(N, h, L, S) weights on joined tokens → {name: (N, h, L, T)}, the share of each modality."""
    return dict(zip(names, weights.split([tokens[name].shape[1] for name in names], -1), strict=True))
