"""Late fusion: each modality has its own classifier, and their answers are combined. ``out_dim`` is the number of classes."""

import math

import torch

from mmlearn.models.fusion.simple import Projected, stacked
from mmlearn.ops.arguments import require
from mmlearn.ops.fusion import gated_mean

AVERAGES = ("logits", "probabilities")


class Late(Projected):
    """The mean of the answers of one linear classifier for each modality.   Σ d_m·out_dim + M·out_dim parameters

    average: "logits", which is Mean by its other name; or "probabilities", a vote: the result is the logarithm of the mean
        probability, which ``cross_entropy`` takes as logits. One sure expert is then not overruled by an unsure one.
    Without a modality: the mean of the others' answers.
    """

    def __init__(self, dims, out_dim, average="logits"):
        super().__init__(dims, out_dim)
        require(average in AVERAGES, "average", repr(average), f"one of {', '.join(map(repr, AVERAGES))}")
        self.average = average

    def fuse(self, features, present):
        """(1/|P|) Σ_{m∈P} z_m of the logits, or log (1/|P|) Σ_{m∈P} softmax(z_m) of the probabilities — Eq. 15.11."""
        answers, present = self.projections(features), stacked(present)
        if self.average == "logits":
            return gated_mean(answers, answers.new_zeros(()), present)
        said = answers.log_softmax(2).masked_fill(~present[..., None], -math.inf)
        return said.logsumexp(0) - present.sum(0, dtype=said.dtype).log()[:, None]

    def answers(self, inputs, present=None):
        """What each classifier says on its own: modality → logits (N, out_dim); meaningless where the modality is absent."""
        features, _, _ = self.prepare(inputs, present)
        return dict(zip(self.names, self.projections(features), strict=True))


class ProductOfExperts(Projected):
    """Each modality's classifier gives probabilities; they are multiplied, and the prior is counted once (Hinton 2002).

    Where the modalities are independent of each other given the class, that is Bayes' rule: p(y|x_1 … x_M) is in proportion to
    p(y)^(1−M) ∏_m p(y|x_m).
    Result: normalised log-probabilities, which ``cross_entropy`` takes as logits. The prior is learned, uniform at first.
    Without a modality: the product of the others, and the prior so many times fewer; one expert alone is heard as it is.
    Σ d_m·out_dim + M·out_dim parameters, and out_dim for the prior.
    """

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.prior = torch.nn.Parameter(torch.zeros(out_dim))

    def fuse(self, features, present):
        """log p = Σ_{m∈P} log p_m − (|P| − 1) log p_0 − log Z, p_m = softmax(z_m) — Eq. 15.12 (Hinton 2002)."""
        present = stacked(present)  # (M, N)
        experts = self.projections(features).log_softmax(2).where(present[..., None], 0)  # (M, N, out_dim)
        spare = present.sum(0, dtype=experts.dtype)[:, None] - 1  # (N, 1): how often the prior was counted too many times
        return (experts.sum(0) - spare * self.prior.log_softmax(0)).log_softmax(1)
