"""Recurrent layers over padded batches: torch.nn.RNN, LSTM and GRU on packed sequences are the judges."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gradient_check import numerical_gradient
from mmlearn.ops.sequences import gru, lstm, rnn_tanh

KINDS = {"rnn_tanh": (rnn_tanh, torch.nn.RNN), "lstm": (lstm, torch.nn.LSTM), "gru": (gru, torch.nn.GRU)}


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def outputs(ours, input, states, network, **options):
    """(output, h_n, …) of our function with the network's weights; states: a list of tensors or None."""
    settings = (network.bias, network.num_layers, network.dropout, network.training, network.bidirectional, network.batch_first)
    hx = None if states is None else tuple(states) if len(states) == 2 else states[0]
    return ours(input, hx, [*network.parameters()], *settings, **options)


def by_torch(network, input, states, lengths):
    """(output, h_n, …) of torch's network on the packed batch; the output is padded to T steps again."""
    hx = None if states is None else tuple(states) if len(states) == 2 else states[0]
    if lengths is None:
        output, final = network(input, hx)
    else:
        batch_first = network.batch_first
        packed = pack_padded_sequence(input, torch.tensor(lengths), batch_first, enforce_sorted=False)
        output, final = network(packed, hx)
        total = input.shape[1 if batch_first else 0]
        output, _ = pad_packed_sequence(output, batch_first, total_length=total)
    return output, *(final if isinstance(final, tuple) else (final,))


@st.composite
def networks(draw, name):
    """(network, input, states or None, lengths or None), in float64, of one of several memory layouts."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    T, N, D, H = (draw(st.integers(1, most)) for most in (5, 3, 3, 3))
    network = KINDS[name][1](
        D,
        H,
        draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        batch_first=draw(st.booleans()),
        bidirectional=draw(st.booleans()),
    ).double()
    first, second = (N, T) if network.batch_first else (T, N)
    input = torch.randn(first, second, 2 * D, dtype=torch.float64)
    layout = draw(st.sampled_from(["contiguous", "every second", "transposed"]))
    input = input[..., ::2] if layout == "every second" else input[..., :D].contiguous()
    input = input.mT.contiguous().mT if layout == "transposed" else input
    size = (network.num_layers * (1 + network.bidirectional), N, H)
    count = 2 if name == "lstm" else 1
    states = [torch.randn(size, dtype=torch.float64) for _ in range(count)] if draw(st.booleans()) else None
    lengths = draw(st.one_of(st.none(), st.lists(st.integers(1, T), min_size=N, max_size=N)))
    return network, input, states, lengths


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=50)
@given(data=st.data())
def test_values_and_gradients_are_those_of_torch_on_packed_sequences(name, data):
    network, input, states, lengths = data.draw(networks(name))
    ours, results = KINDS[name][0], []
    for function in (
        lambda input, states: outputs(ours, input, states, network, lengths=lengths),
        lambda input, states: by_torch(network, input, states, lengths),
    ):
        x = input.detach().requires_grad_()
        initial = None if states is None else [state.clone().requires_grad_() for state in states]
        found = function(x, initial)
        total = sum((output * numbers(*output.shape, seed=place)).sum() for place, output in enumerate(found))
        grads = torch.autograd.grad(total, [x, *(initial or []), *network.parameters()])
        results.append([tensor.detach() for tensor in (*found, *grads)])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", KINDS)
def test_the_arguments_are_those_of_torch_and_two_more(name):
    theirs = [argument.name for argument in getattr(torch.ops.aten, name).input._schema.arguments]
    ours = list(inspect.signature(KINDS[name][0]).parameters)
    assert ours == [*theirs, "lengths", "truncate"]
    network = KINDS[name][1](3, 4, 2, bidirectional=True).double()
    x, state = numbers(5, 2, 3), numbers(4, 2, 4, seed=1)
    arguments = (x, (state, state) if name == "lstm" else state, [*network.parameters()], True, 2, 0.0, False, True, False)
    torch.testing.assert_close(KINDS[name][0](*arguments), getattr(torch, name)(*arguments))


@pytest.mark.parametrize("truncate", [None, 2])
@pytest.mark.parametrize("name", KINDS)
def test_what_stands_behind_a_sequences_end_changes_nothing(name, truncate):
    """Each sequence of a padded batch gives what it gives alone, values and gradients, in both directions and layers."""
    ours, layer = KINDS[name]
    network = layer(3, 4, 2, bidirectional=True, batch_first=True).double()
    x, lengths, states = numbers(3, 6, 3), [6, 3, 1], [numbers(4, 3, 4, seed=k + 1) for k in range(2 if name == "lstm" else 1)]
    padded = x.clone()
    for n, length in enumerate(lengths):
        padded[n, length:] = float("nan") if n == 1 else 1e30
    together = outputs(ours, padded.requires_grad_(), states, network, lengths=lengths, truncate=truncate)
    for n, length in enumerate(lengths):
        alone = x[n : n + 1, :length].clone().requires_grad_()
        expected = outputs(ours, alone, [state[:, n : n + 1].contiguous() for state in states], network, truncate=truncate)
        torch.testing.assert_close(together[0][n : n + 1, :length], expected[0])
        assert torch.equal(together[0][n, length:], torch.zeros(6 - length, 8).double())
        for final, last in zip(together[1:], expected[1:], strict=True):
            torch.testing.assert_close(final[:, n : n + 1], last)
        mine, theirs = (sum(final[:, k].sum() for final in found[1:]) for found, k in ((together, n), (expected, 0)))
        grad = torch.autograd.grad(mine, padded, retain_graph=True)[0]
        torch.testing.assert_close(grad[n, :length], torch.autograd.grad(theirs, alone)[0][0])
        assert torch.equal(grad[n, length:], torch.zeros(6 - length, 3).double())
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(together[0].sum(), [*network.parameters()]))


@pytest.mark.parametrize("name", KINDS)
def test_a_sequence_of_length_zero_keeps_its_initial_state_and_has_outputs_of_zero(name):
    ours, layer = KINDS[name]
    network = layer(3, 4, 2, bidirectional=True, bias=True).double()
    x = numbers(5, 2, 3).requires_grad_()
    states = [numbers(4, 2, 4, seed=k + 1).requires_grad_() for k in range(2 if name == "lstm" else 1)]
    output, *final = outputs(ours, x, states, network, lengths=[0, 4])
    assert torch.equal(output[:, 0], torch.zeros(5, 8).double())
    for last, state in zip(final, states, strict=True):
        assert torch.equal(last[:, 0], state[:, 0])
    grads = torch.autograd.grad(sum(last.sum() for last in final), [x, *states])
    assert torch.equal(grads[0][:, 0], torch.zeros(5, 3).double())
    assert all(torch.equal(grad[:, 0], torch.ones(4, 4).double()) for grad in grads[1:])
    output, *final = outputs(ours, x, None, network, lengths=[0, 0])
    assert not any(tensor.any() for tensor in (output, *final))


@pytest.mark.parametrize("name", KINDS)
def test_lengths_may_be_a_list_a_tuple_or_any_whole_tensor(name):
    ours, layer = KINDS[name]
    network = layer(3, 4).double()
    expected = outputs(ours, numbers(5, 2, 3), None, network, lengths=[5, 2])
    for lengths in ((5, 2), torch.tensor([5, 2]), torch.tensor([5, 2], dtype=torch.uint8)):
        assert torch.equal(outputs(ours, numbers(5, 2, 3), None, network, lengths=lengths)[0], expected[0])


@pytest.mark.parametrize("name", KINDS)
def test_hand_written_gradients_are_those_of_finite_differences_through_two_layers(name):
    ours, layer = KINDS[name]
    network = layer(2, 2, 2, bidirectional=True).double()
    x = numbers(4, 2, 2)

    def function(input):
        return outputs(ours, input, None, network, lengths=[4, 2])[0]

    grad_output = numbers(4, 2, 4, seed=3)
    variable = x.clone().requires_grad_()
    (actual,) = torch.autograd.grad(function(variable), variable, grad_output)
    torch.testing.assert_close(actual, numerical_gradient(function, x, grad_output), rtol=1e-6, atol=1e-8)
    with torch_gradients():
        (by_torch,) = torch.autograd.grad(function(variable), variable, grad_output)
    torch.testing.assert_close(actual, by_torch)
    assert torch.autograd.gradgradcheck(function, variable)


@pytest.mark.parametrize("name", KINDS)
def test_torch_func_grad_works(name):
    ours, layer = KINDS[name]
    network = layer(3, 2).double()
    x = numbers(4, 2, 3)
    grad = torch.func.grad(lambda x: outputs(ours, x, None, network)[0].square().sum())(x)
    variable = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(network(variable)[0].square().sum(), variable)
    torch.testing.assert_close(grad, expected)


@pytest.mark.parametrize("name", KINDS)
def test_dropout_between_layers_is_drawn_as_torch_draws_it_and_only_while_training(name):
    ours, layer = KINDS[name]
    network, x = layer(3, 4, 3, dropout=0.5).double(), numbers(5, 2, 3)
    torch.manual_seed(0)
    expected = network(x)[0]
    torch.manual_seed(0)
    torch.testing.assert_close(outputs(ours, x, None, network)[0], expected)
    torch.testing.assert_close(outputs(ours, x, None, network.eval())[0], network(x)[0])
    assert not torch.allclose(network(x)[0], expected)


@pytest.mark.parametrize("name", KINDS)
def test_a_truncated_sequence_has_the_same_values_and_no_gradient_from_before_the_last_cut(name):
    ours, layer = KINDS[name]
    network, x = layer(3, 4).double(), numbers(7, 2, 3).requires_grad_()
    output, *_ = outputs(ours, x, None, network, truncate=3)
    torch.testing.assert_close(output, network(x)[0])
    (grad,) = torch.autograd.grad(output[-1].sum(), x)
    assert [bool(step.any()) for step in grad] == [False] * 6 + [True]  # cuts lie in front of the steps 3 and 6
    output, *_ = outputs(ours, x, None, network, truncate=3)
    (grad,) = torch.autograd.grad(output[5].sum(), x)
    assert [bool(step.any()) for step in grad] == [False] * 3 + [True] * 3 + [False]


@pytest.mark.parametrize("name", KINDS)
def test_an_empty_batch_gives_empty_outputs_and_gradients_of_zero(name):
    ours, layer = KINDS[name]
    network, x = layer(3, 4, bidirectional=True), torch.zeros(5, 0, 3, requires_grad=True)
    output, final, *_ = outputs(ours, x, None, network, lengths=[])
    assert (output.shape, final.shape) == ((5, 0, 8), (2, 0, 4))
    output.sum().backward()
    assert x.grad.shape == x.shape
    assert not network.weight_hh_l0.grad.any()


@pytest.mark.parametrize("name", KINDS)
def test_the_input_is_not_changed_and_what_does_not_need_a_gradient_gets_none(name):
    ours, layer = KINDS[name]
    network, x = layer(3, 4).double(), numbers(5, 2, 3)
    before = x.clone()
    output, *_ = outputs(ours, x, None, network, lengths=[3, 5])
    output.sum().backward()
    assert torch.equal(x, before)
    assert x.grad is None
    with torch.no_grad():
        assert outputs(ours, x, None, network)[0].grad_fn is None


@pytest.mark.parametrize("name", KINDS)
def test_a_sequence_trains_under_autocast(name):
    ours, layer = KINDS[name]
    network, x = layer(3, 4, 2, bidirectional=True), numbers(5, 2, 3).float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, *_ = outputs(ours, x, None, network)
    output.sum().backward()
    assert output.dtype == x.grad.dtype == network.weight_hh_l1.grad.dtype == torch.float32
    torch.testing.assert_close(output, network(x)[0], rtol=5e-2, atol=5e-2)


X, PARAMS = torch.zeros(5, 2, 3), [torch.zeros(4, 3), torch.zeros(4, 4), torch.zeros(4), torch.zeros(4)]
DEEP = [torch.zeros(4, 4), *PARAMS[1:]]  # a second layer
S = torch.zeros(1, 2, 4)
PACKED = pack_padded_sequence(X, torch.tensor([5, 2]))


def with_params(place, tensor, more=()):
    changed = [*PARAMS, *more]
    changed[place] = tensor
    return changed


WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    (lambda: rnn_tanh(X[:0], None, PARAMS), "input", r"shape \(0, 2, 3\)", r"\(T, N, D\) with at least one time step"),
    (lambda: rnn_tanh(X[:, :0], None, PARAMS, batch_first=True), "input", r"shape \(5, 0, 3\)", r"\(N, T, D\) with at least one"),
    (lambda: rnn_tanh(X[0], None, PARAMS), "input", r"shape \(2, 3\)", r"\(T, N, D\)"),
    (lambda: rnn_tanh(X[..., :0], None, PARAMS), "input", r"shape \(5, 2, 0\)", "at least one feature"),
    (lambda: rnn_tanh(X.long(), None, PARAMS), "input", "int64", "floating-point"),
    (lambda: rnn_tanh(PACKED, None, PARAMS), "input", "a PackedSequence", "pad_packed_sequence, and pass its lengths"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=[5, -1]), "lengths", r"\[-1\]", "2 whole numbers from 0 to T = 5"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=[6, 1]), "lengths", r"\[6\]", "2 whole numbers from 0 to T = 5"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=[5]), "lengths", r"shape \(1,\)", "2 whole numbers"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=[[5, 1]]), "lengths", r"\[\[5, 1\]\]", "2 whole numbers"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=[5, 1.0]), "lengths", r"\[5, 1\.0\]", "2 whole numbers"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=torch.ones(2)), "lengths", "float32", "2 whole numbers"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=torch.ones(2) > 0), "lengths", "bool", "2 whole numbers"),
    (lambda: rnn_tanh(X, None, PARAMS, lengths=5), "lengths", "5", "2 whole numbers"),
    (lambda: rnn_tanh(X, S[0], PARAMS), "hx", r"shape \(2, 4\)", r"\(1, 2, 4\): \(layers·directions, N, H\)"),
    (lambda: rnn_tanh(X, S[:, :1], PARAMS), "hx", r"shape \(1, 1, 4\)", r"\(1, 2, 4\)"),
    (lambda: rnn_tanh(X, S.double(), PARAMS), "hx", "float64", "float32"),
    (lambda: rnn_tanh(X, (S, S), PARAMS), "hx", "tuple", "torch.Tensor"),
    (lambda: rnn_tanh(X, None, PARAMS[:2]), "params", "2 of them", "4 tensors: 1 layers · 1 directions · 4"),
    (lambda: rnn_tanh(X, None, PARAMS, has_biases=False), "params", "4 of them", "2 tensors"),
    (lambda: rnn_tanh(X, None, PARAMS, bidirectional=True), "params", "4 of them", "8 tensors: 1 layers · 2 directions"),
    (lambda: rnn_tanh(X, None, PARAMS[0]), "params", "Tensor", "a list of tensors"),
    (lambda: rnn_tanh(X, None, PARAMS, num_layers=0), "num_layers", "0", "a whole number ≥ 1"),
    (lambda: rnn_tanh(X, None, with_params(2, None)), "bias_ih_l0", "NoneType", "torch.Tensor"),
    (lambda: rnn_tanh(X, None, with_params(0, torch.zeros(4, 2))), "weight_ih_l0", r"\(4, 2\)", r"\(4, 3\)"),
    (lambda: rnn_tanh(X, None, with_params(1, torch.zeros(4, 3))), "weight_hh_l0", r"\(4, 3\)", r"\(H, H\)"),
    (lambda: rnn_tanh(X, None, with_params(3, torch.zeros(3))), "bias_hh_l0", r"shape \(3,\)", r"\(4,\)"),
    (lambda: rnn_tanh(X, None, with_params(3, PARAMS[3].half())), "bias_hh_l0", "float16", "float32"),
    (lambda: rnn_tanh(X, None, [*PARAMS, *PARAMS], num_layers=2), "weight_ih_l1", r"\(4, 3\)", r"\(4, 4\)"),
    (
        lambda: rnn_tanh(X, None, [*PARAMS, torch.zeros(2, 4), torch.zeros(2, 2), PARAMS[2][:2], PARAMS[3][:2]], num_layers=2),
        "weight_hh_l1",
        r"\(2, 2\)",
        r"\(4, 4\), as weight_hh_l0",
    ),
    (
        lambda: rnn_tanh(X, None, with_params(4, torch.zeros(4, 9), more=PARAMS), bidirectional=True),
        "weight_ih_l0_reverse",
        r"\(4, 9\)",
        r"\(4, 3\)",
    ),
    (lambda: rnn_tanh(X, None, PARAMS, dropout=1.5, train=True), "dropout", "1.5", "between 0 and 1"),
    (lambda: rnn_tanh(X, None, PARAMS, dropout=None), "dropout", "None", "between 0 and 1"),
    (lambda: rnn_tanh(X, None, PARAMS, truncate=0), "truncate", "0", "a whole number ≥ 1"),
    (lambda: gru(X, None, PARAMS), "weight_hh_l0", r"\(4, 4\)", r"\(3·H, H\)"),
    (lambda: gru(X[:0], None, PARAMS), "input", r"\(0, 2, 3\)", "at least one time step"),
    (lambda: gru(X, S, [p.repeat(3, *[1] * (p.dim() - 1)) for p in PARAMS], lengths=[9, 9]), "lengths", r"\[9, 9\]", "T = 5"),
    (lambda: lstm(X, None, PARAMS), "weight_hh_l0", r"\(4, 4\)", r"\(4·H, H\)"),
    (lambda: lstm(X, S, PARAMS), "hx", "Tensor", r"a pair of tensors \(h_0, c_0\)"),
    (
        lambda: lstm(X, (S, S[..., :2]), [p.repeat(4, *[1] * (p.dim() - 1)) for p in PARAMS]),
        r"hx\[1\]",
        r"\(1, 2, 2\)",
        r"\(1, 2, 4\)",
    ),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
