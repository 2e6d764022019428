"""Canonical correlation: the directions of two modalities that vary together (Hotelling 1936)."""

from dataclasses import dataclass
from numbers import Real

import torch


@dataclass(frozen=True)
class CCA:
    """What ``cca`` found.

    correlations   (k,) float64, largest first, each in [0, 1]
    x_weights, y_weights   (Dx, k), (Dy, k) float64: the directions; what they measure has variance 1 on the training data
    x_mean, y_mean         (Dx,), (Dy,) float64, of the training data
    """

    correlations: torch.Tensor
    x_weights: torch.Tensor
    y_weights: torch.Tensor
    x_mean: torch.Tensor
    y_mean: torch.Tensor

    def transform(self, x=None, y=None):
        """What the directions measure: (N, k) of x, of y, or both as a tuple.

        Raises ValueError where neither is given, or the number of features is another one.
        """
        given = []
        for name, values, weights, mean in (
            ("x", x, self.x_weights, self.x_mean),
            ("y", y, self.y_weights, self.y_mean),
        ):
            if values is not None:
                values = _table(values, name)
                if values.shape[1] != len(weights):
                    raise ValueError(f"{name} has {values.shape[1]} features; the directions were fitted to {len(weights)}")
                given.append((values - mean) @ weights)
        if not given:
            raise ValueError("give x, y or both")
        return given[0] if len(given) == 1 else tuple(given)


def cca(x, y, k=None, ridge=0.0):
    """ρ = singular values of Σxx^(−1/2) Σxy Σyy^(−1/2), directions Σxx^(−1/2) U and Σyy^(−1/2) V — Eq. 18.5 (Hotelling 1936).

    x, y: (N, Dx), (N, Dy), row by row measurements of the same thing   k: how many directions; None for min(Dx, Dy)
    ridge: r ≥ 0, added to each covariance as r times its mean variance on the diagonal. Without it the covariances must have
        full rank: more rows than features, no feature that repeats others. With N ≤ Dx + Dy rows, ρ₁ = 1 whatever they hold.
    returns: CCA, computed in float64. A pair of directions is determined up to a common sign.
    Raises ValueError for different numbers of rows, NaN or infinity, and covariances without full rank.

    >>> x = torch.tensor([[0.0, 1.0], [1.0, -1.0], [2.0, 0.0], [3.0, 1.0], [4.0, -1.0]])
    >>> y = torch.stack([x[:, 1], -2 * x[:, 0] + 1], dim=1)   # the same two numbers, in disguise
    >>> cca(x, y).correlations
    tensor([1., 1.], dtype=torch.float64)
    """
    x, y = _table(x, "x"), _table(y, "y")
    if len(x) != len(y):
        raise ValueError(f"each row of x belongs to one row of y; got {len(x)} and {len(y)} rows: align them first")
    most = min(x.shape[1], y.shape[1])
    k = most if k is None else k
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= most:
        raise ValueError(f"k must be a whole number from 1 to min(Dx, Dy) = {most}; got {k!r}")
    if isinstance(ridge, bool) or not isinstance(ridge, Real) or not 0 <= ridge < float("inf"):
        raise ValueError(f"ridge must be a number ≥ 0; got {ridge!r}")
    if len(x) < 2:
        raise ValueError(f"a correlation needs two rows or more; got {len(x)}")
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    x_white = inverse_root(_covariance(x, ridge), "x")  # (Dx, Dx)
    y_white = inverse_root(_covariance(y, ridge), "y")  # (Dy, Dy)
    u, correlations, vh = torch.linalg.svd(x_white @ (x.mT @ y / len(x)) @ y_white, full_matrices=False)
    return CCA(correlations[:k].clamp(max=1), x_white @ u[:, :k], y_white @ vh.mT[:, :k], x_mean, y_mean)


def inverse_root(matrix, name="matrix"):
    """Σ^(−1/2) = E diag(λ^(−1/2)) Eᵀ from Σ = E diag(λ) Eᵀ: the matrix R with R Σ R = I — Eq. 18.4.

    The root of a *matrix*, never of its numbers one by one: these agree for diagonal matrices alone.
    matrix: (D, D), symmetric, all eigenvalues above 0   returns: (D, D), symmetric
    Raises ValueError for a matrix that is not symmetric, or has no inverse to working precision.

    >>> inverse_root(torch.tensor([[2.5, 1.5], [1.5, 2.5]]))   # eigenvalues 4 and 1
    tensor([[ 0.7500, -0.2500],
            [-0.2500,  0.7500]])
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not torch.allclose(matrix, matrix.mT, rtol=1e-4, atol=1e-6):
        raise ValueError(f"{name} must be a symmetric matrix (D, D); got shape {tuple(matrix.shape)}")
    values, vectors = torch.linalg.eigh(matrix)  # (D,) rising, (D, D)
    least = values[-1].abs() * len(values) * torch.finfo(matrix.dtype).eps * 10
    rank = int((values > least).sum())
    if rank < len(values):
        raise ValueError(
            f"the covariance of {name} has rank {rank} of {len(values)}: a feature is constant or repeats others, or there are "
            "too few rows; drop features, or give ridge=1e-3"
        )
    return (vectors * values.rsqrt()) @ vectors.mT


def _covariance(centred, ridge):
    covariance = centred.mT @ centred / len(centred)
    size = covariance.diagonal().mean()
    return covariance + ridge * size * torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)


def _table(values, name):
    values = torch.as_tensor(values)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{name} must be (N, D) numbers, one row for each example; got shape {tuple(values.shape)}")
    values = values.detach().double()
    wrong = int((~values.isfinite()).sum())
    if wrong:
        raise ValueError(f"{name} holds {wrong} numbers that are NaN or infinite: leave these rows out in both modalities")
    return values
