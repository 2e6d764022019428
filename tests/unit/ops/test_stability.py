"""Step lengths: on a quadratic loss the optimiser itself comes to rest below the bound and runs away above it."""

import math

import pytest
import torch

from mmlearn.ops.optimisers import sgd_momentum
from mmlearn.ops.stability import effective_learning_rate, learning_rate_bound

CURVATURES = torch.tensor([0.3, 1.0, 7.5], dtype=torch.float64)


def distance_after(steps, lr, momentum):
    theta, state = torch.ones(3, dtype=torch.float64), None
    for _ in range(steps):
        theta, state = sgd_momentum(theta, CURVATURES * theta, state, lr=lr, momentum=momentum)
    return theta.abs().max().item()


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9])
def test_descent_comes_to_rest_below_the_bound_and_runs_away_above_it(momentum):
    bound = learning_rate_bound(CURVATURES.max().item(), momentum)
    assert distance_after(1000, 0.98 * bound, momentum) < 1e-3
    assert distance_after(1000, 1.02 * bound, momentum) > 1e3


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_bound_is_where_the_largest_root_leaves_the_unit_circle(momentum):
    """θ' = (1 + β − ηλ)θ − βθ₋₁: the step's matrix on (θ, θ₋₁) has the spectral radius 1 at the bound."""
    lr = learning_rate_bound(4.0, momentum)
    step = torch.tensor([[1 + momentum - lr * 4.0, -momentum], [1.0, 0.0]], dtype=torch.float64)
    assert torch.linalg.eigvals(step).abs().max().item() == pytest.approx(1.0)


def test_a_constant_gradient_is_followed_at_the_effective_rate():
    theta, state, lr, momentum = torch.zeros(1, dtype=torch.float64), None, 0.02, 0.9
    gradient = torch.tensor([3.0], dtype=torch.float64)
    for _ in range(400):
        before = theta
        theta, state = sgd_momentum(theta, gradient, state, lr=lr, momentum=momentum)
    assert (before - theta).item() == pytest.approx(3.0 * effective_learning_rate(lr, momentum))


def test_without_momentum_the_effective_rate_is_the_rate():
    assert effective_learning_rate(0.1, 0) == 0.1


@pytest.mark.parametrize("curvature", [0.0, -1.0, math.nan, "steep", None])
def test_a_curvature_that_bounds_nothing_is_refused(curvature):
    with pytest.raises(ValueError, match=r"curvature: expected the largest curvature, a number > 0; got"):
        learning_rate_bound(curvature)


@pytest.mark.parametrize("momentum", [1.0, -0.1, math.nan, None])
def test_a_momentum_that_never_rests_is_refused(momentum):
    for function in (learning_rate_bound, effective_learning_rate):
        with pytest.raises(ValueError, match=r"momentum: expected a number from 0 to below 1"):
            function(1.0, momentum)


def test_a_negative_rate_is_refused():
    with pytest.raises(ValueError, match=r"lr: expected a number ≥ 0; got -0.1"):
        effective_learning_rate(-0.1, 0.5)
