import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.training.multitask import (
    DWA,
    GradNorm,
    Uncertainty,
    dwa_weights,
    gradnorm_loss,
    settled,
    uncertainty,
)

positive = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5).map(lambda values: torch.tensor(values, dtype=torch.float64))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(-3, 3))
def test_for_squared_errors_it_is_the_gaussians_log_likelihood(seed, s):
    """−log N(y; ŷ, σ²) without the constant ½ log 2π, averaged, with s = log σ²."""
    error = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    gaussian = torch.distributions.Normal(0.0, torch.tensor(s, dtype=torch.float64).div(2).exp())
    expected = -gaussian.log_prob(error).mean() - 0.5 * math.log(2 * math.pi)
    ours = uncertainty((error**2).mean()[None], torch.tensor([s], dtype=torch.float64))
    torch.testing.assert_close(ours, expected)


@settings(max_examples=50, deadline=None)
@given(positive)
def test_where_s_settles_its_derivative_is_zero_and_each_loss_weighs_half_its_inverse(losses):
    s = settled(losses).requires_grad_()
    losses = losses.clone().requires_grad_()
    value = uncertainty(losses, s)
    grad_s, grad_losses = torch.autograd.grad(value, [s, losses])
    torch.testing.assert_close(grad_s, torch.zeros_like(s), atol=1e-9, rtol=0)
    torch.testing.assert_close(grad_losses, 0.5 / losses.detach())
    torch.testing.assert_close(value, 0.5 * (1 + losses.log()).sum())


@settings(max_examples=50, deadline=None)
@given(positive, st.sampled_from([0.01, 100.0]))
def test_a_settled_weight_cancels_the_scale_of_its_loss(losses, factor):
    torch.testing.assert_close(factor * losses * (-settled(factor * losses)).exp(), losses * (-settled(losses)).exp())


def test_uncertainty_trains_its_s_to_the_logarithm_of_the_loss():
    combine = Uncertainty(3)
    losses = torch.tensor([0.2, 1.0, 30.0])
    optimizer = torch.optim.Adam(combine.parameters(), lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        combine(losses).backward()
        optimizer.step()
    torch.testing.assert_close(combine.s.detach(), losses.log(), atol=0.02, rtol=0)
    torch.testing.assert_close(combine.weights, 0.5 / losses, rtol=0.03, atol=0)


def test_the_s_of_an_absent_task_stays_where_it_is():
    combine = Uncertainty(2)
    combine(torch.tensor([0.7, 0.0])).backward()
    assert combine.s.grad[1] == 0
    assert combine.s.grad[0] != 0


@settings(max_examples=50, deadline=None)
@given(positive, st.floats(0.5, 2), st.floats(0.5, 5))
def test_dwa_gives_k_weights_in_all_more_to_who_falls_least_and_does_not_see_scales(before, fall, temperature):
    last = before * torch.linspace(0.5, 1.0, len(before), dtype=torch.float64) * fall
    weights = dwa_weights(last, before, temperature)
    torch.testing.assert_close(weights.sum(), torch.tensor(float(len(before)), dtype=torch.float64))
    assert (weights.diff() >= 0).all()
    torch.testing.assert_close(dwa_weights(100 * last, 100 * before, temperature), weights)


def test_dwa_by_hand():
    weights = dwa_weights(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 1.0]), temperature=0.5)
    e = math.exp(-1.0)  # ratios ½ and 1, over ½: 1 and 2
    torch.testing.assert_close(weights, torch.tensor([2 * e / (1 + e), 2 / (1 + e)]))


def run_epoch(combine, *batches):
    combine.begin_epoch()
    values = [combine(torch.tensor(losses)).item() for losses in batches]
    combine.end_epoch()
    return values


def test_dwa_uses_the_means_of_the_two_epochs_before():
    combine = DWA(2, temperature=1.0)
    assert run_epoch(combine, [4.0, 1.0], [2.0, 1.0]) == [5.0, 3.0]
    assert run_epoch(combine, [1.5, 1.0], [1.5, 1.0]) == [2.5, 2.5]
    expected = dwa_weights(torch.tensor([1.5, 1.0]), torch.tensor([3.0, 1.0]), 1.0)
    torch.testing.assert_close(combine.weights, expected)
    assert run_epoch(combine, [1.0, 0.0])[0] == pytest.approx(expected[0].item())


def test_dwa_forgets_an_epoch_that_broke_off_and_keeps_the_mean_of_a_task_that_was_absent():
    combine = DWA(2)
    run_epoch(combine, [2.0, 3.0])
    combine.begin_epoch()
    combine(torch.tensor([100.0, 100.0]))
    run_epoch(combine, [1.0, 0.0], [1.0, 0.0])
    assert combine.last.tolist() == [1.0, 3.0]
    assert combine.before.tolist() == [2.0, 3.0]
    run_epoch(combine, [1.0, 0.0], [1.0, 5.0])
    assert combine.last.tolist() == [1.0, 5.0]  # the mean of the batches that had it


def test_gradnorms_loss_is_zero_for_like_norms_of_tasks_that_keep_up():
    weights = torch.tensor([0.5, 2.0], requires_grad=True)
    assert gradnorm_loss(weights, torch.tensor([4.0, 1.0]), torch.ones(2)) == 0
    gradnorm_loss(weights, torch.tensor([8.0, 1.0]), torch.ones(2)).backward()
    assert weights.grad.tolist() == [8.0, -1.0]  # the target counts as a constant: ± the norm
    assert gradnorm_loss(weights, torch.tensor([4.0, 1.0]), torch.tensor([0.5, 1.5]), alpha=1.0).item() == pytest.approx(2.0)


def test_gradnorm_finds_weights_that_make_the_norms_alike():
    """Two tasks on one shared weight, one of them 10 times as loud."""
    torch.manual_seed(0)
    shared, a, b = torch.randn(5, 4, requires_grad=True), torch.randn(5), torch.randn(5)
    combine = GradNorm(2, shared, alpha=0.0)
    optimizer = torch.optim.Adam(combine.parameters(), lr=0.01)

    def both():
        z = shared.sum(1)
        return torch.stack([10 * (z - a).square().mean(), (z - b).square().mean()])

    for _ in range(400):
        optimizer.zero_grad()
        combine(both()).backward()
        optimizer.step()
    norms = torch.stack([torch.autograd.grad(both()[k], shared)[0].norm() for k in range(2)])
    loud, quiet = combine.weights * norms
    assert loud / quiet == pytest.approx(1, abs=0.2)
    assert combine.weights.sum() == pytest.approx(2)


def test_gradnorms_value_and_the_models_gradient_are_those_of_the_weighted_losses():
    shared = torch.tensor([1.0, -2.0], requires_grad=True)
    combine = GradNorm(2, shared)
    losses = torch.stack([shared.square().sum(), (3 * shared).sum().square()])
    value = combine(losses)
    value.backward(retain_graph=True)
    found, shared.grad = shared.grad, None
    losses.sum().backward()
    assert value == losses.sum()
    torch.testing.assert_close(found, shared.grad)
    assert combine.w.grad.abs().min() > 0
    assert [*combine.parameters()] == [combine.w]  # the model's parameter is not trained twice


def test_gradnorm_with_one_task_present_or_without_gradients_is_a_weighted_sum():
    shared = torch.tensor([1.0], requires_grad=True)
    combine = GradNorm(2, shared)
    assert combine(torch.stack([shared.sum(), 0 * shared.sum()])) == 1
    assert combine.first.tolist() == [1.0, 0.0]  # the absent one begins when it comes
    with torch.no_grad():
        assert combine(torch.tensor([2.0, 3.0])) == 5


@pytest.mark.parametrize("make", [Uncertainty, DWA, lambda K: GradNorm(K, torch.ones(2, requires_grad=True))])
def test_another_number_of_losses_is_refused(make):
    with pytest.raises(ValueError, match=r"losses: expected \(2,\), one for each task; got shape \(3,\)"):
        make(2)(torch.ones(3))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Uncertainty(0), "tasks: expected a whole number ≥ 1"),
        (lambda: DWA(2, temperature=0), "temperature: expected a number above 0"),
        (lambda: GradNorm(2, torch.ones(3)), "shared: expected a model's parameter"),
    ],
)
def test_wrong_settings_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
