"""Chapter 08: each mistake is named, right answers in other styles pass, and the right answers are those of torch."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.exercises import ch08, verify


def by_gate(x, h, c, w_ih, w_hh, b):
    H = h.shape[1]
    i, f, g, o = (
        F.linear(x, w_ih[n * H : (n + 1) * H]) + F.linear(h, w_hh[n * H : (n + 1) * H], b[n * H : (n + 1) * H]) for n in range(4)
    )
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return [torch.sigmoid(o) * torch.tanh(c), c]


def test_lstm_step():
    verify(ch08.lstm_step, also_right=[by_gate])


def test_bias_for():
    verify(ch08.bias_for, also_right=[lambda steps, share: torch.logit(torch.tensor(share).double() ** (1 / steps)).item()])


@pytest.mark.parametrize(("steps", "share"), [(1, 0.5), (7, 0.2), (400, 0.9)])
def test_so_much_is_left(steps, share):
    kept = torch.tensor(ch08.bias_for.oracle(steps, share), dtype=torch.float64).sigmoid() ** steps
    assert kept.item() == pytest.approx(share)


def by_autograd(grad_h, grad_c, x, h, c, w_ih, w_hh, b):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, h, c, w_ih, w_hh, b)]
    x, h, c, w_ih, w_hh, b = leaves
    outputs = torch.lstm_cell(x, (h, c), w_ih, w_hh, b, torch.zeros_like(b))
    return torch.autograd.grad(outputs, leaves, (grad_h, grad_c))


def test_lstm_step_backward():
    verify(ch08.lstm_step_backward, also_right=[by_autograd])


def sequence_by_autograd(grad_outputs, x, w_ih, w_hh, b):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, w_ih, w_hh, b)]
    x, w_ih, w_hh, b = leaves
    start = x.new_zeros(1, x.shape[1], grad_outputs.shape[2])
    output, _, _ = torch.lstm(x, (start, start), [w_ih, w_hh, b, torch.zeros_like(b)], True, 1, 0.0, False, False, False)
    return torch.autograd.grad(output, leaves, grad_outputs)


def test_repaired_backward():
    verify(ch08.repaired_backward, also_right=[sequence_by_autograd])


def test_the_smallest_test_hides_all_three_errors():
    torch.manual_seed(0)
    H, D = 3, 2
    weights = [torch.randn(4 * H, D).double(), torch.randn(4 * H, H).double(), torch.randn(4 * H).double()]
    published = ch08.repaired_backward.mistakes[-1].wrong
    for T, N, only_last, wrong in ((1, 1, True, 0), (3, 1, True, 4), (1, 2, True, 1)):
        x, grad = torch.randn(T, N, D).double(), torch.randn(T, N, H).double()
        if only_last:
            grad[:-1] = 0
        found, right = published(grad, x, *weights), sequence_by_autograd(grad, x, *weights)
        assert sum(not torch.allclose(a, b) for a, b in zip(found, right, strict=True)) == wrong


def row_by_row(symbols, marked, classes):
    inputs, answers = [], []
    for row, marks in zip(symbols.tolist(), marked.tolist(), strict=True):
        inputs.append(
            [[float(n == symbol) for n in range(classes)] + [float(mark)] for symbol, mark in zip(row, marks, strict=True)]
        )
        answers.append([symbol for symbol, mark in zip(row, marks, strict=True) if mark][-1])
    return torch.tensor(inputs), torch.tensor(answers)


def test_memory_task():
    verify(ch08.memory_task, also_right=[row_by_row])


def by_torch_layers(x, h, w_ih, w_hh, b_ih, b_hh):
    cell = nn.GRUCell(x.shape[1], h.shape[1]).to(x.dtype)
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), (w_ih, w_hh, b_ih, b_hh), strict=True):
            parameter.copy_(value)
        return cell(x, h)


def test_gru_step():
    verify(ch08.gru_step, also_right=[by_torch_layers])


def by_index(read, read_back, x, lengths):
    outputs = None
    for n, length in enumerate(lengths.tolist()):
        order = torch.arange(length - 1, -1, -1)
        both = torch.cat([read(x[n : n + 1, :length]), read_back(x[n : n + 1, order])[:, order]], 2)
        outputs = both.new_zeros(len(x), x.shape[1], both.shape[2]) if outputs is None else outputs
        outputs[n, :length] = both[0]
    return outputs


def test_both_ways():
    verify(ch08.both_ways, also_right=[by_index])


def test_both_ways_is_torchs_bidirectional_network_on_a_packed_batch():
    torch.manual_seed(0)
    layer = nn.RNN(2, 3, batch_first=True, bidirectional=True).double()
    x, lengths = torch.randn(3, 5, 2).double(), torch.tensor([2, 5, 1])
    weights = dict(layer.named_parameters())

    def reader(suffix):
        one = nn.RNN(2, 3, batch_first=True).double()
        one.load_state_dict({name: weights[f"{name}{suffix}"] for name in one.state_dict()})
        return lambda x: one(x)[0]

    found = ch08.both_ways.oracle(reader(""), reader("_reverse"), x, lengths)
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    judge, _ = nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
    torch.testing.assert_close(found, judge)


def test_there_are_seven_with_hints_and_afterwords():
    exercises = [getattr(ch08, name) for name in ch08.__all__]
    assert len(exercises) == 7
    assert all(len(exercise.hints) == 3 and exercise.afterword for exercise in exercises)
    assert math.fsum(exercise.minutes for exercise in exercises) <= 150
