"""From one gradient for each task to one direction: functions of the (K, P) matrix of task gradients that return (P,).

Conventions, as in the papers: ``pcgrad`` adds the K projected gradients (without conflict it is their sum), ``mgda`` is a convex
combination, ``cagrad`` stays near the mean. So the same learning rate means a step K times longer with ``pcgrad``.

A task whose gradient is zero takes no part in ``pcgrad``; for ``mgda`` it means that nothing is left to gain, and the result is
zero. So leave its row out when the task is only absent from the batch, as ``TaskGradients`` does.
"""

import torch

from mmlearn.ops.arguments import check_floating, require, shape

_STATIONARY = 1e-7  # a combination this short beside the longest gradient is zero: float32 knows no more


def cosines(gradients):
    """cos(gᵢ, gⱼ) = gᵢ·gⱼ / (‖gᵢ‖‖gⱼ‖), negative where two tasks conflict — Eq. 20.8 (Yu et al. 2020).

    gradients: (K, P)   returns: (K, K); a gradient of zeros has the cosine 0 to all others and to itself
    """
    _check(gradients)
    unit = gradients / gradients.norm(dim=1, keepdim=True).clamp(min=torch.finfo(gradients.dtype).tiny)
    return unit @ unit.mT


def pcgrad(gradients, order=None):
    """Σᵢ gᵢ, each gᵢ freed in turn of what in it opposes a gⱼ: g ← g − (g·gⱼ/‖gⱼ‖²) gⱼ if g·gⱼ < 0 — Eq. 20.9 (Yu et al. 2020).

    gradients: (K, P)   returns: (P,)
    order: (K, K) or K rows, row i the order in which gᵢ meets the tasks (i itself is skipped); by default drawn anew for each i
    from torch's random state, as the paper does. With two tasks there is nothing to draw. Each meets the *given* gⱼ, not what
    became of it. Then, with two tasks, the result opposes neither; with more, it may.

    >>> pcgrad(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
    tensor([0.5848, 3.8012, 3.8012])
    """
    _check(gradients)
    K = len(gradients)
    total = torch.zeros_like(gradients[0])
    for i in range(K):
        g = gradients[i]
        met = torch.randperm(K).tolist() if order is None else [int(j) for j in order[i]]
        require(sorted({*met, i}) == [*range(K)], f"order[{i}]", met, f"the tasks 0 … {K - 1}, each once")
        for j in met:
            product = g @ gradients[j]
            if j != i and product < 0:
                g = g - product / (gradients[j] @ gradients[j]) * gradients[j]
        total = total + g
    return total


def min_norm_weight(first, second):
    """γ* = clip((g₂ − g₁)·g₂ / ‖g₁ − g₂‖², 0, 1), so that γ*g₁ + (1 − γ*)g₂ is shortest — Eq. 20.10 (Sener & Koltun 2018).

    first, second: (P,)   returns: a 0-d tensor; ½ where both are the same
    """
    apart = first - second  # (P,)
    length = apart @ apart
    if length == 0:
        return torch.full_like(length, 0.5)
    return (-(apart @ second) / length).clamp(0, 1)


def mgda(gradients):
    """Σ wₖgₖ of the smallest norm, over all w ≥ 0 with Σ wₖ = 1 — Eq. 20.11 (Désidéri 2012).

    gradients: (K, P)   returns: (P,); no task's loss grows along it, to first order: gₖ·d ≥ ‖d‖² for each k
    Two tasks by ``min_norm_weight``; more by an exact method, non-negative least squares (Lawson & Hanson 1974).

    >>> mgda(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
    tensor([0., 1., 1.])
    """
    _check(gradients)
    if len(gradients) == 2:
        weight = min_norm_weight(*gradients.double())
        weights = torch.stack([weight, 1 - weight])
    else:
        weights = _shortest(gramian(gradients))
    return weights.to(gradients) @ gradients


def cagrad(gradients, c=0.5):
    """g₀ + c‖g₀‖ g_w/‖g_w‖, g₀ the mean, w the weights that minimise g_w·g₀ + c‖g₀‖‖g_w‖ — Eq. 20.12 (Liu et al. 2021).

    Of all directions within c‖g₀‖ of g₀ it is the one along which the worst-off task gains most.
    gradients: (K, P)   c: from 0 (the mean) up, below 1 in the paper   returns: (P,); zeros where g_w is zero, for then some
    convex combination of the gradients is, and no step helps all
    The w is found exactly: for a given length s of g_w it is the point of the gradients' convex hull nearest to −(s/c‖g₀‖)g₀,
    and s is found by Brent's method.

    >>> cagrad(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
    tensor([0.1835, 1.2041, 1.2041])
    """
    from scipy.optimize import brentq

    _check(gradients)
    require(c >= 0, "c", c, "a number ≥ 0: the radius is c times the norm of the mean gradient")
    products = gramian(gradients)  # (K, K)
    largest = products.diagonal().max().sqrt()
    if largest == 0:
        return torch.zeros_like(gradients[0])
    products = products / largest**2  # the longest gradient is 1
    K = len(products)
    with_mean = products.mean(1)  # gₖ·g₀, (K,)
    mean_norm = with_mean.mean().clamp(min=0).sqrt()
    radius = c * mean_norm
    if mean_norm <= _STATIONARY:
        return torch.zeros_like(gradients[0])
    if c <= _STATIONARY:  # a ball too small to matter
        return gradients.mean(0)

    def weights_at(length):
        return _nearest(products, with_mean, mean_norm**2, length / radius)

    def too_short(length):
        return _norm(weights_at(length), products).item() - length

    if too_short(_STATIONARY) <= 0:
        return torch.zeros_like(gradients[0])
    length = brentq(too_short, _STATIONARY, 1.0 + _STATIONARY, xtol=1e-14)
    weights = weights_at(length)
    return (torch.full_like(weights, 1 / K) + radius / length * weights).to(gradients) @ gradients


def normalised(aggregate):
    """The same aggregate on gradients of length 1, so that the scale of a task's loss means nothing to the direction.

    returns: a function (K, P) → (P,); gradients of zeros stay zeros

    >>> normalised(mgda)(torch.tensor([[300.0, 0.0], [0.0, 1.0]]))
    tensor([0.5000, 0.5000])
    """

    def aggregate_of_unit_gradients(gradients):
        return aggregate(torch.nn.functional.normalize(gradients, dim=1, eps=torch.finfo(gradients.dtype).tiny))

    aggregate_of_unit_gradients.__name__ = f"normalised({getattr(aggregate, '__name__', type(aggregate).__name__)})"
    return aggregate_of_unit_gradients


def gramian(gradients):
    """gᵢ·gⱼ in float64 on the CPU, (K, K): all that the weights of a combination depend on."""
    g = gradients.double()
    return (g @ g.mT).cpu()


def _norm(weights, products):
    return (weights @ products @ weights).clamp(min=0).sqrt()


def _nearest(products, with_mean, mean_square, factor):
    """Weights (K,) of the point of the convex hull that is nearest to −factor·g₀: shift all by it, and take the shortest."""
    shifted = products + factor * (with_mean[:, None] + with_mean) + factor**2 * mean_square
    return _shortest(shifted)


def _shortest(products):
    """Weights (K,) ≥ 0 with the sum 1 whose combination is shortest, from the Gram matrix.

    Non-negative least squares of ‖Gᵀu‖² + (1 − Σu)² has a solution u along w: with u = s·w it is s²‖Gᵀw‖² + (1 − s)², which for
    any s is least for the shortest Gᵀw (Lawson & Hanson 1974, chapter 23). Two tasks need no solver: they have Eq. 20.10.
    """
    from scipy.optimize import nnls

    if len(products) == 2:
        (first, mixed), (_, second) = products.tolist()
        apart = first - 2 * mixed + second  # ‖g₁ − g₂‖²
        weight = min(max((second - mixed) / apart, 0.0), 1.0) if apart > 0 else 0.5
        return torch.tensor([weight, 1 - weight], dtype=products.dtype)
    values, vectors = torch.linalg.eigh(products / products.diagonal().max().clamp(min=1e-300))
    root = values.clamp(min=0).sqrt()[:, None] * vectors.mT  # (K, K): its columns have these products
    system = torch.cat([root, torch.ones_like(root[:1])])
    target = torch.zeros(len(system), dtype=root.dtype)
    target[-1] = 1
    found = torch.from_numpy(nnls(system.numpy(), target.numpy())[0])
    return found / found.sum()


def _check(gradients):
    check_floating(gradients, "gradients", (2,), "(K, P), one row for each task")
    require(len(gradients) > 0, "gradients", shape(gradients), "(K, P) with K ≥ 1")
    finite = torch.isfinite(gradients).all(1)
    if not finite.all():
        bad = (~finite).nonzero().flatten().tolist()
        require(False, "gradients", f"NaN or infinity in the row of task {', '.join(map(str, bad))}", "finite numbers")
