"""Denoising: posterior means against integrals and autograd, the linear denoiser against least squares, decibels by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.denoising import (
    linear_denoiser,
    mixture_log_density,
    mixture_posterior_mean,
    posterior_mean,
    psnr,
    tweedie,
)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixture(M, D, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(M, generator=generator, dtype=torch.float64) + 0.1
    return weights / weights.sum(), 2 * drawn(M, D, seed=seed + 1), torch.rand(M, generator=generator, dtype=torch.float64)


def test_of_two_points_the_answer_is_a_sigmoid():
    noisy, std = torch.linspace(-2, 3, 11, dtype=torch.float64)[:, None], 0.7
    found = posterior_mean(noisy, torch.tensor([[0.0], [1.0]], dtype=torch.float64), std)
    torch.testing.assert_close(found, torch.sigmoid((noisy - 0.5) / std**2))


def test_nothing_overflows_far_away_or_under_little_noise():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    found = posterior_mean(torch.tensor([[1e4, 3.0], [0.51, 0.0]]), points, std=1e-3)
    assert found.tolist() == [[1, 0], [1, 0]]


def test_the_points_are_a_mixture_without_variance():
    points, noisy = drawn(6, 3), drawn(4, 3, seed=1)
    even = torch.full((6,), 1 / 6, dtype=torch.float64)
    found = mixture_posterior_mean(noisy, even, points, torch.zeros(6, dtype=torch.float64), std=0.6)
    torch.testing.assert_close(found, posterior_mean(noisy, points, 0.6))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 10**6), st.sampled_from([0.2, 1.0, 2.5]))
def test_tweedies_formula_and_bayes_rule_agree(M, D, seed, std):
    weights, means, variances = mixture(M, D, seed)
    noisy = (2 * drawn(5, D, seed=seed + 2)).requires_grad_()
    (score,) = torch.autograd.grad(mixture_log_density(noisy, weights, means, variances, std).sum(), noisy)
    found = mixture_posterior_mean(noisy.detach(), weights, means, variances, std)
    torch.testing.assert_close(tweedie(noisy.detach(), score, std), found, rtol=1e-8, atol=1e-10)


def test_density_and_posterior_mean_are_integrals_in_one_dimension():
    weights, means, variances = mixture(3, 1, seed=4)
    std, x = 0.5, np.linspace(-15, 15, 30001)
    clean = sum(
        w * np.exp(-((x - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
        for w, m, v in zip(weights.tolist(), means[:, 0].tolist(), variances.tolist(), strict=True)
    )
    for noisy in (-2.0, 0.3, 1.7):
        joint = clean * np.exp(-((noisy - x) ** 2) / (2 * std**2)) / math.sqrt(2 * math.pi * std**2)
        at = torch.tensor([[noisy]], dtype=torch.float64)
        assert mixture_log_density(at, weights, means, variances, std).exp().item() == pytest.approx(np.trapezoid(joint, x))
        mean = np.trapezoid(x * joint, x) / np.trapezoid(joint, x)
        assert mixture_posterior_mean(at, weights, means, variances, std).item() == pytest.approx(mean)


def test_no_other_answer_has_a_smaller_error_on_average():
    weights, means, variances = mixture(2, 2, seed=1)
    generator = torch.Generator().manual_seed(3)
    which = torch.multinomial(weights, 40000, replacement=True, generator=generator)
    clean = means[which] + variances[which].sqrt()[:, None] * drawn(40000, 2, seed=5)
    noisy = clean + 0.8 * drawn(40000, 2, seed=6)
    best = mixture_posterior_mean(noisy, weights, means, variances, 0.8)
    error = (best - clean).square().sum(1).mean()
    for other in (0.95 * best, best + 0.1, noisy, best + 0.05 * torch.sin(noisy)):
        assert (other - clean).square().sum(1).mean() > error


def test_the_linear_denoiser_is_least_squares_of_clean_on_noisy():
    x = drawn(200000, 3) @ drawn(3, 3, seed=1)
    x = x - x.mean(0)
    noisy = x + 0.5 * drawn(200000, 3, seed=2)
    A = linear_denoiser(x.T @ x / len(x), 0.5)
    found = torch.linalg.lstsq(noisy, x).solution.T
    torch.testing.assert_close(A, found, atol=0.01, rtol=0)


def test_its_error_is_the_sum_over_the_axes_and_it_is_the_posterior_mean_of_a_gaussian():
    variances = torch.tensor([4.0, 1.0, 0.0], dtype=torch.float64)
    q = torch.linalg.qr(drawn(3, 3)).Q
    S = q @ torch.diag(variances) @ q.T
    A = linear_denoiser(S, 2.0)
    torch.testing.assert_close(torch.trace(S - A @ S), (variances * 4 / (variances + 4)).sum())
    noisy = drawn(5, 2)
    even = torch.eye(2, dtype=torch.float64)
    mean = mixture_posterior_mean(noisy, torch.ones(1).double(), torch.zeros(1, 2).double(), 3 * torch.ones(1).double(), 2.0)
    torch.testing.assert_close(noisy @ linear_denoiser(3 * even, 2.0).T, mean)


def test_decibels():
    clean = torch.zeros(3, 1, 2, 2)
    images = clean.clone()
    images[0] += 0.1
    images[1, 0, 0, 0] = 0.2  # a mean square of 0.01
    assert psnr(images, clean).tolist() == pytest.approx([20, 20, math.inf])
    assert psnr(255 * images, 255 * clean, peak=255)[0].item() == pytest.approx(20)


def test_decibels_are_those_of_scikit_image():
    from skimage.metrics import peak_signal_noise_ratio

    images, clean = torch.rand(2, 4, 5), torch.rand(2, 4, 5)
    expected = [peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1) for a, b in zip(images, clean, strict=True)]
    assert psnr(images, clean).tolist() == pytest.approx(expected, rel=1e-5)


ONES, TWO = torch.ones(2), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: posterior_mean(TWO, torch.zeros(4, 2), 0.1), r"points: expected \(M, 3\), M ≥ 1; got shape \(4, 2\)"),
        (lambda: posterior_mean(TWO, TWO, 0), "std: expected a standard deviation above 0; got 0"),
        (lambda: tweedie(TWO, ONES, 0.1), r"score: expected noisy's shape \(2, 3\)"),
        (lambda: mixture_posterior_mean(TWO, ONES, TWO, ONES, 1.0), "weights: expected shares above 0, sum 1"),
        (lambda: mixture_posterior_mean(TWO, ONES / 2, TWO, -ONES, 1.0), "variances: expected numbers ≥ 0"),
        (lambda: mixture_posterior_mean(TWO, ONES / 2, TWO[:, :2], ONES, 1.0), r"means: expected \(M, 3\)"),
        (lambda: mixture_posterior_mean(TWO, torch.ones(1), TWO, ONES, 1.0), r"weights: expected \(2,\), one for each Gaussian"),
        (lambda: linear_denoiser(torch.zeros(2, 3), 1.0), r"covariance: expected \(D, D\)"),
        (lambda: linear_denoiser(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), 1.0), "not symmetric"),
        (lambda: psnr(TWO, TWO[:1]), r"clean: expected images' shape \(2, 3\); got shape \(1, 3\)"),
        (lambda: psnr(TWO, TWO, peak=0), "peak: expected a number above 0"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
