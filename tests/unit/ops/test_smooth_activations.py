"""GELU and SiLU: torch's numbers and gradients, far out as well, and what the two are made of."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gradient_table import gradcheck
from mmlearn.ops.smooth_activations import gelu, gelu_backward, silu, silu_backward

TORCH = torch.nn.functional
INF = float("inf")
FUNCTIONS = {  # name: (ours, its backward, torch's), each a function of the input alone
    "gelu": (gelu, gelu_backward, TORCH.gelu),
    "gelu tanh": (
        lambda x: gelu(x, "tanh"),
        lambda g, x: gelu_backward(g, x, approximate="tanh"),
        lambda x: TORCH.gelu(x, approximate="tanh"),
    ),
    "silu": (silu, silu_backward, TORCH.silu),
}
EACH = [pytest.param(*functions, id=name) for name, functions in FUNCTIONS.items()]


@st.composite
def inputs(draw):
    """Any shape, contiguous or not, numbers near 1 or large."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * draw(st.sampled_from([1, 30, 300]))
    return x.mT.contiguous().mT if len(shape) >= 2 and draw(st.booleans()) else x


@pytest.mark.parametrize(("function", "backward", "theirs"), EACH)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=60)
@given(x=inputs())
def test_values_and_gradients_are_those_of_torch(function, backward, theirs, dtype, x):
    close = {"rtol": 1e-10, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-5}
    x = x.to(dtype).requires_grad_()
    y = x.detach().double().requires_grad_()
    grad_output = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    output, expected = function(x), theirs(y)
    (grad,), (wanted,) = (
        torch.autograd.grad(output, x, grad_output.to(dtype)),
        torch.autograd.grad(expected, y, grad_output),
    )
    for actual, right in ((output, expected), (grad, wanted), (backward(grad_output.to(dtype), x), wanted)):
        assert actual.dtype == dtype
        torch.testing.assert_close(actual.double(), right, **close)


@pytest.mark.parametrize(("function", "backward", "theirs"), EACH)
def test_the_gradient_is_that_of_finite_differences_once_and_twice(function, backward, theirs):
    x = torch.linspace(-3, 3, 12, dtype=torch.float64).view(3, 4)
    assert gradcheck(function, [x])
    assert torch.autograd.gradgradcheck(function, x.clone().requires_grad_())
    y = x.clone().requires_grad_()
    with torch_gradients():
        function(y).sum().backward()
    torch.testing.assert_close(y.grad, backward(torch.ones_like(x), x))
    torch.testing.assert_close(torch.func.grad(lambda z: function(z).sum())(x), y.grad)


@pytest.mark.parametrize(("function", "backward", "theirs"), EACH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_out_it_is_the_identity_or_zero_with_the_slope_of_torch(function, backward, theirs, dtype):
    x = torch.tensor([-1e15, -1000, -30, -10, -1e-8, -0.0, 0, 1e-8, 10, 30, 1000, 1e15], dtype=dtype).requires_grad_()
    y = x.detach().clone().requires_grad_()
    output = function(x)
    output.sum().backward()
    expected = theirs(y)
    expected.sum().backward()
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(x.grad, y.grad)
    assert function(torch.tensor(INF)) == INF
    assert function(torch.tensor(float("nan"))).isnan()


def test_gelu_is_the_expected_value_of_x_kept_when_a_normal_number_is_below_it():
    x = torch.tensor([-1.5, -0.3, 0.4, 2.0], dtype=torch.float64)
    grids = [torch.linspace(-12, limit, 10_001, dtype=torch.float64) for limit in x]
    below = torch.stack([torch.trapezoid(torch.exp(-z * z / 2) / math.sqrt(2 * math.pi), z) for z in grids])
    torch.testing.assert_close(gelu(x), x * below, rtol=1e-6, atol=0)


def test_gelu_keeps_its_digits_where_almost_nothing_is_left():
    x = torch.tensor([-3.0, -8.0, -12.0, -20.0], dtype=torch.float64)
    exact = x * torch.tensor([0.5 * math.erfc(-value / math.sqrt(2)) for value in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(gelu(x), exact, rtol=1e-13, atol=0)


def test_the_approximation_is_close_and_not_the_same():
    x = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    distance = (gelu(x) - gelu(x, "tanh")).abs().max()
    assert 1e-4 < distance < 5e-4


def test_both_are_the_rectifier_from_afar():
    x = torch.linspace(-2, 2, 41, dtype=torch.float64)
    for function in (gelu, silu):
        torch.testing.assert_close(function(1000 * x) / 1000, x.clamp(min=0), rtol=0, atol=1e-4)


def test_silu_in_place_writes_into_its_input():
    x = torch.tensor([-1.0, 0.0, 2.0])
    expected = TORCH.silu(x)
    assert silu(x, inplace=True) is x
    torch.testing.assert_close(x, expected)


def test_the_signatures_are_those_of_torch():
    ours = [(p.name, p.default) for p in inspect.signature(silu).parameters.values()]
    assert ours == [(p.name, p.default) for p in inspect.signature(TORCH.silu).parameters.values()]
    assert "gelu(input, approximate = 'none')" in TORCH.gelu.__doc__
    assert [(p.name, p.default) for p in inspect.signature(gelu).parameters.values()][1:] == [("approximate", "none")]


WORDS = torch.tensor([1, 2])
WRONG = [
    (lambda: gelu(WORDS), "input", "int64", "floating-point"),
    (lambda: gelu([1.0]), "input", "list", "torch.Tensor"),
    (lambda: gelu(torch.ones(2), "sigmoid"), "approximate", "'sigmoid'", "'none' or 'tanh'"),
    (lambda: gelu(torch.ones(2), True), "approximate", "True", "'none' or 'tanh'"),
    (lambda: gelu_backward(torch.ones(3), torch.ones(2)), "grad_output", r"shape \(3,\)", r"\(2,\)"),
    (lambda: silu(WORDS), "input", "int64", "floating-point"),
    (lambda: silu_backward(torch.ones(3), torch.ones(2)), "grad_output", r"shape \(3,\)", r"\(2,\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
