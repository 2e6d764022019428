"""What several tasks share: a trunk (hard), a mixture of each other's features (cross-stitch), or a pool of experts (MMoE).

Each takes the inputs once and returns a dict, task → output, as ``mmlearn.training.multitask.TaskLosses`` wants it.
"""

import torch
from torch import nn

from mmlearn.ops.arguments import check_whole, require, shape


def cross_stitch(features, alpha):
    """x̃ₖ = Σⱼ αₖⱼ xⱼ, each task's features from those of all, at every place alike — Eq. 20.2 (Misra et al. 2016).

    features: (K, N, …)   alpha: (K, K)   returns: (K, N, …)
    """
    return torch.einsum("kj,jn...->kn...", alpha, features)


class HardSharing(nn.Module):
    """One trunk, a head for each task: everything but the last layers is shared.

    trunk: inputs → features   heads: task → module that takes the features
    forward(*inputs) → {task: output}

    >>> model = HardSharing(nn.Linear(4, 8), {"shape": nn.Linear(8, 5), "colour": nn.Linear(8, 3)})
    >>> {task: tuple(output.shape) for task, output in model(torch.zeros(2, 4)).items()}
    {'shape': (2, 5), 'colour': (2, 3)}
    """

    def __init__(self, trunk, heads):
        super().__init__()
        self.trunk, self.heads = trunk, _heads(heads)

    def forward(self, *inputs):
        features = self.trunk(*inputs)
        return {task: head(features) for task, head in self.heads.items()}


class CrossStitch(nn.Module):
    """A column of layers for each task; after each layer the columns mix by a learned matrix (K, K).

    columns: task → its layers, as many for each, the n-th of all with outputs of one shape   heads: task → module
    own: how much of its own features a task takes at first; the others share the rest (Misra et al. start at 0.9 or so)
    forward(x) → {task: output}. ``alphas`` holds the matrices, one after each layer; rows are the tasks that receive.
    """

    def __init__(self, columns, heads, own=0.9):
        super().__init__()
        self.heads = _heads(heads)
        lengths = {task: len(layers) for task, layers in columns.items()}
        require(set(columns) == set(heads), "columns", ", ".join(columns), f"the tasks of the heads: {', '.join(heads)}")
        require(len(set(lengths.values())) == 1, "columns", lengths, "as many layers for each task")
        require(0 <= own <= 1, "own", own, "a share from 0 to 1")
        self.columns = nn.ModuleDict({task: nn.ModuleList(columns[task]) for task in heads})
        K = len(heads)
        rest = (1 - own) / max(K - 1, 1)
        start = torch.full((K, K), rest) + (own - rest) * torch.eye(K) if K > 1 else torch.ones(1, 1)
        self.alphas = nn.ParameterList([start.clone() for _ in range(next(iter(lengths.values())))])

    def forward(self, x):
        features = [x] * len(self.heads)
        for layers, alpha in zip(zip(*self.columns.values(), strict=True), self.alphas, strict=True):
            made = [layer(value) for layer, value in zip(layers, features, strict=True)]
            shapes = {tuple(value.shape) for value in made}
            require(len(shapes) == 1, "columns", f"layers with outputs of shapes {sorted(shapes)}", "one shape, to be mixed")
            features = cross_stitch(torch.stack(made), alpha).unbind(0)
        return {task: head(value) for (task, head), value in zip(self.heads.items(), features, strict=True)}


class MMoE(nn.Module):
    """Multi-gate mixture of experts: all tasks use the same experts, each in its own proportions, example by example.

    features: D of the inputs that the gates see   experts: modules (N, D) → (N, H)   heads: task → module that takes (N, H)
    forward(x) → {task: output}
    """

    def __init__(self, features, experts, heads):
        super().__init__()
        check_whole(features, "features")
        require(len(experts) > 0, "experts", "none", "at least one module")
        self.features, self.experts, self.heads = features, nn.ModuleList(experts), _heads(heads)
        self.gates = nn.ModuleDict({task: nn.Linear(features, len(experts)) for task in heads})

    def forward(self, x):
        require(x.ndim == 2 and x.shape[1] == self.features, "x", shape(x), f"(N, {self.features})")
        made = torch.stack([expert(x) for expert in self.experts], dim=1)  # (N, E, H)
        return {task: head(self.mixture(task, x, made)) for task, head in self.heads.items()}

    def mixture(self, task, x, made):
        """Σₑ softmax(Wₖx)ₑ fₑ(x), the experts in the proportions of one task's gate — Eq. 20.3 (Ma et al. 2018).

        x: (N, D)   made: (N, E, H), what the experts make of x   returns: (N, H)
        """
        return torch.einsum("ne,neh->nh", self.gates[task](x).softmax(1), made)


def _heads(heads):
    require(
        isinstance(heads, dict) and heads, "heads", repr(type(heads).__name__), "a dict, task → module, with one task at least"
    )
    return nn.ModuleDict(heads)
