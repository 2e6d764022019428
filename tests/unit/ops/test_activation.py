"""Pointwise functions and the softmax where numbers are extreme."""

import warnings

import pytest
import torch

import mmlearn.ops as F

NAN, INF = float("nan"), float("inf")
EXTREMES = torch.tensor([-INF, -1e30, -1000, -30, -1, -1e-8, -0.0, 0, 1e-8, 1, 30, 1000, 1e30, INF, NAN])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_extreme_numbers_and_their_gradients_are_those_of_torch(name, dtype):
    results = []
    for library in (F, torch.nn.functional):
        x = EXTREMES.to(dtype, copy=True).requires_grad_()
        output = getattr(library, name)(x)
        output[:-1].sum().backward()  # all but that of NaN, which has none that means anything
        results.append((output.detach(), x.grad))
    torch.testing.assert_close(results[0], results[1], equal_nan=True)


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_small_numbers_keep_their_digits(name):
    x = torch.logspace(-12, 0, 50, dtype=torch.float64)
    for numbers in (x, -x):
        torch.testing.assert_close(getattr(F, name)(numbers), getattr(torch, name)(numbers), rtol=1e-14, atol=0)


def test_tanh_is_the_stretched_sigmoid():
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    torch.testing.assert_close(F.tanh(x), 2 * F.sigmoid(2 * x) - 1)


def test_relu_in_place_writes_into_its_input_and_has_the_same_gradient():
    x = torch.tensor([-1.0, 0.0, 2.0, -INF])
    assert F.relu(x, inplace=True) is x
    assert x.tolist() == [0, 0, 2, 0]
    x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    F.relu(2 * x, inplace=True).sum().backward()
    assert x.grad.tolist() == [0, 0, 2]


@pytest.mark.parametrize(
    "row",
    [
        [1000.0, 1000.0, -1000.0],
        [-1e30, 0.0, 1e30],
        [-INF, 0.0, 1.0],
        [-INF, -INF, -INF],
        [INF, 0.0, 1.0],
        [NAN, 0.0, 1.0],
    ],
)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_extreme_rows_is_that_of_torch(name, row):
    results = []
    for library in (F, torch.nn.functional):
        x = torch.tensor([row, [0.0, 1.0, 2.0]], requires_grad=True)
        output = getattr(library, name)(x, 1)
        output[:, 1].sum().backward()
        results.append((output.detach(), x.grad))
    torch.testing.assert_close(results[0], results[1], equal_nan=True)


def test_softmax_sums_to_one_and_ignores_a_constant():
    x = torch.randn(4, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(F.softmax(x, 1).sum(1), torch.ones(4, 6, dtype=torch.float64))
    torch.testing.assert_close(F.softmax(x + 100, -1), F.softmax(x, -1))
    torch.testing.assert_close(F.log_softmax(x, 0).exp(), F.softmax(x, 0))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_dtype_converts_the_input_first_and_the_gradient_back(name):
    x = torch.randn(3, 4).bfloat16().requires_grad_()
    output = getattr(F, name)(x, 1, dtype=torch.float64)
    torch.testing.assert_close(output, getattr(torch, name)(x.double(), 1))
    output[:, 0].sum().backward()
    assert x.grad.dtype == torch.bfloat16
    whole = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(getattr(F, name)(whole, 1, dtype=torch.float32), getattr(torch, name)(whole.float(), 1))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_without_dim_the_axis_is_that_of_torch_and_one_warning_says_so(name, shape):
    x = torch.randn(shape, requires_grad=True)
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        expected = getattr(torch.nn.functional, name)(x)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        output = getattr(F, name)(x)
        output.sum().backward()
    assert ["without dim" in str(warning.message) for warning in warned] == [True]
    torch.testing.assert_close(output, expected)
