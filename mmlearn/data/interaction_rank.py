"""Which rank an interaction has, and how far each rank gets: computed from the table P[a, b, y], before anything is trained."""

import math

import torch

from mmlearn.data.ceilings import ceiling_of
from mmlearn.data.information import check_table

_SMALL = 1e-9  # singular values below this share of the largest count as 0
RIDGE = 1e-5


def log_odds(table):
    """log P(y=1 | a, b) − log P(y=0 | a, b) of a label with two values: (A, B) float64.

    Raises ValueError where there are other than two labels, or a probability is 0: then the log-odds are infinite.
    """
    table = check_table(table)
    if table.shape[2] != 2:
        raise ValueError(f"log-odds are of two labels; the table has {table.shape[2]}: pick two of them, or use rank_ceilings")
    if (table == 0).any():
        raise ValueError("a probability of the table is 0, so that its log-odds are infinite: add noise, or use rank_ceilings")
    return table[..., 1].log() - table[..., 0].log()


def interaction_of(logits):
    """z(a,b) − z̄(a,·) − z̄(·,b) + z̄: what no sum f(a) + g(b) can hold.   (A, B) → (A, B)"""
    return logits - logits.mean(1, keepdim=True) - logits.mean(0, keepdim=True) + logits.mean()


def interaction_rank(logits):
    """ρ = rank(z − row means − column means + mean), with ρ ≤ min_c rank(z − c) ≤ ρ + 2 — Eq. 16.6. Returns (ρ, the minimum).

    The minimum is the rank that a low-rank fusion with a bias needs for these logits, if a and b come as one feature a symbol.
    logits: (A, B)   returns: two ints

    rank(z − c·11ᵀ) is lower by 1 than rank(z), for one c, if 1 is a combination of z's columns and one of its rows and
    1ᵀz⁺1 ≠ 0 (z⁺ the pseudo-inverse), by the formula for determinants of updates of rank 1; no c does better.

    >>> interaction_rank(2 * torch.eye(4) - 1)  # matching: four symbols are equal or not
    (3, 3)
    >>> interaction_rank(torch.tensor([[0.0, 1.0], [2.0, 3.0]]))  # a sum: no interaction
    (0, 2)
    """
    z = torch.as_tensor(logits, dtype=torch.float64)
    if z.ndim != 2 or not z.isfinite().all():
        raise ValueError(f"logits must be finite numbers (A, B); got shape {tuple(z.shape)}")
    scale = float(z.abs().max()) or 1.0
    rows, columns = torch.ones(len(z), dtype=z.dtype), torch.ones(z.shape[1], dtype=z.dtype)
    inverse = torch.linalg.pinv(z / scale, rtol=_SMALL)  # (B, A)
    reached = _near(z / scale @ (inverse @ rows), rows) and _near(z.T / scale @ (inverse.T @ columns), columns)
    drops = reached and abs(float(columns @ inverse @ rows)) > 1e-6
    return _rank(interaction_of(z), scale), _rank(z, scale) - int(drops)


def rank_ceilings(table, ranks, *, starts=12, seed=0, ridge=RIDGE):
    """min over u, v, c of −Σ P(a,b,y) log softmax_y(c_y + Σ_{s≤r} u_{y,s}(a)·v_{y,s}(b)) — Eq. 16.7. Returns {r: Ceiling}.

    What low-rank fusion of rank r can reach, with a bias and any features of a and of b. With two labels there is one logit, of
    yes against no; with more, one for each. Rank 0 is the bias alone.
    table: (A, B, Y)   ranks: whole numbers ≥ 0
    ridge: half of it times the sum of squares of u, v and c is added, so that there is a best one even where certainty asks for
    infinite logits. There another ridge can have another best one, with other accuracy.
    The minimum is searched for by L-BFGS from several random starts, so that a ceiling may be a little too low, never too high
    in bits. Accuracy is that of the model with the least cross-entropy; labels that tie share a prediction.
    """
    table = check_table(table)
    if not (math.isfinite(ridge) and ridge > 0):
        raise ValueError(f"ridge must be a number above 0; got {ridge!r}")
    found = {}
    for rank in ranks:
        if isinstance(rank, bool) or not isinstance(rank, int) or rank < 0:
            raise ValueError(f"ranks must be whole numbers ≥ 0; got {rank!r}")
        believed = _best_logits(table, rank, starts, seed, ridge).log_softmax(2)  # (A, B, Y)
        found[rank] = ceiling_of(table, believed.exp(), believed)
    return found


def _rank(matrix, scale):
    return int((torch.linalg.svdvals(matrix) > _SMALL * scale * max(matrix.shape)).sum())


def _near(vector, target):
    return bool((vector - target).abs().max() < 1e-6)


def _best_logits(table, rank, starts, seed, ridge):
    """The logits (A, B, Y) of the given rank with the least cross-entropy that was found."""
    import numpy as np  # scipy is slow to import
    from scipy.optimize import minimize

    A, B, Y = table.shape
    P = np.ascontiguousarray(table.permute(2, 0, 1).numpy())  # (Y, A, B)
    K = 1 if Y == 2 else Y  # with two labels, one logit against 0
    P, pairs, split = P[-K:], P.sum(0), K * rank * A

    def unpacked(x):
        u, v = x[:split].reshape(K, A, rank), x[split:-K].reshape(K, rank, B)
        return u, v, u @ v + x[-K:, None, None]  # (K, A, B)

    def cost(x):
        u, v, z = unpacked(x)
        top = np.maximum(z.max(0), 0) if K == 1 else z.max(0)  # (A, B)
        exponentials = np.exp(z - top)
        sums = exponentials.sum(0) + (np.exp(-top) if K == 1 else 0)
        loss = (pairs * (top + np.log(sums))).sum() - (P * z).sum()
        slope = pairs * exponentials / sums - P  # (K, A, B)
        to_u, to_v = slope @ v.transpose(0, 2, 1), u.transpose(0, 2, 1) @ slope
        gradient = np.concatenate([to_u.ravel(), to_v.ravel(), slope.sum((1, 2))])
        return loss + ridge * (x @ x) / 2, gradient + ridge * x

    draws, best = np.random.default_rng(seed), None
    for _ in range(starts if rank else 1):
        start = draws.normal(size=K * rank * (A + B) + K)
        tried = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-9})
        best = tried if best is None or tried.fun < best.fun else best
    z = torch.from_numpy(unpacked(best.x)[2]).permute(1, 2, 0)  # (A, B, K)
    return torch.cat([torch.zeros_like(z), z], 2) if K == 1 else z
