import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch.distributions import MultivariateNormal, kl_divergence

from mmlearn.models.probabilistic_pca import (
    ProbabilisticPCA,
    fit_ppca,
    linear_rate_distortion,
    ppca_log_likelihood,
    ppca_posterior,
)


def cloud(n=300, d=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scales = torch.tensor([3.0, 2.0, 1.5, 0.6, 0.4, 0.3], dtype=torch.float64)[:d]
    turn = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    return torch.randn(n, d, generator=generator, dtype=torch.float64) * scales @ turn + 5.0


def test_the_fit_is_sklearns_but_for_the_divisor():
    """scikit-learn divides the covariance by N − 1."""
    x, more = cloud(), 300 / 299
    judge, model = PCA(3, svd_solver="full").fit(x.numpy()), fit_ppca(x, 3)
    assert model.variance.item() * more == pytest.approx(judge.noise_variance_)
    covariance = model.weight @ model.weight.mT + model.variance * torch.eye(6)
    np.testing.assert_allclose(more * covariance.numpy(), judge.get_covariance(), atol=1e-10)
    np.testing.assert_allclose(model.mean.numpy(), judge.mean_)


def test_the_log_likelihood_is_that_of_one_large_gaussian():
    x, model = cloud(), fit_ppca(cloud(), 2)
    covariance = model.weight @ model.weight.mT + model.variance * torch.eye(6)
    torch.testing.assert_close(ppca_log_likelihood(model, x), MultivariateNormal(model.mean, covariance).log_prob(x))


def test_no_other_weight_or_variance_makes_the_data_more_probable():
    x, model = cloud(), fit_ppca(cloud(), 2)
    best, generator = ppca_log_likelihood(model, x).mean(), torch.Generator().manual_seed(1)
    for size in (0.01, 0.1, 1.0):
        for _ in range(20):
            weight = model.weight + size * torch.randn(6, 2, generator=generator, dtype=torch.float64)
            variance = model.variance * torch.exp(size * torch.randn((), generator=generator, dtype=torch.float64))
            assert ppca_log_likelihood(ProbabilisticPCA(model.mean, weight, variance), x).mean() < best


def test_the_posterior_by_conditioning_the_joint_gaussian():
    x = cloud()
    model = fit_ppca(x, 2)
    W, eye = model.weight, torch.eye(6, dtype=torch.float64)
    gain = W.mT @ torch.linalg.inv(W @ W.mT + model.variance * eye)  # Cov(z, x) Cov(x)⁻¹
    mean, covariance = ppca_posterior(model, x)
    torch.testing.assert_close(mean, (x - model.mean) @ gain.mT)
    torch.testing.assert_close(covariance, torch.eye(2, dtype=torch.float64) - gain @ W)


def test_the_bound_with_the_posterior_is_the_log_likelihood():
    x = cloud(40)
    model = fit_ppca(x, 2)
    mean, covariance = ppca_posterior(model, x)
    around = (x - model.mean - mean @ model.weight.mT).square().sum(1)
    expected_square = around + (model.weight @ covariance @ model.weight.mT).trace()
    given_z = -(expected_square / model.variance + 6 * torch.log(2 * torch.pi * model.variance)) / 2
    standard = MultivariateNormal(torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64))
    kl = kl_divergence(MultivariateNormal(mean, covariance), standard)
    torch.testing.assert_close(given_z - kl, ppca_log_likelihood(model, x))


def eigenvalues(x):
    return torch.linalg.eigvalsh(torch.cov(x.mT, correction=0)).flip(0)


@pytest.mark.parametrize("level", [0.05, 1.0, 3.0, 20.0])
def test_a_given_variance_switches_off_what_is_below_it_and_spends_the_rate_that_water_filling_says(level):
    x = cloud(2000)
    model, theory = fit_ppca(x, 6, variance=level), linear_rate_distortion(eigenvalues(x), level)
    torch.testing.assert_close(model.weight.square().sum(0), (eigenvalues(x) - level).clamp(min=0))
    assert (model.weight.norm(dim=0) > 1e-9).sum() == theory.active
    mean, covariance = ppca_posterior(model, x)
    prior = MultivariateNormal(torch.zeros(6, dtype=torch.float64), torch.eye(6, dtype=torch.float64))
    torch.testing.assert_close(kl_divergence(MultivariateNormal(mean, covariance), prior).mean(), theory.rate)
    around = (x - model.mean - mean @ model.weight.mT).square().sum(1).mean()
    torch.testing.assert_close(around + (model.weight @ covariance @ model.weight.mT).trace(), theory.distortion)


def test_a_short_code_leaves_the_rest_to_the_distortion():
    found = linear_rate_distortion(torch.tensor([4.0, 2.0, 1.5, 0.5]), level=1.0, code=2)
    assert found.rate.item() == pytest.approx(0.5 * np.log(8))
    assert (found.distortion.item(), found.active) == (4.0, 2)


def test_a_higher_level_costs_more_error_and_less_rate_at_the_slope_that_beta_says():
    """dD/dR = −2θ for each level that passes no eigenvalue: β weighs nats against half the squared error over the variance."""
    values = eigenvalues(cloud(2000))
    one, other = (linear_rate_distortion(values, level) for level in (1.0, 1.0 + 1e-5))
    slope = (other.distortion - one.distortion) / (other.rate - one.rate)
    assert slope.item() == pytest.approx(-2.0, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fit_ppca(cloud(), 6), "code: expected at most 5 for 6 numbers"),
        (lambda: fit_ppca(cloud(), 0), "code: expected a whole number ≥ 1; got 0"),
        (lambda: fit_ppca(torch.zeros(3, 1, 8, 8), 2), r"flatten images with x.flatten\(1\)"),
        (lambda: fit_ppca(torch.zeros(5, 4), 2), "fewer dimensions than the code"),
        (lambda: linear_rate_distortion(torch.ones(3), 0.0), "level: expected a number > 0; got 0.0"),
        (lambda: linear_rate_distortion(torch.ones(3, 3), 1.0), r"eigenvalues: expected \(P,\); got shape \(3, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
