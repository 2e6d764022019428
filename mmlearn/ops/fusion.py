"""Where modalities meet: a weighted mean with weights that may depend on the input, a product, a scale and a shift.

M modalities come as one tensor (M, N, D). What is absent counts for nothing, whatever stands there, NaN included.
"""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import require, shape
from mmlearn.ops.by_hand import differentiated_by


class GatedMeanGradients(NamedTuple):
    """Gradients of ``gated_mean``."""

    features: torch.Tensor
    scores: torch.Tensor


class FilmGradients(NamedTuple):
    """Gradients of ``film``."""

    features: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor


def _gates(scores, present):
    return torch.softmax(scores.masked_fill(~present[..., None], -torch.inf), 0)  # (M, N, D)


def gated_mean_backward(grad_output, features, scores, present):
    """∂L/∂h_m = g ⊙ z_m and ∂L/∂s_m = g ⊙ z_m ⊙ (h_m − h) — Eq. 15.8: a gate learns how far its modality is from the mean.

    grad_output: g (N, D); the rest as in ``gated_mean``   returns: GatedMeanGradients; zeros where absent
    """
    gates = _gates(scores, present)
    features = features.where(present[..., None], 0)
    apart = features - (gates * features).sum(0)
    return GatedMeanGradients(grad_output * gates, grad_output * gates * apart)


@differentiated_by(gated_mean_backward)
def _gated_mean(features, scores, present):
    return (_gates(scores, present) * features.where(present[..., None], 0)).sum(0)


def gated_mean(features, scores, present=None):
    """h = Σ_m z_m ⊙ h_m with z = softmax over the modalities of the scores s_m.

    Scores that are all alike give the mean; scores without an example's or a feature's own value, a weighted mean; two
    modalities with scores (s, 0), the gated unit z ⊙ h_1 + (1 − z) ⊙ h_2 with z = σ(s) (Arevalo et al. 2017).
    features: (M, N, D)   scores: broadcastable to (M, N, D)   present: (M, N) bool; None: all are
    returns: (N, D); the weights of an example add up to 1 over what is present

    >>> two = torch.tensor([[[1.0, 1.0]], [[3.0, 3.0]]])  # (M, N, D) = (2, 1, 2)
    >>> gated_mean(two, torch.tensor([[[0.0, 20.0]], [[0.0, 0.0]]]))
    tensor([[2., 1.]])
    """
    present = _check(features, present)
    return _gated_mean(features, scores.expand_as(features), present)


def hadamard_product_backward(grad_output, features, present):
    """∂L/∂h_m = g ⊙ ∏_{k≠m} h_k — Eq. 15.6: each factor's gradient is scaled by the other factors, which need not be small or 0.

    grad_output: g (N, D); the rest as in ``hadamard_product``   returns: (M, N, D); zeros where absent
    The product of the others is formed from those before and those behind, not by division: a factor may be 0.
    """
    factors = features.where(present[..., None], 1)
    ones = torch.ones_like(factors[:1])
    before = torch.cat([ones, factors[:-1]]).cumprod(0)
    behind = torch.cat([ones, factors[1:].flip(0)]).cumprod(0).flip(0)
    return (grad_output * before * behind).where(present[..., None], 0)


@differentiated_by(hadamard_product_backward)
def _hadamard_product(features, present):
    return features.where(present[..., None], 1).prod(0)


def hadamard_product(features, present=None):
    """h = ∏_m h_m, element by element; an absent factor is 1.   features: (M, N, D)   present: (M, N) bool   returns: (N, D)

    >>> hadamard_product(torch.tensor([[[1.0, 2.0]], [[3.0, -4.0]]]))
    tensor([[ 3., -8.]])
    """
    return _hadamard_product(features, _check(features, present))


def film_backward(grad_output, features, scale, shift):
    """∂L/∂x = g ⊙ γ, ∂L/∂γ = g ⊙ x, ∂L/∂β = g — Eq. 15.10.   grad_output: g (N, D)   returns: FilmGradients"""
    return FilmGradients(grad_output * scale, grad_output * features, grad_output)


@differentiated_by(film_backward)
def film(features, scale, shift):
    """γ ⊙ x + β: one modality's features, scaled and shifted by what another says (Perez et al. 2018).   all (N, D)

    >>> film(torch.tensor([[1.0, 2.0]]), scale=torch.tensor([[2.0, 0.0]]), shift=torch.tensor([[0.0, 1.0]]))
    tensor([[2., 1.]])
    """
    return scale * features + shift


def _check(features, present):
    require(features.ndim == 3, "features", shape(features), "(M, N, D): a modality each")
    if present is None:
        return features.new_ones(features.shape[:2], dtype=torch.bool)
    fits = present.dtype == torch.bool and present.shape == features.shape[:2]
    require(fits, "present", f"{present.dtype} of {shape(present)}", f"bool {tuple(features.shape[:2])}")
    return present
