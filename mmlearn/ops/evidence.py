"""How probable is x, when the z behind it was never seen? The evidence, its lower bound, and the gap between them.

Here z takes K values, so that every sum can be done by hand; ``importance_weighted_bound`` is for draws of any z.
"""

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, require, shape


def log_evidence(log_joint):
    """log p(x) = log Σ_z p(z) p(x|z) — Eq. 12.1.

    log_joint: log p(x, z) for each of K values of z, (…, K)   returns: (…) in nats

    >>> log_evidence(torch.tensor([0.45, 0.10]).log()).exp()
    tensor(0.5500)
    """
    check_floating(log_joint, "log_joint", ANY_DIMS[1:], "(…, K)")
    return torch.logsumexp(log_joint, -1)


def evidence_lower_bound(log_joint, q):
    """ELBO = Σ_z q(z) [log p(x, z) − log q(z)] ≤ log p(x) — Eq. 12.2 (Jordan, Ghahramani, Jaakkola and Saul 1999).

    log_joint: log p(x, z), (…, K)   q: probabilities of the same shape, summing to 1 over the last axis   returns: (…) in nats
    A z with q(z) = 0 counts as 0. Raises ValueError where q is no distribution.

    >>> evidence_lower_bound(torch.tensor([0.45, 0.10]).log(), torch.tensor([9 / 11, 2 / 11])).exp()  # q is the posterior
    tensor(0.5500)
    """
    _check(log_joint, q)
    return (torch.special.entr(q) + _weighted(q, log_joint)).sum(-1)


def evidence_gap(log_joint, q):
    """log p(x) − ELBO = KL(q(z)‖p(z|x)) = Σ_z q(z) log [q(z) / p(z|x)] — Eq. 12.3.

    log_joint, q: as in ``evidence_lower_bound``   returns: (…) in nats, ≥ 0; it is 0 where q is the posterior

    >>> evidence_gap(torch.tensor([0.45, 0.10]).log(), torch.tensor([0.5, 0.5]))
    tensor(0.2596)
    """
    _check(log_joint, q)
    log_posterior = log_joint - log_evidence(log_joint)[..., None]  # (…, K)
    return -(torch.special.entr(q) + _weighted(q, log_posterior)).sum(-1)


def importance_weighted_bound(log_weights):
    """log [(1/K) Σ_k w_k], w_k = p(x, z_k) / q(z_k|x), with z_k drawn from q(z|x) — Eq. 12.13 (Burda et al. 2016).

    On average over the draws it is a lower bound of log p(x): the ELBO for K = 1, never looser for more draws, and log p(x) in
    the limit, if the weights are bounded. log_weights: log w_k of K draws, (…, K)   returns: (…) in nats; no power overflows

    >>> importance_weighted_bound(torch.tensor([0.0, 1000.0]))  # 1000 − log 2
    tensor(999.3068)
    """
    check_floating(log_weights, "log_weights", ANY_DIMS[1:], "(…, K)")
    draws = log_weights.shape[-1]
    require(draws > 0, "log_weights", shape(log_weights), "(…, K) with K ≥ 1: at least one draw of z")
    return torch.logsumexp(log_weights, -1) - torch.log(torch.tensor(float(draws), dtype=log_weights.dtype))


def _weighted(q, values):
    """q·values, 0 where q is 0 even if the value is −∞."""
    return (q * values).masked_fill(q == 0, 0)


def _check(log_joint, q):
    check_floating(log_joint, "log_joint", ANY_DIMS[1:], "(…, K)")
    check_floating(q, "q", ANY_DIMS[1:], f"probabilities of log_joint's shape {tuple(log_joint.shape)}")
    require(q.shape == log_joint.shape, "q", shape(q), f"{tuple(log_joint.shape)}, as log_joint has")
    total = q.sum(-1)
    good = bool((q >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-4)
    require(good, "q", f"numbers from {q.min():g} to {q.max():g}", "probabilities ≥ 0 that sum to 1 over the last axis")
