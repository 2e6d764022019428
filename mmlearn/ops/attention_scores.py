"""Why attention divides by √d: how large a score is, and what large scores do to the softmax that reads them."""

import math
from numbers import Real

import torch

from mmlearn.ops.arguments import check_floating, check_whole, require, shape

_STEPS, _REACH = 40_001, 12.0  # of the integral for the largest of several normal numbers


def score_variance(features, query_variance=1.0, key_variance=1.0):
    """Var(q·k) = d · σ_q² · σ_k²: the scores of d independent features of mean 0 — Eq. 10.2 (Vaswani et al. 2017).

    features: d ≥ 1   query_variance, key_variance: of each feature, at least 0   returns: a float

    >>> score_variance(64)
    64.0
    """
    check_whole(features, "features")
    for name, value in {"query_variance": query_variance, "key_variance": key_variance}.items():
        require(isinstance(value, Real) and value >= 0, name, repr(value), "a number ≥ 0")
    return float(features * query_variance * key_variance)


def softmax_jacobian(probability):
    """∂p_i/∂s_j = p_i·(δ_ij − p_j), that is diag(p) − p pᵀ, of p = softmax(s) — Eq. 10.3.

    probability: (…, S), each row adding up to 1   returns: (…, S, S)
    ``softmax_backward`` applies this matrix without building it (Eq. 2.12).

    >>> softmax_jacobian(torch.tensor([0.5, 0.5]))
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    check_floating(probability, "probability", range(1, 9), "(…, S)")
    require(probability.shape[-1] >= 1, "probability", shape(probability), "(…, S) with at least one number")
    return torch.diag_embed(probability) - probability[..., :, None] * probability[..., None, :]


def softmax_gain_bound(keys, deviation):
    """E[Σ_i ∂p_i/∂s_i] = E[Σ_i p_i s_i]/σ² ≤ m_S/σ for S independent normal scores, m_S the mean of the largest of S — Eq. 10.4.

    keys: S ≥ 1   deviation: σ > 0, of each score   returns: m_S/σ, a float; m_S is at most √(2 ln S)
    The bound is tight for large σ, where the softmax takes the largest score alone.

    >>> round(softmax_gain_bound(2, 1.0), 6) == round(1 / math.pi**0.5, 6)
    True
    """
    check_whole(keys, "keys")
    require(isinstance(deviation, Real) and deviation > 0, "deviation", repr(deviation), "a number > 0")
    z = torch.linspace(-_REACH, _REACH, _STEPS, dtype=torch.float64)
    below = torch.special.ndtr(z)  # the probability that one score is smaller
    density = keys * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * below ** (keys - 1)  # of the largest
    return torch.trapezoid(z * density, z).item() / deviation
