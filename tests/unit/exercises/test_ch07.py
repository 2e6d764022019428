"""Chapter 07: each mistake is named, right answers in other styles pass, and the right answers are those of torch."""

import pytest
import torch
from torch import nn

from mmlearn import ops
from mmlearn.exercises import ch07, verify
from mmlearn.ops.spectral_radius import spectral_radius


def by_torchs_layer(x, h0, w_ih, w_hh, b):
    return torch.rnn_tanh(x, h0[None], [w_ih, w_hh, b, torch.zeros_like(b)], True, 1, 0.0, False, False, False)[0]


def concatenated(x, h0, w_ih, w_hh, b):
    weight = torch.cat([w_hh, w_ih], 1)
    states = [h0]
    for t in range(len(x)):
        states.append((torch.cat([states[-1], x[t]], 1) @ weight.mT + b).tanh())
    return torch.stack(states[1:])


def test_rnn_states():
    verify(ch07.rnn_states, also_right=[by_torchs_layer, concatenated])


def by_autograd(grad_output, x, h0, states, w_hh):
    """The gradients from the steps alone: each δ_t is the gradient of a_t = artanh(h_t)."""
    with torch.enable_grad():
        added = torch.atanh(states) - torch.cat([h0[None], states[:-1]]) @ w_hh.mT  # W_ih x_t + b
        moved = torch.zeros_like(added).requires_grad_()
        h, found = h0, []
        for a, more in zip(added, moved, strict=True):
            h = torch.tanh(a + more + h @ w_hh.mT)
            found.append(h)
        (delta,) = torch.autograd.grad(torch.stack(found), moved, grad_output)
    old = torch.cat([h0[None], states[:-1]])
    return delta.flatten(0, 1).mT @ x.flatten(0, 1), delta.flatten(0, 1).mT @ old.flatten(0, 1), delta.sum((0, 1))


def step_by_step(grad_output, x, h0, states, w_hh):
    """The sums are collected on the way."""
    w_ih_grad, w_hh_grad, b_grad = 0, 0, 0
    message = 0
    for t in range(len(x) - 1, -1, -1):
        delta = (grad_output[t] + message) * (1 - states[t].square())
        w_ih_grad = w_ih_grad + delta.T @ x[t]
        w_hh_grad = w_hh_grad + delta.T @ (states[t - 1] if t else h0)
        b_grad = b_grad + delta.sum(0)
        message = delta @ w_hh
    return w_ih_grad, w_hh_grad, b_grad


def test_bptt():
    verify(ch07.bptt, also_right=[by_autograd, step_by_step])


def test_claims():
    verify(ch07.claims, also_right=[[True, False, False, True, False, False]])


def test_the_counterexample_of_the_hint_is_one():
    pair = torch.tensor([[3.0, -3.0], [3.0, -3.0]], dtype=torch.float64)
    assert spectral_radius(pair) < 1e-6
    assert spectral_radius(torch.diag(torch.tensor([1.0, 0.5], dtype=torch.float64)) @ pair).item() == pytest.approx(1.5)


@pytest.mark.parametrize("answer", [(True, False, False, True), True, "A and D"])
def test_an_answer_of_another_form_is_told_what_is_asked_for(answer):
    assert ch07.claims.judge(answer).status == "failed"


@pytest.mark.parametrize("code", range(63))
def test_no_other_set_of_claims_is_called_right(code):
    right = ch07.claims.oracle
    answer = tuple(value ^ bool(code + 1 >> place & 1) for place, value in enumerate(right))
    assert ch07.claims.judge(answer).status == "failed"


def by_torchs_optimiser(weights, gradients, lr, max_norm):
    leaves = [nn.Parameter(w.clone()) for w in weights]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient.clone()
    nn.utils.clip_grad_norm_(leaves, max_norm)
    torch.optim.SGD(leaves, lr=lr).step()
    return [leaf.detach() for leaf in leaves]


def by_the_courses_function(weights, gradients, lr, max_norm):
    clipped, _ = ops.clip_grad_norm(gradients, max_norm)
    return [w - lr * g for w, g in zip(weights, clipped, strict=True)]


def test_clipped_step():
    verify(ch07.clipped_step, also_right=[by_torchs_optimiser, by_the_courses_function])


def test_a_step_that_divides_by_a_norm_of_zero_is_told_so():
    def divides(weights, gradients, lr, max_norm):
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        if norm > 0:
            return by_the_courses_function(weights, gradients, lr, max_norm)
        return [w - lr * g * (max_norm / norm) for w, g in zip(weights, gradients, strict=True)]

    assert "gradient of zero gives NaN" in ch07.clipped_step.judge(divides).diagnosis


def by_windows(grad_output, h0, states, w_hh, k):
    """Each window by itself, with the gradients of the untruncated exercise."""
    total, before = torch.zeros_like(w_hh), torch.cat([h0[None], states])
    for start in range(0, len(states), k):
        window = slice(start, start + k)
        no_input = states[window][..., :1] * 0
        total = total + ch07.bptt.oracle(grad_output[window], no_input, before[start], states[window], w_hh)[1]
    return total


def by_detaching(grad_output, h0, states, w_hh, k):
    added = torch.atanh(states) - torch.cat([h0[None], states[:-1]]) @ w_hh.mT
    with torch.enable_grad():
        leaf, h, loss = w_hh.detach().clone().requires_grad_(), h0, 0
        for t, a in enumerate(added):
            h = torch.tanh(a + (h.detach() if t % k == 0 else h) @ leaf.mT)
            loss = loss + (grad_output[t] * h).sum()
        return torch.autograd.grad(loss, leaf)[0]


def test_truncated_bptt():
    verify(ch07.truncated_bptt, also_right=[by_windows, by_detaching])


def test_truncated_bptt_is_that_of_ops():
    generator = torch.Generator().manual_seed(0)
    a, w_hh, sent = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((7, 2, 3), (3, 3), (7, 2, 3)))
    h0 = torch.zeros(2, 3, dtype=torch.float64)
    states = ops.rnn_tanh_recurrence(a, h0, w_hh)
    expected = ops.rnn_tanh_recurrence_backward(sent, a, h0, w_hh, truncate=3).w_hh
    torch.testing.assert_close(ch07.truncated_bptt.oracle(sent, h0, states, w_hh, 3), expected)


def one_by_one(x, mask, h0, w_ih, w_hh, b):
    """Each sequence alone, up to its end; then its last state again and again."""
    columns = []
    for n in range(x.shape[1]):
        h, column = h0[n], []
        for t in range(len(x)):
            if mask[t, n]:
                h = torch.tanh(w_ih @ x[t, n] + w_hh @ h + b)
            column.append(h)
        columns.append(torch.stack(column))
    return torch.stack(columns, 1)


def by_ops(x, mask, h0, w_ih, w_hh, b):
    projected = x.masked_fill(~mask[..., None], 0) @ w_ih.mT + b
    return ops.rnn_tanh_recurrence(projected, h0, w_hh, mask)


def test_masked_states():
    verify(ch07.masked_states, also_right=[one_by_one, by_ops])


def by_the_courses_rnn(x, lengths, forward, backward):
    zero = torch.zeros_like(forward[2])
    params = [*forward, zero, *backward, zero]
    _, last = ops.rnn_tanh(x, None, params, bidirectional=True, batch_first=True, lengths=lengths)
    return torch.cat(list(last), 1)


def by_packing(x, lengths, forward, backward):
    H, D = forward[0].shape
    layer = nn.RNN(D, H, batch_first=True, bidirectional=True).to(x.dtype)
    with torch.no_grad():
        for suffix, (w_ih, w_hh, b) in (("", forward), ("_reverse", backward)):
            getattr(layer, f"weight_ih_l0{suffix}").copy_(w_ih)
            getattr(layer, f"weight_hh_l0{suffix}").copy_(w_hh)
            getattr(layer, f"bias_ih_l0{suffix}").copy_(b)
            getattr(layer, f"bias_hh_l0{suffix}").zero_()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return torch.cat(list(layer(packed)[1]), 1)


def test_repaired_reader():
    verify(ch07.repaired_reader, also_right=[by_the_courses_rnn, by_packing])


def test_the_authors_own_test_sees_none_of_the_three_errors():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, 2, generator=generator, dtype=torch.float64)
    weights = [tuple(torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((3, 2), (3, 3), (3,))) for _ in "fb"]
    every_error = ch07.repaired_reader.mistakes[-1].wrong
    expected = ch07.repaired_reader.oracle(x, torch.tensor([4]), *weights)
    torch.testing.assert_close(every_error(x, torch.tensor([4]), *weights), expected)
