"""The multilayer perceptron (Rumelhart, Hinton & Williams 1986): layers that see everything at once."""

import itertools
import math

import torch
from torch import nn

from mmlearn.models.batch_norm import batch_norm
from mmlearn.models.interface import functions
from mmlearn.ops.arguments import check_whole, require

ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "sigmoid")


class MLP(nn.Module):
    """linear – activation – … – linear, through these sizes.

    x (N, D) float, or (N, C, H, W) with C·H·W = D → logits (N, K), where sizes = (D, hidden, …, K)

    activation: 'relu', 'gelu', 'silu', 'tanh' or 'sigmoid'   batch_norm: normalise in front of each activation
    dropout: the share of hidden numbers set to zero while training   F: see ``LeNet``
    Weights start as in ``he_normal``; for tanh and sigmoid as Glorot & Bengio (2010) derive, variance 2/(fan-in + fan-out).

    >>> MLP((64, 32, 10))(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, sizes, activation="relu", batch_norm=False, dropout=0.0, F=torch.nn.functional):
        super().__init__()
        require(len(sizes) >= 2, "sizes", tuple(sizes), "at least two: the inputs and the outputs, as in (64, 32, 10)")
        for size in sizes:
            check_whole(size, "sizes")
        require(activation in ACTIVATIONS, "activation", repr(activation), " or ".join(map(repr, ACTIVATIONS)))
        wanted = ["linear", activation, *["batch_norm"] * batch_norm, *["dropout"] * (dropout > 0)]
        self.sizes, self.activation, self.dropout = tuple(sizes), activation, dropout
        self.F = functions(F, *wanted)
        *hidden, last = itertools.pairwise(sizes)
        layers = [nn.Linear(*pair, bias=not batch_norm) for pair in hidden]  # batch norm has a bias
        self.layers = nn.ModuleList([*layers, nn.Linear(*last)])
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in sizes[1:-1]) if batch_norm else None
        for layer in self.layers:
            if activation in ("tanh", "sigmoid"):
                nn.init.xavier_normal_(layer.weight)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.stages(x)["logits"]

    def stages(self, x):
        """Every activation on the way, by name: layer1, layer2, …, logits."""
        self._check(x)
        F, stages, x = self.F, {}, x.flatten(1)  # (N, D)
        *hidden, last = self.layers
        for n, layer in enumerate(hidden):
            x = F.linear(x, layer.weight, layer.bias)  # (N, hidden)
            if self.norms is not None:
                x = batch_norm(F, self.norms[n], x)
            x = stages[f"layer{n + 1}"] = getattr(F, self.activation)(x)
            if self.dropout > 0:
                x = F.dropout(x, self.dropout, self.training)
        stages["logits"] = F.linear(x, last.weight, last.bias)  # (N, K)
        return stages

    def _check(self, x):
        inputs, shape = self.sizes[0], tuple(x.shape)
        wanted = f"x must be floats (N, {inputs}), or (N, …) with {inputs} numbers in each example"
        if x.ndim < 2 or math.prod(shape[1:]) != inputs:
            advice = ": one example becomes a batch with x[None]" if x.numel() == inputs else ""
            advice = advice or (f": build the network with sizes=({math.prod(shape[1:])}, …)" if x.ndim > 1 else "")
            raise ValueError(f"{wanted}; got {x.dtype} {shape}{advice}")
        if not x.is_floating_point():
            raise TypeError(f"{wanted}; got {x.dtype} {shape}: call .float(), or mmlearn.data.to_float for images")
        if len(x) == 0:
            raise ValueError(f"{wanted}; got an empty batch {shape}")
