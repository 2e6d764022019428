"""How alike are two layers' features? Linear centred kernel alignment, and what it says about noise."""

import math

import torch


def linear_cka(x, y):
    """‖YᵀX‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F) of column-centred X and Y — Eq. 13.4 (Kornblith et al. 2019).

    x: (N, D₁)   y: (N, D₂), features of the same N examples   returns: 0-d tensor in [0, 1]
    1 for features that differ by a rotation, a shift and a scale. With few examples it is far above 0 for noise, too: see
    ``cka_of_noise``. Raises ValueError where the examples do not pair, are fewer than 2, or where features are constant.

    >>> x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> round(linear_cka(x, 3 * x.flip(1) + 5).item(), 6)
    1.0
    """
    x, y = _paired(x, y, 2)
    across = (y.mT @ x).square().sum()
    within = (x.mT @ x).norm() * (y.mT @ y).norm()
    return (across / _positive(within)).clamp(max=1)


def cka_of_noise(examples, width_x, width_y):
    """√(pq / ((n+p+1)(n+q+1))), n = N − 1: what Eq. 13.4 gives for unrelated Gaussian features — Eq. 13.5 (Wishart moments).

    The ratio of the expectations, which the expectation of the ratio is near.

    >>> round(cka_of_noise(100, 64, 64), 3)
    0.39
    """
    n = examples - 1
    return math.sqrt(width_x * width_y / ((n + width_x + 1) * (n + width_y + 1)))


def unbiased_hsic(x, y):
    """‖Σ_xy‖²_F, all squared covariances, without bias: linear kernels without diagonal — Eq. 13.6 (Song et al. 2012).

    x: (N, D₁)   y: (N, D₂), N ≥ 4   returns: 0-d tensor, negative at times where there is no relation
    (1ᵀK̃L̃1 = (K̃1)ᵀ(L̃1) for symmetric matrices, which spares the product.)
    """
    x, y = _paired(x, y, 4)
    n = len(x)
    k, l = x @ x.mT, y @ y.mT  # (N, N) each
    k, l = k - k.diag().diag(), l - l.diag().diag()
    rows_k, rows_l = k.sum(1), l.sum(1)  # (N,)
    together = (k * l).sum() + rows_k.sum() * rows_l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (rows_k @ rows_l)
    return together / (n * (n - 3))


def unbiased_cka(x, y):
    """CKA from ``unbiased_hsic``: about 0 for unrelated features, however few examples (Nguyen, Raghu & Kornblith 2021).

    x: (N, D₁)   y: (N, D₂), N ≥ 4   returns: 0-d tensor, at most about 1, now and then a little below 0
    Raises ValueError as ``linear_cka``, and where the estimate of a feature's own HSIC is not positive: take more examples.
    """
    return minibatch_cka([(x, y)])


def minibatch_cka(batches):
    """``unbiased_cka`` of more examples than memory holds: HSIC is averaged over batches, then divided once (Nguyen et al. 2021).

    batches: pairs (x (n, D₁), y (n, D₂)), n ≥ 4 each; ones of equal size make the average that of all examples
    """
    sums = torch.zeros(3, dtype=torch.float64)
    for x, y in batches:
        x, y = _paired(x, y, 4)
        sums += torch.stack([unbiased_hsic(x, y), unbiased_hsic(x, x), unbiased_hsic(y, y)]).cpu()
    across, xx, yy = sums
    if not sums.any():
        raise ValueError("batches must hold at least one pair of features that vary; got none")
    return across / _positive(xx.clamp(min=0) * yy.clamp(min=0)).sqrt()


def _paired(x, y, fewest):
    """Both centred, as float64 (N, D): products of many features lose digits in float32."""
    x, y = (torch.as_tensor(part).detach().double() for part in (x, y))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < fewest:
        raise ValueError(
            f"x and y must be features (N, D) of the same N ≥ {fewest} examples; got {tuple(x.shape)} and {tuple(y.shape)}: "
            "tokens (N, T, D) become features with .flatten(0, 1) or .mean(1)"
        )
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("x and y must be finite; a layer gave NaN or infinity: look at it before you compare it")
    return _centred(x), _centred(y)


def _centred(x):
    """Exactly 0 where all rows are equal but for rounding."""
    centred = x - x.mean(0)
    return centred if centred.norm() > 1e-12 * x.norm() else torch.zeros_like(x)


def _positive(within):
    if within <= 0:
        raise ValueError("CKA is 0/0 here: the features of x or of y are the same for all examples, or these are too few")
    return within
