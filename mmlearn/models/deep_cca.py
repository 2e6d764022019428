"""Deep CCA: two networks trained so that what they say of the same thing correlates (Andrew et al. 2013)."""

import torch

from mmlearn.ops.arguments import check_alike, check_floating, check_whole, require


def deep_cca_loss(x, y, k=None, ridge=1e-3):
    """L = −Σᵢ ρᵢ, the k largest canonical correlations of a batch of features — Eq. 18.6 (Andrew, Arora, Bilmes & Livescu 2013).

    x, y: (N, Dx), (N, Dy), what two networks say of N things   k: how many correlations count; None for min(Dx, Dy)
    ridge: added to each covariance as a share of its mean variance, as in ``mmlearn.data.correlation.cca``; without it a batch
        that is hardly larger than the features correlates perfectly, and its gradient teaches noise
    returns: (), from −k to 0, differentiable by x and y. The covariances are whitened by their Cholesky factors L: Lx⁻¹ Σxy Ly⁻ᵀ
        has the singular values of Σxx^(−1/2) Σxy Σyy^(−1/2), and a gradient also where eigenvalues are equal
    Raises ValueError for a batch of one, different numbers of rows, and covariances without full rank.

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> round(deep_cca_loss(x, -5 * x, ridge=0.0).item(), 4)
    -1.0
    """
    check_floating(x, "x", (2,), "(N, Dx)")
    check_floating(y, "y", (2,), "(N, Dy)")
    check_alike("x", x, y=y)
    require(len(x) == len(y), "y", f"{len(y)} rows", f"{len(x)}, one for each row of x")
    require(len(x) >= 2, "x", f"{len(x)} rows", "two or more: one example has no covariance")
    most = min(x.shape[1], y.shape[1])
    k = most if k is None else k
    check_whole(k, "k")
    require(k <= most, "k", k, f"at most min(Dx, Dy) = {most}")
    require(ridge >= 0, "ridge", ridge, "a number ≥ 0")
    x, y = x - x.mean(0), y - y.mean(0)
    half = torch.linalg.solve_triangular(_factor(x, ridge, "x"), x.mT @ y / len(x), upper=False)  # Lx⁻¹ Σxy (Dx, Dy)
    t = torch.linalg.solve_triangular(_factor(y, ridge, "y"), half.mT, upper=False)  # (Dy, Dx): Tᵀ
    return -torch.linalg.svdvals(t)[:k].sum()


def _factor(centred, ridge, name):
    """The lower Cholesky factor of the covariance."""
    covariance = centred.mT @ centred / len(centred)
    size = covariance.diagonal().mean()
    covariance = covariance + ridge * size * torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    factor, wrong = torch.linalg.cholesky_ex(covariance)
    expected = "features that vary, each its own way, and more rows than features; or a larger ridge"
    require(int(wrong) == 0 and bool(factor.isfinite().all()), name, "a covariance without full rank, or not finite", expected)
    return factor
