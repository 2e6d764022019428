"""Taking noise away: the best answer to a noisy number, what it has to do with densities, and decibels."""

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_floating, require, shape


def posterior_mean(noisy, points, std):
    """E[x | x̃] = Σᵢ xᵢ · softmaxᵢ(−‖x̃ − xᵢ‖² / 2τ²) where x is one of the points, each as likely — Eq. 11.12.

    noisy: x̃ (N, D), a point plus Gaussian noise   points: xᵢ (M, D)   std: τ > 0   returns: (N, D)
    No function of x̃ has a smaller mean squared error: a mean minimises it.

    >>> posterior_mean(torch.tensor([[0.5], [5.0]]), torch.tensor([[0.0], [1.0]]), std=0.5)
    tensor([[0.5000],
            [1.0000]])
    """
    check_floating(noisy, "noisy", (2,), "(N, D)")
    check_floating(points, "points", (2,), "(M, D)")
    check_alike("noisy", noisy, points=points)
    require(points.shape[1] == noisy.shape[1] and len(points) > 0, "points", shape(points), f"(M, {noisy.shape[1]}), M ≥ 1")
    _check_std(std)
    away = torch.cdist(noisy, points, compute_mode="donot_use_mm_for_euclid_dist").square()  # (N, M)
    return torch.softmax(-away / (2 * std**2), dim=1) @ points


def tweedie(noisy, score, std):
    """E[x | x̃] = x̃ + τ²·∇ log p(x̃), for noise of standard deviation τ — Eq. 11.13 (Robbins 1956, Miyasawa 1961).

    noisy: x̃ (…)   score: the gradient of the log density of the *noisy* data at x̃, of x̃'s shape   std: τ   returns: (…)
    Robbins calls the formula for other noise Tweedie's, after the statistician who wrote to him.

    >>> x = torch.tensor([3.0])  # clean data standard normal, noise too: the noisy data have variance 2
    >>> tweedie(x, score=-x / 2, std=1.0)
    tensor([1.5000])
    """
    check_floating(noisy, "noisy", ANY_DIMS, "of any shape")
    check_alike("noisy", noisy, score=score)
    require(noisy.shape == score.shape, "score", shape(score), f"noisy's shape {tuple(noisy.shape)}")
    _check_std(std)
    return noisy + std**2 * score


def mixture_posterior_mean(noisy, weights, means, variances, std):
    """E[x | x̃] = Σₘ rₘ·(μₘ + vₘ/(vₘ + τ²)·(x̃ − μₘ)), rₘ ∝ πₘ·N(x̃; μₘ, (vₘ + τ²)I) — Eq. 11.14.

    noisy: x̃ (N, D)   weights: π (M,), positive, of sum 1   means: μ (M, D)   variances: v (M,) ≥ 0 along every axis   std: τ > 0
    returns: (N, D), what is left of the noise on average; r (N, M) says which of the M Gaussians x̃ came from

    >>> mixture_posterior_mean(torch.tensor([[3.0]]), torch.ones(1), torch.zeros(1, 1), torch.ones(1), std=1.0)
    tensor([[1.5000]])
    """
    logs = _log_parts(noisy, weights, means, variances, std)  # (N, M)
    responsible = torch.softmax(logs, dim=1)
    keep = variances / (variances + std**2)  # (M,)
    shrunk = means + keep[:, None] * (noisy[:, None] - means)  # (N, M, D)
    return (responsible[..., None] * shrunk).sum(1)


def mixture_log_density(noisy, weights, means, variances, std):
    """log p(x̃) = log Σₘ πₘ·N(x̃; μₘ, (vₘ + τ²)I): noise adds its variance to each Gaussian's.

    As for ``mixture_posterior_mean``   returns: (N,) in nats

    >>> mixture_log_density(torch.zeros(1, 1), torch.ones(1), torch.zeros(1, 1), torch.zeros(1), std=1.0)
    tensor([-0.9189])
    """
    return torch.logsumexp(_log_parts(noisy, weights, means, variances, std), dim=1)


def linear_denoiser(covariance, std):
    """A = S(S + τ²I)⁻¹, the best linear x̂ = A·x̃ for centred data of covariance S — Eq. 11.16 (Wiener 1949).

    covariance: S (D, D), symmetric   std: τ > 0   returns: A (D, D)
    Along a principal axis it keeps λ/(λ + τ²); its error is tr(S − AS) = Σ λτ²/(λ + τ²).

    >>> linear_denoiser(torch.diag(torch.tensor([3.0, 0.0])), std=1.0)
    tensor([[0.7500, 0.0000],
            [0.0000, 0.0000]])
    """
    check_floating(covariance, "covariance", (2,), "(D, D)")
    D = len(covariance)
    require(covariance.shape == (D, D), "covariance", shape(covariance), "(D, D)")
    require(torch.allclose(covariance, covariance.mT, atol=1e-5), "covariance", "a matrix that is not symmetric", "S = Sᵀ")
    _check_std(std)
    noise = std**2 * torch.eye(D, dtype=covariance.dtype, device=covariance.device)
    return torch.linalg.solve(covariance + noise, covariance).mT


def psnr(images, clean, peak=1.0):
    """PSNR = 10·log₁₀(peak² / MSE) in decibels, picture by picture — Eq. 11.15.

    images, clean: (N, …) of one shape   peak: the largest value that a pixel can have   returns: (N,); infinite where both agree

    >>> psnr(torch.full((1, 4), 0.6), torch.full((1, 4), 0.5))
    tensor([20.0000])
    """
    check_floating(images, "images", ANY_DIMS[2:], "(N, …)")
    check_alike("images", images, clean=clean)
    require(images.shape == clean.shape, "clean", shape(clean), f"images' shape {tuple(images.shape)}")
    require(peak > 0, "peak", peak, "a number above 0, such as 1 or 255")
    mse = (images - clean).square().flatten(1).mean(1)  # (N,)
    return 10 * torch.log10(peak**2 / mse)


def _log_parts(noisy, weights, means, variances, std):
    """log πₘ + log N(x̃; μₘ, (vₘ + τ²)I), (N, M)."""
    check_floating(noisy, "noisy", (2,), "(N, D)")
    check_floating(means, "means", (2,), f"(M, {noisy.shape[1]})")
    M, D = means.shape
    check_alike("noisy", noisy, weights=weights, means=means, variances=variances)
    require(noisy.shape[1] == D, "means", shape(means), f"(M, {noisy.shape[1]})")
    for name, values in {"weights": weights, "variances": variances}.items():
        require(values.shape == (M,), name, shape(values), f"({M},), one for each Gaussian")
    require(
        bool((weights > 0).all()) and abs(weights.sum().item() - 1) < 1e-5, "weights", weights.tolist(), "shares above 0, sum 1"
    )
    require(bool((variances >= 0).all()), "variances", variances.tolist(), "numbers ≥ 0")
    _check_std(std)
    total = variances + std**2  # (M,)
    away = (noisy[:, None] - means).square().sum(2)  # (N, M)
    return weights.log() - away / (2 * total) - D / 2 * torch.log(2 * torch.pi * total)


def _check_std(std):
    require(std > 0, "std", std, "a standard deviation above 0")
