"""Probabilistic PCA: the linear model with a code whose evidence, optimum and posterior are formulas (Tipping & Bishop 1999)."""

import math
from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_whole, require


class ProbabilisticPCA(NamedTuple):
    """z ~ N(0, 1), x = W z + x̄ + noise of variance ν² in each of x's P numbers.

    mean x̄ (P,)   weight W (P, D)   variance ν² ()
    """

    mean: torch.Tensor
    weight: torch.Tensor
    variance: torch.Tensor


class RateDistortion(NamedTuple):
    """Nats for each example, squared error for each example, and how many numbers of the code live."""

    rate: torch.Tensor
    distortion: torch.Tensor
    active: int


def fit_ppca(x, code, variance=None):
    """W = U_D (Λ_D − ν²)^½, ν² = the mean of the eigenvalues left out — Eq. 12.10 (Tipping & Bishop 1999).

    The model under which x is most probable: λ_1 ≥ λ_2 ≥ … are the eigenvalues of x's covariance (divided by N, not N − 1) and
    U_D its first D eigenvectors. Any rotation of W's columns is as good. With a given ``variance`` only W is chosen: eigenvectors
    whose eigenvalue is not above it get a column of zeros.
    x: (N, P) float   code: D, from 1 to P − 1 (with a given variance to P)   returns: ProbabilisticPCA

    >>> x = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # covariance diag(4.5, 0.5)
    >>> model = fit_ppca(x, code=1)
    >>> model.variance, model.weight.abs()
    (tensor(0.5000), tensor([[2.],
            [0.]]))
    """
    require(x.ndim == 2 and len(x) >= 1, "x", f"shape {tuple(x.shape)}", "(N, P) with N ≥ 1: flatten images with x.flatten(1)")
    check_whole(code, "code")
    most = x.shape[1] - (variance is None)
    require(code <= most, "code", code, f"at most {most} for {x.shape[1]} numbers: some must be left out to tell the noise")
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh((x - mean).mT @ (x - mean) / len(x))  # ascending
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)  # (P,), (P, P)
    variance = values[code:].mean() if variance is None else torch.as_tensor(variance, dtype=x.dtype)
    require(variance > 0, "variance", f"{variance:g}", "a number > 0; x lies in fewer dimensions than the code has: lower code")
    return ProbabilisticPCA(mean, vectors[:, :code] * (values[:code] - variance).clamp(min=0).sqrt(), variance)


def ppca_log_likelihood(model, x):
    """log p(x) = −½ [P log 2π + log det C + (x − x̄)ᵀ C⁻¹ (x − x̄)], C = W Wᵀ + ν² — Eq. 12.9 (Tipping & Bishop 1999).

    The integral over z, done: x is a sum of Gaussians. model: ProbabilisticPCA   x: (N, P)   returns: (N,) in nats
    """
    P = len(model.mean)
    covariance = model.weight @ model.weight.mT + model.variance * torch.eye(P, dtype=x.dtype)  # (P, P)
    lower = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(lower, (x - model.mean).mT, upper=False)  # (P, N)
    return -(P * math.log(2 * math.pi) + 2 * lower.diagonal().log().sum() + white.square().sum(0)) / 2


def ppca_posterior(model, x):
    """p(z|x) = N(M⁻¹Wᵀ(x − x̄), ν²M⁻¹), M = WᵀW + ν² — Eq. 12.11 (Tipping & Bishop 1999).

    The mean is linear in x, and the covariance is the same for every x. model: ProbabilisticPCA   x: (N, P)
    returns: (mean (N, D), covariance (D, D))
    """
    M = model.weight.mT @ model.weight + model.variance * torch.eye(model.weight.shape[1], dtype=x.dtype)  # (D, D)
    mean = torch.linalg.solve(M, model.weight.mT @ (x - model.mean).mT).mT  # (N, D)
    return mean, model.variance * torch.linalg.inv(M)


def linear_rate_distortion(eigenvalues, level, code=None):
    """R = Σ_j max(0, ½ log(λ_j/θ)), D = Σ_j min(λ_j, θ), with θ = βν² — Eq. 12.14 (Lucas, Tucker, Grosse & Norouzi 2019).

    What a linear VAE with a decoder of fixed variance ν² and a kl of weight β spends at its optimum: the mean kl, and the mean
    squared error of x rebuilt from a draw of z. It is Shannon's least rate for a Gaussian x and that error (Kolmogorov 1956),
    known as reverse water-filling: a number of the code lives if its eigenvalue stands above the level.
    eigenvalues: λ of x's covariance, largest first (P,)   level: θ > 0   code: how many numbers the code has, None for enough
    returns: RateDistortion of rate in nats, distortion, and how many numbers of the code live (int)

    >>> linear_rate_distortion(torch.tensor([4.0, 0.5]), level=1.0)
    RateDistortion(rate=tensor(0.6931), distortion=tensor(1.5000), active=1)
    """
    require(eigenvalues.ndim == 1, "eigenvalues", f"shape {tuple(eigenvalues.shape)}", "(P,)")
    require(level > 0, "level", level, "a number > 0")
    coded, left = eigenvalues[:code], eigenvalues[len(eigenvalues[:code]) :]
    rate = (coded / level).clamp(min=1).log().sum() / 2
    return RateDistortion(rate, coded.clamp(max=level).sum() + left.sum(), int((coded > level).sum()))
