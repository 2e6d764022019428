"""LoRA: train a low-rank change of frozen weights (Hu et al. 2022).

>>> model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))
>>> adapted = add_lora(model, targets=("0",), rank=2)
>>> sorted(name for name, parameter in model.named_parameters() if parameter.requires_grad)
['0.lora_a', '0.lora_b']
>>> count_trainable(model), fold_lora(model)
(256, ['0'])
"""

import math
from difflib import get_close_matches

import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.ops.arguments import check_whole, require


def lora_weight(weight, a, b, alpha):
    """W + (α/r)·BA: a frozen weight and its low-rank change — Eq. 13.7 (Hu et al. 2022).

    weight: (out, in)   a: (r, in)   b: (out, r)   alpha: a number; α/r keeps the size of the change when r is changed

    >>> lora_weight(torch.eye(2), torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0], [3.0]]), alpha=1)
    tensor([[1., 0.],
            [3., 7.]])
    """
    return weight + alpha / len(a) * (b @ a)  # (out, in)


def lora_gradients(grad_weight, a, b, alpha):
    """∂L/∂A = (α/r)·Bᵀ G and ∂L/∂B = (α/r)·G Aᵀ, where G = ∂L/∂W — Eq. 13.8 (from Eq. 13.7 by the product rule).

    grad_weight: G (out, in)   a: (r, in)   b: (out, r)   returns: (∂L/∂A (r, in), ∂L/∂B (out, r))
    """
    scale = alpha / len(a)
    return scale * b.mT @ grad_weight, scale * grad_weight @ a.mT


class LoRALinear(nn.Module):
    """A linear layer with a low-rank change beside it: x (…, in) → Wx + bias + (α/r)·B(Ax), (…, out).

    base      the nn.Linear; its parameters are frozen
    rank      r ≤ min(in, out)   alpha: α, by default r, so that the scale α/r is 1
    dropout   of x on its way into A, while training

    A starts as nn.Linear's weights do, B at zero: at first the layer computes what ``base`` computes, and B has a gradient
    because A is not zero. With both at zero nothing would ever move. ``merge`` adds the change to the weight, ``unmerge``
    takes it away.
    """

    def __init__(self, base, rank, alpha=None, dropout=0.0):
        super().__init__()
        _check(base, rank, alpha, dropout)
        alpha = float(rank if alpha is None else alpha)
        self.base = base.requires_grad_(False)
        self.rank, self.alpha, self.dropout, self.merged = rank, alpha, dropout, False
        self.lora_a = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.lora_b = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x):
        y = self.base(x)  # (…, out)
        if self.merged:
            return y
        x = F.dropout(x, self.dropout, self.training)
        return y + self.alpha / self.rank * F.linear(F.linear(x, self.lora_a), self.lora_b)

    def merge(self):
        """Add the change to the weight: one matrix product as before LoRA. Merged, A and B take no part and cannot be trained."""
        if not self.merged:
            self._set_weight(lora_weight(self.base.weight, self.lora_a, self.lora_b, self.alpha))
            self.merged = True
        return self

    def unmerge(self):
        """Take the change out again; equal to before up to rounding."""
        if self.merged:
            self._set_weight(lora_weight(self.base.weight, self.lora_a, self.lora_b, -self.alpha))
            self.merged = False
        return self

    @torch.no_grad()
    def _set_weight(self, weight):
        self.base.weight.copy_(weight)

    def get_extra_state(self):
        """Kept in the state dict: whether the weight in it has the change in it already."""
        return {"merged": torch.tensor(self.merged)}

    def set_extra_state(self, state):
        self.merged = bool(state["merged"])

    def extra_repr(self):
        return f"rank={self.rank}, alpha={self.alpha:g}{', merged' * self.merged}"


def add_lora(model, targets, rank, alpha=None, dropout=0.0):
    """Freeze the whole model and put a LoRALinear around every nn.Linear whose name ends in one of ``targets``.

    targets: ends of module names, whole words between dots: "query" finds encoder.layer.0.attention.query
    returns: the names of the layers that were wrapped, in the model's order. Parameters that shall be trained beside LoRA, such
    as a new head, are unfrozen after the call: ``model.head.requires_grad_(True)``.
    Raises ValueError, and changes nothing, where a target finds no linear layer or finds one that has LoRA already.
    """
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    wrapped = {name.rpartition(".")[0] for name in linear if name.endswith(".base")} & set(_layers(model))
    linear = {name: module for name, module in linear.items() if name.rpartition(".")[0] not in wrapped}
    for target in targets:
        if any(_ends(name, target) for name in wrapped):
            raise ValueError(f"the layers {target!r} have LoRA already: call fold_lora(model) or remove_lora(model) first")
        if not any(_ends(name, target) for name in linear):
            ends = sorted({name.rpartition(".")[2] for name in linear})
            near = get_close_matches(str(target), ends, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"no linear layer's name ends in {target!r}: {hint}The linear layers end in {', '.join(ends) or 'nothing'}"
            )
    chosen = [name for name in linear if any(_ends(name, target) for target in targets)]
    for name in chosen:
        _check(linear[name], rank, alpha, dropout)
    model.requires_grad_(False)
    for name in chosen:
        _put(model, name, LoRALinear(linear[name], rank, alpha, dropout))
    return chosen


def merge_lora(model):
    """Merge every LoRA layer of the model (``LoRALinear.merge``); returns their names."""
    return _each(model, LoRALinear.merge)


def unmerge_lora(model):
    """Take every merged change out again; returns the layers' names."""
    return _each(model, LoRALinear.unmerge)


def fold_lora(model):
    """Merge, then put plain linear layers back: the old structure with the new weights. Returns the layers' names."""
    return _replace(model, LoRALinear.merge)


def remove_lora(model):
    """Throw the changes away: the model is the one that ``add_lora`` was given, up to rounding if it was merged meanwhile."""
    return _replace(model, LoRALinear.unmerge)


def lora_state(model):
    """{name: tensor} of all A and B: what is stored for one task. ``model.load_state_dict(state, strict=False)`` reads it."""
    return {
        f"{name}.lora_{part}": getattr(layer, f"lora_{part}").detach().clone()
        for name, layer in _layers(model).items()
        for part in "ab"
    }


def count_trainable(model):
    """Numbers that an optimiser changes: those of parameters with requires_grad."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _check(base, rank, alpha, dropout):
    if not isinstance(base, nn.Linear):
        raise TypeError(f"base must be an nn.Linear; got {type(base).__name__}")
    check_whole(rank, "rank")
    most = min(base.weight.shape)
    require(rank <= most, "rank", rank, f"at most {most}, the smaller side of the weight {tuple(base.weight.shape)}")
    fits = alpha is None or (math.isfinite(alpha) and alpha != 0)
    require(fits, "alpha", alpha, "a finite number other than 0: the change is multiplied by α/r")
    require(0 <= dropout < 1, "dropout", dropout, "a share in [0, 1)")


def _layers(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}


def _each(model, action):
    for layer in _layers(model).values():
        action(layer)
    return list(_layers(model))


def _replace(model, action):
    found = _layers(model)
    if "" in found:
        raise ValueError("the model is itself one LoRA layer: take its .base after .merge() or .unmerge()")
    for name, layer in found.items():
        _put(model, name, action(layer).base)
    return list(found)


def _put(model, name, layer):
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)


def _ends(name, target):
    return name == target or name.endswith(f".{target}")
