"""The gradient check: right gradients pass, wrong ones are found and located, and the table can be read."""

import math

import pytest
import torch

import mmlearn.ops as F
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.gradient_table import gradcheck


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LAYERS = {
    "linear": (F.linear, {"input": numbers(3, 4), "weight": numbers(2, 4), "bias": numbers(2)}),
    "conv2d": (F.conv2d, {"input": numbers(2, 2, 5, 4), "weight": numbers(3, 2, 3, 2), "bias": numbers(3), "stride": 2}),
    "max_pool2d": (F.max_pool2d, {"input": numbers(2, 5, 4), "kernel_size": 2, "return_indices": True}),
    "softmax": (F.softmax, {"input": numbers(3, 4), "dim": 1}),
    "cross_entropy": (F.cross_entropy, {"input": numbers(3, 4), "target": torch.tensor([1, 0, 3])}),
    "mse_loss": (F.mse_loss, {"input": numbers(3, 4), "target": numbers(3, 4, seed=1)}),
}


@pytest.mark.parametrize(("function", "inputs"), LAYERS.values(), ids=LAYERS)
def test_every_layer_passes_coupled_and_called_directly(function, inputs):
    for backward in (None, getattr(F, f"{function.__name__}_backward")):
        table = gradcheck(function, inputs, backward)
        assert table
        assert table.passed
        floating = [name for name, value in inputs.items() if isinstance(value, torch.Tensor) and value.is_floating_point()]
        assert [row.name for row in table.rows] == floating
        assert all(row.relative < 1e-6 for row in table.rows)


def test_one_wrong_number_is_found_named_and_located():
    weight = numbers(4, 5)

    def broken(grad_output, input):
        grad = grad_output @ weight
        grad[2, 3] += 1e-3
        return grad

    x = numbers(3, 5)
    table = gradcheck(lambda image: image @ weight.T, [x], broken)
    (row,) = table.rows
    assert not table
    assert not row.passed
    assert (row.name, row.shape, row.where) == ("image", (3, 5), (2, 3))
    assert row.absolute == pytest.approx(1e-3, rel=1e-4)
    assert row.derived - row.measured == pytest.approx(1e-3, rel=1e-4)


def test_a_small_number_that_is_wrong_is_found_among_large_ones():
    scale = torch.tensor([1e6, 1e-3], dtype=torch.float64)
    table = gradcheck(lambda x: x * scale, [numbers(2)], lambda g, x: g * torch.tensor([1e6, 2e-3], dtype=torch.float64))
    assert not table
    assert table.rows[0].where == (1,)
    assert table.rows[0].relative < 1e-8  # to the largest gradient it is nothing: the pass is decided number by number


WRONG_GRADIENTS = {
    "the factor g forgotten": lambda g, x: 2 * x,
    "the factor 2 forgotten": lambda g, x: g * x,
    "the sign": lambda g, x: -2 * g * x,
    "zero": lambda g, x: torch.zeros_like(x),
    "no gradient": lambda g, x: (None,),
    "not a number": lambda g, x: g * torch.where(x > 0, 2 * x, torch.nan),
}


@pytest.mark.parametrize("backward", WRONG_GRADIENTS.values(), ids=WRONG_GRADIENTS)
def test_wrong_gradients_fail(backward):
    table = gradcheck(torch.square, [numbers(3, 4)], backward)
    assert not table
    assert "WRONG" in str(table)


def test_a_wrong_hand_written_gradient_fails_through_autograd_too():
    @differentiated_by(lambda grad_output, input: grad_output * input)
    def square(input):
        return input**2

    assert not gradcheck(square, [numbers(3)])
    assert gradcheck(F.sigmoid, [numbers(3)])


def test_a_gradient_that_sums_to_zero_is_not_taken_for_right():
    assert not gradcheck(lambda x: torch.softmax(x, 0), [numbers(4)], lambda g, x: torch.zeros_like(x))


def test_a_function_that_cuts_its_input_off_fails():
    assert not gradcheck(lambda x: x.detach() ** 2, [numbers(3)])
    table = gradcheck(lambda x, y: x * y.detach(), [numbers(3), numbers(3, seed=1)])
    assert [row.passed for row in table.rows] == [True, False]


def test_an_input_that_has_no_effect_has_a_gradient_of_zero():
    table = gradcheck(lambda x, unused: 2 * x, [numbers(3), numbers(2)])
    assert table
    assert table.rows[1].relative == 0


def test_several_outputs_count_and_whole_numbers_among_them_do_not():
    cell = torch.nn.LSTMCell(2, 3).double()

    def function(input, hidden, memory):
        return cell(input, (hidden, memory))

    assert gradcheck(function, [numbers(2, 2), numbers(2, 3), numbers(2, 3, seed=1)])
    assert gradcheck(lambda x: torch.sort(x), [numbers(5)])
    wrong = gradcheck(lambda x: (x, x**2), [numbers(5)], lambda first, second, x: first)  # the second output is forgotten
    assert not wrong


def test_whatever_is_no_floating_point_tensor_is_passed_along():
    assert gradcheck(lambda x, power, places: x[places] ** power, [numbers(4), 3, torch.tensor([0, 2])])


def test_gradients_with_names_are_taken_by_name():
    grads = {"weight": numbers(2, 4), "input": numbers(3, 4)}
    assert gradcheck(
        lambda weight, input: F.linear(input, weight),
        grads,
        backward=lambda g, weight, input: F.linear_backward(g, input, weight),
    )


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_inputs_of_any_shape_and_layout_left_as_they_were(shape):
    x = numbers(*shape)
    x = (x.mT if x.dim() == 2 else x).requires_grad_()
    before = x.detach().clone()
    table = gradcheck(lambda x: x**3, x)
    assert table
    assert table.rows[0].shape == tuple(x.shape)
    assert torch.equal(x.detach(), before)
    assert x.grad is None


def test_the_table_names_every_input_with_its_shape_its_errors_the_place_and_the_verdict():
    inputs = {"input": numbers(3, 4), "weight": numbers(2, 4), "bias": numbers(2)}
    right = gradcheck(F.linear, inputs)
    wrong = gradcheck(F.linear, inputs, lambda g, input, weight, bias: (g @ weight, g.T @ input, g.mean(0)))
    heading, ruler, *lines, summary = str(wrong).splitlines()
    assert heading.split() == ["input", "shape", "abs", "error", "rel", "error", "worst", "at", "derived", "measured"]
    assert set(ruler) == {"─"}
    assert [line.split()[0] for line in lines] == ["input", "weight", "bias"]
    assert [line.split()[1] for line in lines] == ["3×4", "2×4", "2"]
    assert [line.split()[-1] for line in lines] == ["ok", "ok", "WRONG"]
    assert summary.startswith("2 of 3 right: |derived − measured| ≤ 1e-07 + 1e-05")
    assert str(right).splitlines()[-1].startswith("3 of 3 right")
    assert repr(right) == str(right)
    columns = [heading.index(word) for word in ("shape", "abs", "rel", "worst", "derived", "measured")]
    assert all(line[start - 1] == " " != line[start] for line in lines for start in columns)
    assert f"{wrong.rows[2].derived:.6g}" in lines[2]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    first, again, other = (gradcheck(torch.sin, [numbers(3)], seed=seed).rows[0].derived for seed in (1, 1, 2))
    assert first == again != other


def test_a_function_that_draws_anew_at_each_call_is_refused_and_one_with_a_seed_is_not():
    with pytest.raises(
        ValueError, match=r"function: expected .*set the seed inside it.*; got one that returned two different outputs"
    ):
        gradcheck(torch.nn.functional.dropout, [numbers(50)])

    def seeded(x):
        torch.manual_seed(0)
        return torch.nn.functional.dropout(x)

    assert gradcheck(seeded, [numbers(50)])


X = numbers(3)
BAD = [
    (lambda: gradcheck(torch.sin, [X.float()]), "inputs", r"float32 of shape \(3,\)", r"float64, .*\.double\(\)"),
    (lambda: gradcheck(lambda first, image: image, [X, X.float()]), "inputs", "image as float32", "float64"),
    (lambda: gradcheck(torch.sin, 3.0), "inputs", "float", "a tensor, a list of them, or a dict name → tensor"),
    (lambda: gradcheck(lambda n: torch.ones(n), [3]), "inputs", "1 without floating-point", "at least one float64 tensor"),
    (lambda: gradcheck(lambda x: x > 0, [X]), "function", "one that returns Tensor", "a floating-point tensor, or several"),
    (lambda: gradcheck(lambda x: 3.0, [X]), "function", "one that returns float", "a floating-point tensor"),
    (lambda: gradcheck(torch.add, [X, X], lambda g, x, y: g), "backward", "1 gradients", "2, for input 0, input 1"),
    (lambda: gradcheck(lambda x: x, [X], lambda g, x: g[:2]), "backward", r"shape \(2,\) for x", r"x's shape \(3,\)"),
    (lambda: gradcheck(lambda x: x, [X], lambda g, x: 1.0), "backward", "float for x", r"x's shape \(3,\)"),
    (lambda: gradcheck(torch.sin, [X], step=0), "step", "0", "a number > 0"),
    (lambda: gradcheck(torch.sin, [X], rtol=-1.0), "rtol", "-1.0", "a number > 0"),
    (lambda: gradcheck(torch.sin, [X], atol=math.nan), "atol", "nan", "a number > 0"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
