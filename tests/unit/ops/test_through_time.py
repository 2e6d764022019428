"""Gradients through time: products, bounds that hold, growth that random networks show, and what truncation takes away."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.recurrent import rnn_tanh_recurrence, rnn_tanh_recurrence_backward
from mmlearn.ops.through_time import (
    expected_growth,
    gradient_by_lag,
    gradient_norms,
    kept_share,
    state_jacobian,
    state_jacobian_bounds,
)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(T=6, N=3, H=4, scale=1.0, inputs=0.7, seed=0):
    """projected (T, N, H), h_0 (N, H), w_hh (H, H), states (T, N, H)."""
    w_hh = scale * randn(H, H, seed=seed) / H**0.5
    projected, hx = inputs * randn(T, N, H, seed=seed + 1), 0.3 * randn(N, H, seed=seed + 2)
    return projected, hx, w_hh, rnn_tanh_recurrence(projected, hx, w_hh)


def test_the_product_is_the_jacobian_of_the_last_state_by_the_first():
    projected, hx, w_hh, states = network()
    for n in range(len(hx)):
        one = torch.func.jacrev(lambda h, n=n: rnn_tanh_recurrence(projected[:, n : n + 1], h[None], w_hh)[-1, 0])(hx[n])
        torch.testing.assert_close(state_jacobian(states, w_hh)[n], one)
        torch.testing.assert_close(state_jacobian(states[:, n], w_hh), one)


def test_from_a_later_state_on_it_is_the_jacobian_by_that_state():
    _, _, w_hh, states = network()
    ahead, behind = state_jacobian(states[4:], w_hh), state_jacobian(states[:4], w_hh)
    torch.testing.assert_close(ahead @ behind, state_jacobian(states, w_hh))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.3, 1.0, 3.0]))
def test_no_jacobian_is_longer_than_its_bound(seed, scale):
    _, _, w_hh, states = network(scale=scale, seed=seed)
    bounds = state_jacobian_bounds(states, w_hh)
    assert (bounds[-1] == 1).all()
    for t in range(len(states)):
        norms = torch.linalg.matrix_norm(state_jacobian(states[t:], w_hh), 2)
        assert (norms <= bounds[t] * (1 + 1e-12)).all()


def test_the_bound_is_reached_by_an_orthogonal_matrix_at_rest():
    w_hh = 0.9 * torch.linalg.qr(randn(5, 5))[0]
    states = torch.zeros(7, 2, 5, dtype=torch.float64)
    norms = gradient_norms(randn(2, 5, seed=1), states, w_hh)
    torch.testing.assert_close(norms / norms[-1], state_jacobian_bounds(states, w_hh))
    torch.testing.assert_close(expected_growth(states, w_hh), state_jacobian_bounds(states, w_hh))


def test_the_norms_are_those_of_autograd():
    projected, hx, w_hh, _ = network()
    state, visited = hx.clone().requires_grad_(), []
    for a in (None, *projected):
        state = state if a is None else torch.tanh(a + state @ w_hh.mT)
        state.retain_grad()
        visited.append(state)
    sent = randn(*hx.shape, seed=9)
    state.backward(sent)
    expected = torch.stack([h.grad.norm(dim=1) for h in visited])
    torch.testing.assert_close(gradient_norms(sent, torch.stack(visited[1:]).detach(), w_hh), expected)


@pytest.mark.parametrize("scale", [0.6, 1.2, 2.0])
def test_random_networks_grow_as_expected(scale):
    for seed in range(3):
        _, _, w_hh, states = network(T=20, N=8, H=200, scale=scale, inputs=0.3, seed=10 * seed)
        norms = gradient_norms(randn(8, 200, seed=5), states, w_hh)
        measured = (norms[0] / norms[-1]).log().mean() / 20
        expected = expected_growth(states, w_hh)[0].log().mean() / 20
        assert measured.item() == pytest.approx(expected.item(), abs=0.03)


def test_the_lags_add_up_to_the_gradient():
    projected, hx, w_hh, states = network()
    sent = randn(*states.shape, seed=3)
    by_lag = gradient_by_lag(sent, states, hx, w_hh)
    exact = rnn_tanh_recurrence_backward(sent, projected, hx, w_hh)
    torch.testing.assert_close(by_lag.sum(0), exact.w_hh)


def test_truncation_after_every_step_keeps_lag_zero_alone():
    projected, hx, w_hh, states = network()
    sent = randn(*states.shape, seed=3)
    truncated = rnn_tanh_recurrence_backward(sent, projected, hx, w_hh, truncate=1)
    torch.testing.assert_close(gradient_by_lag(sent, states, hx, w_hh)[0], truncated.w_hh)


def test_a_lag_is_what_a_loss_at_one_time_tells_a_weight_used_at_another():
    projected, hx, w_hh, states = network(N=1)
    sent = randn(*states.shape, seed=3)
    found = torch.zeros_like(w_hh)
    for t in range(len(states) - 2):  # the copy of w_hh used at step t alone, and the loss two steps later
        copy = w_hh.clone().requires_grad_()
        state = hx
        for k in range(t + 3):
            state = torch.tanh(projected[k] + state @ (copy if k == t else w_hh).mT)
        found += torch.autograd.grad((state * sent[t + 2]).sum(), copy)[0]
    torch.testing.assert_close(gradient_by_lag(sent, states, hx, w_hh)[2], found)


@pytest.mark.parametrize(("steps", "truncate"), [(12, 1), (12, 3), (12, 12), (20, 5)])
def test_the_kept_share_is_counted_pair_by_pair(steps, truncate):
    for lag in range(steps):
        pairs = [(t, t + lag) for t in range(steps - lag)]
        inside = [t // truncate == s // truncate for t, s in pairs]
        assert kept_share(lag, truncate, steps) == pytest.approx(sum(inside) / len(pairs))


def test_wrong_arguments_are_named():
    states, w_hh = torch.zeros(3, 2, 4), torch.zeros(4, 4)
    for function in (state_jacobian, state_jacobian_bounds, expected_growth):
        with pytest.raises(ValueError, match=r"w_hh: expected \(4, 4\), as states have 4 units; got shape \(5, 5\)"):
            function(states, torch.zeros(5, 5))
        with pytest.raises(ValueError, match="states: expected at least one time step"):
            function(states[:0], w_hh)
    with pytest.raises(ValueError, match=r"grad: expected \(2, 4\)"):
        gradient_norms(torch.zeros(4), states, w_hh)
    with pytest.raises(ValueError, match=r"grad_output: expected \(3, 2, 4\)"):
        gradient_by_lag(states[:2], states, states[0], w_hh)
    with pytest.raises(ValueError, match=r"hx: expected \(2, 4\)"):
        gradient_by_lag(states, states, states, w_hh)
    with pytest.raises(ValueError, match="truncate: expected a divisor of steps = 10"):
        kept_share(1, 4, 10)
    with pytest.raises(ValueError, match="lag: expected less than steps = 8"):
        kept_share(8, 4, 8)
