"""Modality dropout as a layer, and as a coat around a model: in training it takes modalities away, in evaluation it does nothing.

model = WithModalityDropout(MultimodalModel(encoders, fusion), p=0.3)
fit(model, train, epochs=10)
"""

import torch
from torch import nn

from mmlearn.data.missing import kept_at_random
from mmlearn.ops.arguments import require


class ModalityDropout(nn.Module):
    """Take modalities away at random, in training only (Neverova et al. 2016).   present → present, fewer of them True

    p         the probability with which each modality of each example goes, or modality → probability
    keep_one  an example that would lose all it has keeps one of them, drawn evenly (see ``mmlearn.data.missing.kept_at_random``)

    ``present`` is (N, M) bool, or a dict, modality → (N,) bool, in and out alike; give the result to a fusion, which puts zeros
    in place of what is absent. The noise comes from torch's random state, which ``mmlearn.training.fit`` seeds for every epoch.
    With a dict for p, modalities that it does not name stay; (N, M) then needs the dict's modalities in the order of the columns.

    >>> drop = ModalityDropout(1.0)
    >>> drop(torch.ones(3, 2, dtype=torch.bool)).sum(1)
    tensor([1, 1, 1])
    >>> drop.eval()(torch.ones(1, 2, dtype=torch.bool))
    tensor([[True, True]])
    """

    def __init__(self, p, keep_one=True):
        super().__init__()
        for name, chance in p.items() if isinstance(p, dict) else [("p", p)]:
            good = isinstance(chance, (int, float)) and not isinstance(chance, bool) and 0 <= chance <= 1
            require(good, name if name == "p" else f"p[{name!r}]", repr(chance), "a probability in [0, 1]")
        self.p, self.keep_one = p, keep_one

    def forward(self, present):
        if not self.training:
            return present
        if isinstance(present, dict):
            return self._by_name(present)
        fits = isinstance(present, torch.Tensor) and present.dtype == torch.bool and present.ndim == 2
        got = f"{present.dtype} of shape {tuple(present.shape)}" if isinstance(present, torch.Tensor) else type(present).__name__
        require(fits, "present", got, "bool (N, M), or a dict, modality → (N,) bool")
        p = torch.tensor(list(self.p.values())) if isinstance(self.p, dict) else self.p
        if isinstance(self.p, dict):
            require(len(p) == present.shape[1], "present", f"{present.shape[1]} columns", f"one for each of {', '.join(self.p)}")
        return kept_at_random(present, p, keep_one=self.keep_one)

    def _by_name(self, present):
        unknown = [name for name in self.p if name not in present] if isinstance(self.p, dict) else []
        require(not unknown, "p", ", ".join(map(repr, unknown)), f"modalities out of {', '.join(map(repr, present))}")
        chances = [self.p.get(name, 0.0) if isinstance(self.p, dict) else self.p for name in present]
        stacked = torch.stack(list(present.values()), dim=1)  # (N, M)
        kept = kept_at_random(stacked, torch.tensor(chances), keep_one=self.keep_one)
        return dict(zip(present, kept.unbind(1), strict=True))

    def extra_repr(self):
        return f"p={self.p}, keep_one={self.keep_one}"


class WithModalityDropout(nn.Module):
    """A multimodal model that loses modalities in training: inputs → the model's answer.

    model  takes (*inputs, present=(N, M) bool), its modalities being ``model.fusion.names``, as a MultimodalModel does
    p      the probability with which each modality of each example goes, or modality → probability
    """

    def __init__(self, model, p):
        super().__init__()
        names = model.fusion.names
        unknown = [name for name in p if name not in names] if isinstance(p, dict) else []
        require(not unknown, "p", ", ".join(map(repr, unknown)), f"modalities out of {', '.join(map(repr, names))}")
        self.model, self.drop = model, ModalityDropout({name: p.get(name, 0.0) for name in names} if isinstance(p, dict) else p)

    def forward(self, *inputs, present=None):
        """inputs: tensors one after the other, not a dict   present: what the examples have, (N, M) bool; None: everything"""
        tensors = all(isinstance(tensor, torch.Tensor) for tensor in inputs) and inputs
        require(tensors, "inputs", "something else", "the tensors of all modalities, one after the other")
        if present is None:
            present = torch.ones(len(inputs[0]), len(self.model.fusion.names), dtype=torch.bool, device=inputs[0].device)
        return self.model(*inputs, present=self.drop(present))
