"""Cells and recurrences: torch's own cells, autograd and finite differences are the judges."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gradient_check import numerical_gradient
from mmlearn.ops.lstm import lstm_cell, lstm_cell_backward, lstm_recurrence, lstm_recurrence_backward
from mmlearn.ops.recurrent import (
    gru_cell,
    gru_cell_backward,
    gru_recurrence,
    gru_recurrence_backward,
    rnn_tanh_cell,
    rnn_tanh_cell_backward,
    rnn_tanh_recurrence,
    rnn_tanh_recurrence_backward,
)

CELLS = {  # name: (ours, its gradients, torch's, gates, states)
    "rnn_tanh_cell": (rnn_tanh_cell, rnn_tanh_cell_backward, torch.rnn_tanh_cell, 1, 1),
    "gru_cell": (gru_cell, gru_cell_backward, torch.gru_cell, 3, 1),
    "lstm_cell": (lstm_cell, lstm_cell_backward, torch.lstm_cell, 4, 2),
}
RECURRENCES = {  # name: (ours, its gradients, gates, states, takes b_hh)
    "rnn_tanh": (rnn_tanh_recurrence, rnn_tanh_recurrence_backward, 1, 1, False),
    "gru": (gru_recurrence, gru_recurrence_backward, 3, 1, True),
    "lstm": (lstm_recurrence, lstm_recurrence_backward, 4, 2, False),
}
CLOSE = {torch.float64: {"rtol": 1e-10, "atol": 1e-11}, torch.float32: {"rtol": 1e-4, "atol": 2e-5}}


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def tensors(draw, *shape):
    """Numbers near 1 in one of the memory layouts that reach a function in practice."""
    seed, layout = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from(["contiguous", "transposed", "every second"]))
    if layout == "transposed" and len(shape) >= 2:
        return numbers(*shape[:-2], shape[-1], shape[-2], seed=seed).mT
    if layout == "every second":
        return numbers(*shape[:-1], 2 * shape[-1], seed=seed)[..., ::2]
    return numbers(*shape, seed=seed)


@st.composite
def cells(draw, name):
    """[input, states …, w_ih, w_hh, b_ih, b_hh] of a cell."""
    *_, gates, states = CELLS[name]
    N, D, H = draw(st.integers(0, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    biases = [draw(st.one_of(st.none(), tensors(gates * H))) for _ in range(2)]
    weights = [draw(tensors(gates * H, D)), draw(tensors(gates * H, H))]
    return [draw(tensors(N, D)), *[draw(tensors(N, H)) for _ in range(states)], *weights, *biases]


def as_call(arguments, states):
    """The two states of an LSTM become the pair that the functions take."""
    return arguments if states == 1 else [arguments[0], tuple(arguments[1:3]), *arguments[3:]]


def stacked(outputs):
    return torch.stack(tuple(outputs)) if isinstance(outputs, (tuple, list)) else outputs


def flat(grads):
    """The gradients one by one, the pair of an LSTM's states apart, without those of missing biases."""
    found = [part for grad in grads for part in (grad if isinstance(grad, tuple) else (grad,))]
    return [grad for grad in found if grad is not None]


def leaves(arguments, dtype=torch.float64):
    return [None if value is None else value.detach().to(dtype).requires_grad_() for value in arguments]


def given_ones(arguments):
    return [value for value in arguments if value is not None]


@pytest.mark.parametrize("name", CELLS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_cell_and_its_gradients_are_those_of_torch(name, data):
    ours, _, theirs, _, states = CELLS[name]
    arguments, dtype = data.draw(cells(name)), data.draw(st.sampled_from([torch.float64, torch.float32]))
    results = []
    for cell, kind in ((ours, dtype), (theirs, torch.float64)):
        variables = leaves([None if value is None else value.to(dtype) for value in arguments], kind)
        output = stacked(cell(*as_call(variables, states)))
        assert output.dtype == kind
        grads = torch.autograd.grad(output, given_ones(variables), numbers(*output.shape, seed=7).to(kind))
        results.append([tensor.to(dtype) for tensor in (output.detach(), *grads)])
    torch.testing.assert_close(*results, **CLOSE[dtype])


@pytest.mark.parametrize("name", CELLS)
@settings(max_examples=10)
@given(data=st.data())
def test_the_gradient_of_a_cell_called_directly_is_that_of_finite_differences(name, data):
    ours, backward, _, _, states = CELLS[name]
    arguments = data.draw(cells(name))
    output = ours(*as_call(arguments, states))
    grad_output = numbers(*stacked(output).shape, seed=7)
    grads = backward(grad_output if states == 1 else tuple(grad_output), *as_call(arguments, states))
    assert [grad is None for grad in grads[-2:]] == [bias is None for bias in arguments[-2:]]
    places = [place for place, value in enumerate(arguments) if value is not None]
    for place, actual in zip(places, flat(grads), strict=True):

        def at(value, place=place):
            return stacked(ours(*as_call([*arguments[:place], value, *arguments[place + 1 :]], states)))

        torch.testing.assert_close(actual, numerical_gradient(at, arguments[place], grad_output), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", CELLS)
def test_the_signature_of_a_cell_is_that_of_torch(name):
    import inspect

    schema = getattr(torch.ops.aten, name).default._schema
    ours = inspect.signature(CELLS[name][0]).parameters.values()
    assert [p.name for p in ours] == [argument.name for argument in schema.arguments]
    assert [p.default is None for p in ours] == [argument.has_default_value() for argument in schema.arguments]


def test_one_step_by_hand():
    x, h = torch.tensor([[1.0]]), torch.tensor([[0.5]])
    one = torch.tensor([[1.0]])
    assert rnn_tanh_cell(x, h, one, -2 * one, torch.tensor([0.0])).item() == 0  # tanh(1·1 − 2·0.5)
    shut = torch.tensor([-100.0, 100.0, 0.0])  # r = 0, z = 1: the state stays
    assert gru_cell(x, h, torch.ones(3, 1), torch.ones(3, 1), shut).item() == 0.5
    opened = torch.tensor([100.0, -100.0, 100.0, 100.0])  # i = 1, f = 0, g = 1, o = 1
    hidden, cell = lstm_cell(x, (h, h), torch.ones(4, 1), torch.ones(4, 1), opened)
    assert (hidden.item(), cell.item()) == (pytest.approx(0.76159, abs=1e-5), 1.0)


def recurrence_case(name, T=4, N=3, H=2, seed=0):
    _, _, gates, states, bias = RECURRENCES[name]
    tensors = [numbers(T, N, gates * H, seed=seed), *(numbers(N, H, seed=seed + 1 + k) for k in range(states))]
    tensors += [numbers(gates * H, H, seed=seed + 5)] + ([numbers(gates * H, seed=seed + 6)] if bias else [])
    return tensors


MASK = torch.tensor([[True, True, False], [True, False, False], [True, True, False], [True, False, False]])


def by_cells(name, projected, *rest):
    """The recurrence as T calls of torch's cell, to which the identity brings the projected input."""
    states, bias = RECURRENCES[name][3:]
    cell = {"rnn_tanh": torch.rnn_tanh_cell, "gru": torch.gru_cell, "lstm": torch.lstm_cell}[name]
    state, w_hh, b_hh = rest[:states], rest[states], rest[states + 1] if bias else None
    eye, zero = torch.eye(len(w_hh), dtype=w_hh.dtype), torch.zeros(len(w_hh), dtype=w_hh.dtype)
    found = []
    for inputs in projected:
        state = cell(inputs, state if states == 2 else state[0], eye, w_hh, zero, zero if b_hh is None else b_hh)
        state = state if states == 2 else (state,)
        found.append(torch.stack(state))
    found = torch.stack(found, 1)  # (kinds, T, N, H)
    return found if states == 2 else found[0]


@pytest.mark.parametrize("name", RECURRENCES)
@settings(max_examples=25)
@given(T=st.integers(1, 5), N=st.integers(0, 3), H=st.integers(1, 4), seed=st.integers(0, 1000))
def test_a_recurrence_is_a_loop_of_torchs_cells(name, T, N, H, seed):
    arguments = recurrence_case(name, T, N, H, seed)
    results = []
    for operation in (RECURRENCES[name][0], lambda *arguments: by_cells(name, *arguments)):
        variables = leaves(arguments)
        output = operation(*variables)
        results.append((output.detach(), *torch.autograd.grad(output, variables, numbers(*output.shape, seed=9))))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("name", RECURRENCES)
def test_the_gradient_of_a_recurrence_is_that_of_finite_differences_and_of_torch_line_by_line(name, mask):
    operation, backward, *_ = RECURRENCES[name]
    arguments = recurrence_case(name)
    output = operation(*arguments, mask=mask)
    grad_output = numbers(*output.shape, seed=9)
    grads = backward(grad_output, *arguments, mask=mask)._asdict()
    names = ["projected", "hx", "w_hh", "b_hh"] if name == "gru" else ["projected", "hx", "cx", "w_hh"]
    names = ["projected", "hx", "w_hh"] if name == "rnn_tanh" else names
    variables = leaves(arguments)
    with torch_gradients():
        line_by_line = operation(*variables, mask=mask)
    assert "ByHand" not in type(line_by_line.grad_fn).__name__
    by_torch = torch.autograd.grad(line_by_line, variables, grad_output)
    for place, (argument, expected) in enumerate(zip(names, by_torch, strict=True)):

        def at(value, place=place):
            return operation(*arguments[:place], value, *arguments[place + 1 :], mask=mask)

        torch.testing.assert_close(grads[argument], expected)
        torch.testing.assert_close(grads[argument], numerical_gradient(at, arguments[place], grad_output), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("name", RECURRENCES)
def test_gradcheck_and_gradgradcheck_of_a_recurrence(name, mask):
    def operation(*variables):
        return RECURRENCES[name][0](*variables, mask=mask)

    assert torch.autograd.gradcheck(operation, leaves(recurrence_case(name)))
    assert torch.autograd.gradgradcheck(operation, leaves(recurrence_case(name)))


@pytest.mark.parametrize("name", CELLS)
def test_gradcheck_and_gradgradcheck_of_a_cell(name):
    cell, _, _, gates, states = CELLS[name]
    arguments = [numbers(2, 3), *(numbers(2, 2, seed=k) for k in range(states)), numbers(2 * gates, 3), numbers(2 * gates, 2)]
    arguments += [numbers(2 * gates, seed=5), numbers(2 * gates, seed=6)]
    assert torch.autograd.gradcheck(lambda *variables: stacked(cell(*as_call(variables, states))), leaves(arguments))
    assert torch.autograd.gradgradcheck(lambda *variables: stacked(cell(*as_call(variables, states))), leaves(arguments))


@pytest.mark.parametrize("truncate", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("name", RECURRENCES)
def test_truncated_gradients_are_those_of_a_state_that_is_detached_every_k_steps(name, mask, truncate):
    """The loop over pieces of k steps, each differentiated by torch with a fresh leaf in front, adds up to the same gradients."""
    operation, _, _, states, _ = RECURRENCES[name]
    variables = leaves(recurrence_case(name))
    output = operation(*variables, mask=mask, truncate=truncate)
    torch.testing.assert_close(output, operation(*variables, mask=mask))  # the states are not truncated
    grad_output = numbers(*output.shape, seed=9)
    ours = torch.autograd.grad(output, variables, grad_output)
    with torch_gradients():
        line_by_line = operation(*variables, mask=mask, truncate=truncate)
    torch.testing.assert_close(ours, torch.autograd.grad(line_by_line, variables, grad_output))
    if mask is None:
        state, weights = variables[1 : 1 + states], variables[1 + states :]
        pieces = []
        for part in variables[0].split(truncate):
            piece = operation(part, *state, *weights)
            pieces.append(piece)
            last = piece[:, -1] if states == 2 else piece[None, -1]
            state = list(last.detach())
        torch.testing.assert_close(ours, torch.autograd.grad(torch.cat(pieces, -3), variables, grad_output))


def test_truncation_is_biased_and_no_truncation_is_not():
    variables = leaves(recurrence_case("rnn_tanh", T=6))
    whole, cut, none = (
        torch.autograd.grad(rnn_tanh_recurrence(*variables, truncate=k)[-1].sum(), variables[2])[0] for k in (None, 2, 6)
    )
    torch.testing.assert_close(none, whole)
    assert (cut - whole).abs().max() > 1e-3


@pytest.mark.parametrize("name", RECURRENCES)
def test_where_the_mask_is_false_the_state_and_its_gradient_pass_unchanged(name):
    operation, _, _, states, _ = RECURRENCES[name]
    variables = leaves(recurrence_case(name))
    output = operation(*variables, mask=torch.zeros(4, 3, dtype=torch.bool))
    for t in range(4):
        assert torch.equal(output[..., t, :, :], torch.stack(variables[1:3]) if states == 2 else variables[1])
    grads = torch.autograd.grad(output.sum(), variables)
    for place, grad in enumerate(grads):
        assert torch.equal(grad, torch.full_like(grad, 4.0 if 1 <= place <= states else 0.0))


@settings(max_examples=30)
@given(T=st.integers(1, 6), H=st.integers(1, 5), seed=st.integers(0, 1000), gain=st.sampled_from([0.3, 1.0, 2.0]))
def test_the_jacobian_of_the_rnn_stays_below_the_product_of_its_bounds(T, H, seed, gain):
    """‖∂h_T/∂h_0‖ ≤ Π_t max tanh'(a_t) · ‖W_hh‖, in the spectral norm: below 1 it vanishes, above 1 it may explode."""
    projected, w_hh = numbers(T, 1, H, seed=seed), gain * numbers(H, H, seed=seed + 1)
    hx = numbers(1, H, seed=seed + 2)
    jacobian = torch.autograd.functional.jacobian(lambda hx: rnn_tanh_recurrence(projected, hx, w_hh)[-1, 0], hx)[:, 0]
    states = rnn_tanh_recurrence(projected, hx, w_hh)[:, 0]
    slopes = (1 - states**2).amax(1)  # (T,)
    bound = (slopes * torch.linalg.matrix_norm(w_hh, 2)).prod()
    assert torch.linalg.matrix_norm(jacobian, 2) <= bound * (1 + 1e-12)


def test_the_jacobian_of_the_rnn_is_the_product_of_those_of_its_steps():
    projected, hx, w_hh = recurrence_case("rnn_tanh", T=3, N=1, H=3)
    jacobian = torch.autograd.functional.jacobian(lambda hx: rnn_tanh_recurrence(projected, hx, w_hh)[-1, 0], hx)[:, 0]
    product = torch.eye(3, dtype=torch.float64)
    for state in rnn_tanh_recurrence(projected, hx, w_hh)[:, 0]:
        product = torch.diag(1 - state**2) @ w_hh @ product
    torch.testing.assert_close(jacobian, product)


def test_the_gru_keeps_its_state_where_z_is_one_and_forgets_it_where_z_is_zero():
    x, h, w_ih, w_hh = numbers(3, 2), numbers(3, 4, seed=1), torch.zeros(12, 2).double(), numbers(12, 4, seed=2)
    w_hh[4:8] = 0
    for gate, expected in ((100.0, h), (-100.0, None)):
        bias = torch.zeros(12).double()
        bias[4:8] = gate
        new = gru_cell(x, h, w_ih, w_hh, bias)
        r = torch.sigmoid(h @ w_hh[:4].mT)
        torch.testing.assert_close(new, torch.tanh(r * (h @ w_hh[8:].mT)) if expected is None else expected)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_trains_under_autocast_and_in_bfloat16(name):
    cell, _, theirs, gates, states = CELLS[name]
    arguments = [numbers(2, 3), *(numbers(2, 4) for _ in range(states)), numbers(4 * gates, 3), numbers(4 * gates, 4), None, None]
    variables = leaves(arguments, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = stacked(cell(*as_call(variables, states)))
    grads = torch.autograd.grad(output.sum(), given_ones(variables))
    assert {output.dtype, *(grad.dtype for grad in grads)} == {torch.float32}
    half = leaves(arguments, torch.bfloat16)
    output = stacked(cell(*as_call(half, states)))
    assert output.dtype == torch.bfloat16
    expected = stacked(theirs(*as_call([None if v is None else v.double() for v in half], states)))
    torch.testing.assert_close(output.double(), expected, rtol=3e-2, atol=5e-2)


@pytest.mark.parametrize("name", RECURRENCES)
def test_a_recurrence_trains_under_autocast(name):
    variables = leaves(recurrence_case(name), torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = RECURRENCES[name][0](*variables, mask=MASK)
    grads = torch.autograd.grad(output.sum(), variables)
    assert {output.dtype, *(grad.dtype for grad in grads)} == {torch.float32}
    torch.testing.assert_close(output, RECURRENCES[name][0](*variables, mask=MASK), rtol=5e-2, atol=5e-2)


X, H2, W, U, B = torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(4, 3), torch.zeros(4, 4), torch.zeros(4)
A, M = torch.zeros(5, 2, 4), torch.ones(5, 2, dtype=torch.bool)
WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    (lambda: rnn_tanh_cell(X[0], H2, W, U), "input", r"shape \(3,\)", r"\(N, D\)"),
    (lambda: rnn_tanh_cell(X[:, :0], H2, W, U), "input", r"shape \(2, 0\)", "at least one feature"),
    (lambda: rnn_tanh_cell(X.long(), H2, W, U), "input", "int64", "floating-point"),
    (lambda: rnn_tanh_cell(X, H2[:1], W, U), "hx", r"shape \(1, 4\)", r"\(2, 4\): \(N, H\)"),
    (lambda: rnn_tanh_cell(X, H2[0], W, U), "hx", r"shape \(4,\)", r"\(2, 4\): \(N, H\)"),
    (lambda: rnn_tanh_cell(X, None, W, U), "hx", "NoneType", "torch.Tensor"),
    (lambda: rnn_tanh_cell(X, H2.double(), W, U), "hx", "float64", "float32 on cpu, as input is"),
    (lambda: rnn_tanh_cell(X, H2, W.mT, U), "w_ih", r"shape \(3, 4\)", r"\(4, 3\): H as w_hh is \(4, 4\), .* 3 features"),
    (lambda: rnn_tanh_cell(X, H2, W, U[:3]), "w_hh", r"shape \(3, 4\)", r"\(H, H\)"),
    (lambda: rnn_tanh_cell(X, H2, W, U[:0, :0]), "w_hh", r"shape \(0, 0\)", "H ≥ 1"),
    (lambda: rnn_tanh_cell(X, H2, W, U, B[:3]), "b_ih", r"shape \(3,\)", r"\(4,\)"),
    (lambda: rnn_tanh_cell(X, H2, W, U, B, B[None]), "b_hh", r"shape \(1, 4\)", r"\(4,\)"),
    (lambda: rnn_tanh_cell_backward(X, X, H2, W, U), "grad_output", r"shape \(2, 3\)", r"shape \(2, 4\)"),
    (lambda: gru_cell(X, H2, W, U), "w_hh", r"shape \(4, 4\)", r"\(3·H, H\)"),
    (lambda: gru_cell(X, H2, W, U.repeat(3, 1)), "w_ih", r"shape \(4, 3\)", r"\(12, 3\): 3·H"),
    (lambda: gru_cell(X, H2, W.repeat(3, 1), U.repeat(3, 1), B), "b_ih", r"shape \(4,\)", r"\(12,\): 3·H"),
    (lambda: gru_cell_backward(X, X, H2, W.repeat(3, 1), U.repeat(3, 1)), "grad_output", r"\(2, 3\)", r"\(2, 4\)"),
    (lambda: rnn_tanh_recurrence(A[:0], H2, U), "projected", r"shape \(0, 2, 4\)", "at least one time step"),
    (lambda: rnn_tanh_recurrence(A[0], H2, U), "projected", r"shape \(2, 4\)", r"\(T, N, H\)"),
    (lambda: rnn_tanh_recurrence(A[..., :3], H2, U), "projected", r"\(5, 2, 3\)", r"\(T, N, 4\), as w_hh is \(4, 4\)"),
    (lambda: rnn_tanh_recurrence(A, X, U), "hx", r"shape \(2, 3\)", r"\(2, 4\)"),
    (lambda: rnn_tanh_recurrence(A, H2, U, M.mT), "mask", r"bool of shape \(2, 5\)", r"bool of shape \(5, 2\)"),
    (lambda: rnn_tanh_recurrence(A, H2, U, M.float()), "mask", "float32", "bool"),
    (lambda: rnn_tanh_recurrence(A, H2, U, [True]), "mask", "list", "bool"),
    (lambda: rnn_tanh_recurrence(A, H2, U, truncate=0), "truncate", "0", "a whole number ≥ 1"),
    (lambda: rnn_tanh_recurrence(A, H2, U, truncate=1.5), "truncate", "1.5", "a whole number ≥ 1"),
    (lambda: rnn_tanh_recurrence_backward(A[0], A, H2, U), "grad_output", r"\(2, 4\)", r"\(5, 2, 4\)"),
    (lambda: gru_recurrence(A, H2, U), "w_hh", r"shape \(4, 4\)", r"\(3·H, H\)"),
    (lambda: gru_recurrence(A, H2, U.repeat(3, 1)), "projected", r"\(5, 2, 4\)", r"\(T, N, 12\)"),
    (lambda: gru_recurrence(A.repeat(1, 1, 3), H2, U.repeat(3, 1), B), "b_hh", r"\(4,\)", r"\(12,\)"),
    (lambda: gru_recurrence_backward(A, A.repeat(1, 1, 3), H2[:1], U.repeat(3, 1)), "hx", r"\(1, 4\)", r"\(2, 4\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
