import itertools

import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch.distributions import Normal

from mmlearn.ops.divergence import reparameterised_sample
from mmlearn.ops.gradient_estimators import score_function_gradient, score_function_variance


def draws(mean, log_var, count, seed=0):
    noise = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mean + (log_var / 2).exp() * noise, noise


MEAN, LOG_VAR = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64), torch.tensor([0.0, 0.7, -0.8], dtype=torch.float64)


def test_each_estimate_is_the_value_times_the_gradient_of_log_q():
    z, _ = draws(MEAN, LOG_VAR, 5)
    values = torch.randn(5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = score_function_gradient(values, z, MEAN, LOG_VAR, baseline=0.3)
    for n in range(5):
        mean, log_var = MEAN.clone().requires_grad_(), LOG_VAR.clone().requires_grad_()
        ((values[n] - 0.3) * Normal(mean, (log_var / 2).exp()).log_prob(z[n]).sum()).backward()
        torch.testing.assert_close(found.mean[n], mean.grad)
        torch.testing.assert_close(found.log_var[n], log_var.grad)


def test_both_estimators_agree_with_the_exact_gradient_on_average():
    """E Σ z² = Σ μ² + σ², so the gradients are 2μ and σ²."""
    z, noise = draws(MEAN, LOG_VAR, 400_000)
    values = z.square().sum(1)
    exact = 2 * MEAN, LOG_VAR.exp()
    for baseline in (0.0, values.mean().item()):
        found = score_function_gradient(values, z, MEAN, LOG_VAR, baseline)
        for estimate, right in zip(found, exact, strict=True):
            error = estimate.std(0) / 400_000**0.5
            assert ((estimate.mean(0) - right).abs() < 4.5 * error).all()
    mean, log_var = MEAN.expand_as(noise).clone().requires_grad_(), LOG_VAR.expand_as(noise).clone().requires_grad_()
    reparameterised_sample(mean, log_var, noise).square().sum().backward()
    for leaf, right in ((mean, exact[0]), (log_var, exact[1])):
        assert ((leaf.grad.mean(0) - right).abs() < 4.5 * leaf.grad.std(0) / 400_000**0.5).all()


@pytest.mark.parametrize(("mean", "std", "dims", "baseline"), [(1.0, 1.0, 1, 0.0), (0.5, 0.7, 5, 0.0), (-1.0, 1.5, 3, 9.75)])
def test_the_variance_by_formula_is_the_measured_one(mean, std, dims, baseline):
    centre, log_var = torch.full((dims,), mean).double(), torch.full((dims,), std).double().square().log()
    z, _ = draws(centre, log_var, 1_000_000)
    estimates = score_function_gradient(z.square().sum(1), z, centre, log_var, baseline).mean[:, 0]
    assert estimates.var().item() == pytest.approx(score_function_variance(mean, std, dims, baseline), rel=0.03)


def test_the_variance_by_an_exact_quadrature():
    """Gauss–Hermite with 8 nodes is exact for polynomials up to degree 15: no draw at all."""
    nodes, weights = (torch.as_tensor(a) for a in hermegauss(8))
    weights = weights / weights.sum()
    for mean, std, baseline in itertools.product((0.0, 0.8), (0.5, 2.0), (0.0, 3.0)):
        z = mean + std * nodes
        one, two = torch.meshgrid(z, z, indexing="ij")
        estimate = (one**2 + two**2 - baseline) * (one - mean) / std**2
        mass = torch.outer(weights, weights)
        variance = (mass * estimate**2).sum() - (mass * estimate).sum() ** 2
        assert variance.item() == pytest.approx(score_function_variance(mean, std, 2, baseline))


def test_the_best_baseline_is_a_little_above_the_mean():
    around = torch.linspace(0, 30, 3001, dtype=torch.float64)
    variances = torch.stack([torch.as_tensor(score_function_variance(1.0, 2.0, 3, b)) for b in around])
    assert around[variances.argmin()].item() == pytest.approx(3 * (1 + 4) + 2 * 4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: score_function_gradient(torch.zeros(2), torch.zeros(3, 1), *torch.zeros(2, 1)), "a row for each"),
        (lambda: score_function_gradient(torch.zeros(2), torch.zeros(2, 3), *torch.zeros(2, 1)), "mean: expected .3,."),
        (lambda: score_function_gradient(torch.zeros(2, 1), torch.zeros(2, 1), *torch.zeros(2, 1)), "f at each draw"),
        (lambda: score_function_variance(0.0, 0.0, 1), "std: expected a number > 0; got 0.0"),
        (lambda: score_function_variance(0.0, 1.0, 0), "dims: expected a whole number ≥ 1; got 0"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
