"""What gates do to a memory: closed forms against the recursion, Jacobians against autograd, biases against the sigmoid."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmlearn.ops.gates import cell_gradients, direct_path, forget_bias, gated_sum, lstm_gates, lstm_step_jacobian, shares_left

SIZES = st.integers(1, 5)


def drawn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(T=st.integers(1, 7), H=SIZES, seed=st.integers(0, 999))
def test_the_closed_form_is_the_recursion(T, H, seed):
    f, u, c = drawn(seed, T, H).sigmoid(), drawn(seed + 1, T, H), drawn(seed + 2, H)
    state = c
    for step in range(T):
        state = f[step] * state + u[step]
    torch.testing.assert_close(gated_sum(f, u, c), state)
    torch.testing.assert_close(gated_sum(f, u), gated_sum(f, u, torch.zeros_like(c)))


def test_the_shares_by_hand():
    f = torch.tensor([0.3, 0.5, 0.25])
    assert shares_left(f).tolist() == [0.125, 0.25, 1.0]
    torch.testing.assert_close(direct_path(f), torch.tensor([0.0375, 0.125, 0.25, 1.0]))


def test_a_closed_gate_forgets_everything_before_it_and_nothing_after():
    f = torch.tensor([1.0, 0.0, 1.0, 1.0])
    assert shares_left(f).tolist() == [0, 1, 1, 1]  # what is written at the step that forgets stays


@settings(max_examples=20, deadline=None)
@given(T=st.integers(1, 6), N=SIZES, D=SIZES, H=SIZES, bias=st.booleans(), seed=st.integers(0, 999))
def test_the_gates_are_those_of_torch(T, N, D, H, bias, seed):
    torch.manual_seed(seed)
    layer = nn.LSTM(D, H, bias=bias).double()
    x, state = drawn(seed, T, N, D), (drawn(seed + 1, N, H), drawn(seed + 2, N, H))
    found = lstm_gates(x, state, *layer.parameters())
    output, (_, last) = layer(x, (state[0][None], state[1][None]))
    torch.testing.assert_close(found.h, output)
    torch.testing.assert_close(found.c[-1], last[0])
    torch.testing.assert_close(found.h, found.o * found.c.tanh())
    torch.testing.assert_close(gated_sum(found.f, found.i * found.g, state[1]), found.c[-1])
    from_zero = lstm_gates(x, None, *layer.parameters())
    torch.testing.assert_close(from_zero.h, layer(x)[0])


@settings(max_examples=20, deadline=None)
@given(T=st.integers(1, 6), H=SIZES, seed=st.integers(0, 999))
def test_the_direct_path_is_the_gradient_when_the_gates_are_constants(T, H, seed):
    f, u = drawn(seed, T, H).sigmoid(), drawn(seed + 1, T, H)
    cells = [drawn(seed + 2, H).requires_grad_()]
    for step in range(T):
        cells.append(f[step] * cells[-1] + u[step])
    gradients = torch.autograd.grad(cells[-1].sum(), cells)
    torch.testing.assert_close(direct_path(f), torch.stack(gradients))


@settings(max_examples=20, deadline=None)
@given(D=SIZES, H=SIZES, bias=st.booleans(), seed=st.integers(0, 999))
def test_the_jacobian_of_a_step_is_autograds(D, H, bias, seed):
    torch.manual_seed(seed)
    cell = nn.LSTMCell(D, H, bias=bias).double()
    weights = [p.detach() for p in cell.parameters()]
    x, h, c = drawn(seed, D), drawn(seed + 1, H), drawn(seed + 2, H)

    def step(h, c):
        return torch.lstm_cell(x[None], (h[None], c[None]), *weights, *([None, None] if not bias else []))

    right = torch.autograd.functional.jacobian(step, (h, c))
    found = lstm_step_jacobian(x, (h, c), *weights)
    for block, judge in zip(found, (right[0][0], right[0][1], right[1][0], right[1][1]), strict=True):
        torch.testing.assert_close(block, judge[0])


@settings(max_examples=20, deadline=None)
@given(T=st.integers(1, 5), N=SIZES, H=SIZES, bias=st.booleans(), seed=st.integers(0, 999))
def test_the_gradients_of_all_cells_are_the_products_of_the_steps_jacobians(T, N, H, bias, seed):
    torch.manual_seed(seed)
    cell = nn.LSTMCell(2, H, bias=bias).double()
    weights = [p.detach() for p in cell.parameters()]
    x, state, upstream = drawn(seed, T, N, 2), (drawn(seed + 1, N, H), drawn(seed + 2, N, H)), drawn(seed + 3, N, H)
    gates = lstm_gates(x, state, *weights)
    found = cell_gradients(upstream, x, state, *weights)
    for n in range(N):
        dh, dc = torch.zeros(H).double(), upstream[n]
        for t in reversed(range(T)):
            torch.testing.assert_close(found[t + 1, n], dc + dh * gates.o[t, n] * (1 - gates.c[t, n].tanh() ** 2))
            old = (gates.h[t - 1, n], gates.c[t - 1, n]) if t else (state[0][n], state[1][n])
            blocks = lstm_step_jacobian(x[t, n], old, *weights)
            dh, dc = blocks.h_by_h.T @ dh + blocks.c_by_h.T @ dc, blocks.h_by_c.T @ dh + blocks.c_by_c.T @ dc
        torch.testing.assert_close(found[0, n], dc)  # h_0 is given and does not depend on c_0
    direct = cell_gradients(upstream, x, state, *weights, through_gates=False)
    torch.testing.assert_close(direct, direct_path(gates.f) * upstream)


def test_the_cell_by_the_cell_is_the_forget_gate_and_nothing_else():
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 4).double()
    weights = [p.detach() for p in cell.parameters()]
    x, h, c = drawn(1, 3), drawn(2, 4), drawn(3, 4)
    f = lstm_gates(x[None, None], (h[None], c[None]), *weights).f[0, 0]
    torch.testing.assert_close(lstm_step_jacobian(x, (h, c), *weights).c_by_c, torch.diag(f))


@pytest.mark.parametrize("steps", [1.5, 2, 10, 1000])
def test_a_gate_with_this_bias_is_open_to_all_but_one_part_in_tau(steps):
    assert torch.tensor(forget_bias(steps)).sigmoid().item() == pytest.approx(1 - 1 / steps, rel=1e-5)
    assert torch.tensor(-forget_bias(steps)).sigmoid().item() == pytest.approx(1 / steps, rel=1e-5)


def test_about_a_third_is_left_after_so_many_steps():
    kept = torch.tensor(forget_bias(500), dtype=torch.float64).sigmoid() ** 500
    assert kept.item() == pytest.approx(math.exp(-1), abs=1e-3)


@pytest.mark.parametrize("steps", [1, 0, -3, math.inf, "ten", True])
def test_a_number_of_steps_that_has_no_bias_is_refused(steps):
    with pytest.raises(ValueError, match="steps: expected a number of steps greater than 1"):
        forget_bias(steps)


def test_what_does_not_fit_is_named():
    f = torch.ones(3, 2)
    with pytest.raises(ValueError, match=r"written: expected \(3, 2\), as forget"):
        gated_sum(f, torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"forget: expected .* at least one time step"):
        direct_path(torch.ones(0, 2))
    with pytest.raises(ValueError, match="forget: expected floating-point"):
        shares_left(torch.ones(3, dtype=torch.int64))
    weights = [p.detach() for p in nn.LSTMCell(3, 4).parameters()]
    with pytest.raises(ValueError, match=r"input: expected \(T, N, D\)"):
        lstm_gates(torch.ones(2, 3), None, *weights)
    with pytest.raises(ValueError, match="at least one time step"):
        lstm_gates(torch.ones(0, 2, 3), None, *weights)
    with pytest.raises(ValueError, match=r"upstream: expected \(2, 4\): \(N, H\); got shape \(2, 3\)"):
        cell_gradients(torch.ones(2, 3), torch.ones(5, 2, 3), None, *weights)
    with pytest.raises(ValueError, match=r"input: expected \(D,\), one example"):
        lstm_step_jacobian(torch.ones(1, 3), (torch.ones(4), torch.ones(4)), *weights)
    with pytest.raises(ValueError, match=r"hx\[1\]: expected \(4,\), one example"):
        lstm_step_jacobian(torch.ones(3), (torch.ones(4), torch.ones(1, 4)), *weights)
