"""One more head on each encoder of a multimodal model, so that each encoder also has to pass alone."""

import torch.nn.functional as F
from torch import nn

from mmlearn.ops.arguments import require

JOINT = "joint"


class UnimodalHeads(nn.Module):
    """A multimodal model with a linear head of its own on each modality's features.   inputs → the joint logits (N, K)

    model    encoders and a fusion of (N, D) features, such as a MultimodalModel   classes: K

    ``forward`` answers as the model alone does. After it, ``logits`` holds what every head said, name → (N, K), "joint" among
    them, and ``present`` who has what, name → (N,) bool. A modality that is absent from the whole batch is in neither.
    ``blended(weights)`` is the loss to give to ``mmlearn.training.fit``. The heads may be thrown away after training.
    """

    def __init__(self, model, classes):
        super().__init__()
        dims = model.fusion.dims
        require(JOINT not in dims, "model", "a modality called 'joint'", "another name: this one is the joint head's")
        tokens = getattr(model.fusion, "takes_tokens", False)
        require(not tokens, "model", f"{type(model.fusion).__name__}, which takes tokens", "a fusion of vectors (N, D)")
        self.model = model
        self.heads = nn.ModuleDict({name: nn.Linear(features, classes) for name, features in dims.items()})
        self.logits, self.present = {}, {}

    @property
    def fusion(self):
        return self.model.fusion

    def forward(self, *inputs, present=None):
        seen = {}

        def look(fusion, args, kwargs):
            seen["features"], seen["present"] = args[0], kwargs.get("present")

        hook = self.model.fusion.register_forward_pre_hook(look, with_kwargs=True)
        try:
            joint = self.model(*inputs, present=present)
        finally:
            hook.remove()
        self.logits = {name: self.heads[name](features) for name, features in seen["features"].items()} | {JOINT: joint}
        self.present = {name: seen["present"][name] for name in seen["features"]}
        return joint

    def blended(self, weights=None, base=F.cross_entropy):
        """loss(outputs, target) = Σ_k w_k base(logits_k, target), over the heads and the joint one.

        weights: head → w; None for equal ones that add up to 1. A head is asked about the examples that have its modality, and
        not at all where none has. Raises ValueError for weights of other heads.
        """
        names = [*self.heads, JOINT]
        weights = dict.fromkeys(names, 1 / len(names)) if weights is None else dict(weights)
        require(set(weights) == set(names), "weights", ", ".join(map(repr, weights)), f"one for each of {', '.join(names)}")

        def loss(outputs, target):
            total = weights[JOINT] * base(outputs, target)
            for name, present in self.present.items():
                if present.any():
                    total = total + weights[name] * base(self.logits[name][present], target[present])
            return total

        return loss
