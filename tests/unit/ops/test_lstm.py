"""The LSTM: what its cell carries, and what happens where its gates are open or shut."""

import pytest
import torch
from torch.autograd.functional import jacobian

from mmlearn.ops.lstm import lstm_cell, lstm_cell_backward, lstm_recurrence, lstm_recurrence_backward


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_along_the_cell_alone_the_jacobian_is_the_forget_gate():
    """∂c_t/∂c_{t−1} = diag(f_t) while h_{t−1}, which the gates see, is held."""
    x, h, c, w_ih, w_hh = numbers(1, 3), numbers(1, 4, seed=1), numbers(1, 4, seed=2), numbers(16, 3), numbers(16, 4)
    along = jacobian(lambda cell: lstm_cell(x, (h, cell), w_ih, w_hh)[1][0], c)[:, 0]
    f = torch.sigmoid(x @ w_ih[4:8].mT + h @ w_hh[4:8].mT)[0]
    torch.testing.assert_close(along, torch.diag(f))
    nothing, one = torch.zeros(1, 4).double(), torch.ones(1, 4).double()
    grads = lstm_cell_backward((nothing, one), x, (h, c), w_ih, w_hh)
    torch.testing.assert_close(grads.hx[1][0], f)


def test_over_many_steps_the_path_along_the_cell_is_the_product_of_the_forget_gates():
    T, H = 5, 3
    projected, w_hh = numbers(T, 1, 4 * H), torch.zeros(4 * H, H).double()  # no path through h: the gates do not see it
    hx, cx = numbers(1, H, seed=1), numbers(1, H, seed=2)
    along = jacobian(lambda cx: lstm_recurrence(projected, hx, cx, w_hh)[1, -1, 0], cx)[:, 0]
    torch.testing.assert_close(along, torch.diag(torch.sigmoid(projected[:, 0, H : 2 * H]).prod(0)))


def test_a_shut_input_and_an_open_forget_gate_carry_the_cell_through_any_time():
    T, H = 1000, 2
    projected = torch.zeros(T, 1, 4 * H).double()
    projected[..., :H], projected[..., H : 2 * H] = -100, 100
    cx = numbers(1, H).requires_grad_()
    states = lstm_recurrence(projected, torch.zeros(1, H).double(), cx, torch.zeros(4 * H, H).double())
    torch.testing.assert_close(states[1, -1], cx.detach())
    (grad,) = torch.autograd.grad(states[1, -1].sum(), cx)
    torch.testing.assert_close(grad, torch.ones_like(grad))


def test_the_pair_may_be_a_list_and_the_outputs_are_two_tensors():
    x, states, w_ih, w_hh = numbers(2, 3), numbers(2, 2, 4, seed=1), numbers(16, 3), numbers(16, 4)
    h, c = lstm_cell(x, list(states), w_ih, w_hh)
    expected = torch.lstm_cell(x, tuple(states), w_ih, w_hh, torch.zeros(16).double(), torch.zeros(16).double())
    torch.testing.assert_close((h, c), expected)
    assert h.view(-1).shape == c.view(-1).shape == (8,)


X, S, W, U, B = torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(16, 3), torch.zeros(16, 4), torch.zeros(16)
A = torch.zeros(5, 2, 16)
WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    (lambda: lstm_cell(X, S, W, U), "hx", "Tensor", r"a pair of tensors \(h, c\)"),
    (lambda: lstm_cell(X, (S, S, S), W, U), "hx", "3 of them", "a pair"),
    (lambda: lstm_cell(X, None, W, U), "hx", "NoneType", "a pair"),
    (lambda: lstm_cell(X, (S, S[:, :3]), W, U), r"hx\[1\]", r"shape \(2, 3\)", r"\(2, 4\)"),
    (lambda: lstm_cell(X, (S[:1], S), W, U), r"hx\[0\]", r"shape \(1, 4\)", r"\(2, 4\)"),
    (lambda: lstm_cell(X, (S, S.half()), W, U), r"hx\[1\]", "float16", "float32 on cpu, as input is"),
    (lambda: lstm_cell(X[None], (S, S), W, U), "input", r"shape \(1, 2, 3\)", r"\(N, D\)"),
    (lambda: lstm_cell(X, (S, S), W[:12], U), "w_ih", r"shape \(12, 3\)", r"\(16, 3\): 4·H"),
    (lambda: lstm_cell(X, (S, S), W, U[:12]), "w_hh", r"shape \(12, 4\)", r"\(4·H, H\)"),
    (lambda: lstm_cell(X, (S, S), W, U, B[:4]), "b_ih", r"shape \(4,\)", r"\(16,\)"),
    (lambda: lstm_cell(X, (S, S), W, U, B, B.double()), "b_hh", "float64", "float32"),
    (lambda: lstm_cell_backward(S, X, (S, S), W, U), "grad_output", "Tensor", "a pair of tensors"),
    (lambda: lstm_cell_backward((S, X), X, (S, S), W, U), "grad_output", r"shape \(2, 3\)", r"shape \(2, 4\)"),
    (lambda: lstm_recurrence(A[:0], S, S, U), "projected", r"shape \(0, 2, 16\)", "at least one time step"),
    (lambda: lstm_recurrence(A[..., :12], S, S, U), "projected", r"\(5, 2, 12\)", r"\(T, N, 16\)"),
    (lambda: lstm_recurrence(A, S, X, U), "cx", r"shape \(2, 3\)", r"\(2, 4\)"),
    (lambda: lstm_recurrence(A, S, S, U, truncate=-1), "truncate", "-1", "a whole number ≥ 1"),
    (lambda: lstm_recurrence_backward(A[..., :4], A, S, S, U), "grad_output", r"\(5, 2, 4\)", r"\(2, 5, 2, 4\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
