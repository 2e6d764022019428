"""The central difference: how far it is from the derivative, and for which inputs."""

import math

import pytest
import torch

import mmlearn.ops as F
from mmlearn.ops.gradient_check import best_step, central_difference_error


@pytest.mark.parametrize(
    ("function", "derivative", "third"),
    [(torch.exp, torch.exp, torch.exp), (torch.sin, torch.cos, lambda x: -torch.cos(x))],
    ids=["exp", "sin"],
)
def test_the_error_falls_as_the_square_of_the_step(function, derivative, third):
    x = torch.tensor([0.3, 1.1], dtype=torch.float64)
    for step in (1e-1, 1e-2, 1e-3):
        error = F.numerical_gradient(function, x, step=step) - derivative(x)
        torch.testing.assert_close(error / step**2, third(x) / 6, rtol=2 * step, atol=1e-6)


def test_too_small_a_step_drowns_in_rounding():
    x = torch.tensor([1.0], dtype=torch.float64)
    errors = {step: (F.numerical_gradient(torch.exp, x, step=step) - math.e).abs().item() for step in (1e-3, 1e-6, 1e-13)}
    assert errors[1e-6] < errors[1e-3]
    assert errors[1e-6] < errors[1e-13]


def test_it_contracts_with_the_gradient_of_the_output_or_with_ones():
    x = torch.randn(3, dtype=torch.float64)
    matrix, grad_output = torch.randn(2, 3, dtype=torch.float64), torch.tensor([2.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(F.numerical_gradient(lambda x: matrix @ x, x), matrix.sum(0))
    torch.testing.assert_close(F.numerical_gradient(lambda x: matrix @ x, x, grad_output), grad_output @ matrix)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_any_shape_and_layout_will_do_and_the_input_is_left_alone(shape):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    x = x.mT if x.dim() == 2 else x
    before = x.detach().clone()
    gradient = F.numerical_gradient(torch.square, x)
    torch.testing.assert_close(gradient, 2 * before)
    assert torch.equal(x, before)


def test_the_error_is_what_theory_says_where_truncation_rules_and_below_it_where_rounding_does():
    x = torch.tensor([0.3], dtype=torch.float64)
    for step in (1e-2, 1e-3, 1e-4):
        measured = (F.numerical_gradient(torch.exp, x, step=step) - torch.exp(x)).abs().item()
        assert measured == pytest.approx(central_difference_error(step, math.exp(0.3), math.exp(0.3)), rel=0.02)
    for step in (1e-7, 1e-9, 1e-11):
        measured = (F.numerical_gradient(torch.exp, x, step=step) - torch.exp(x)).abs().item()
        assert measured < 2 * central_difference_error(step, math.exp(0.3), math.exp(0.3))


@pytest.mark.parametrize(("value", "third"), [(1.0, 1.0), (-3.0, 0.01), (1e-3, -50.0)])
@pytest.mark.parametrize("epsilon", [2.0**-52, 2.0**-23])
def test_no_step_beats_the_best(value, third, epsilon):
    step = best_step(value, third, epsilon)
    least = central_difference_error(step, value, third, epsilon)
    assert all(central_difference_error(factor * step, value, third, epsilon) > least for factor in (0.5, 0.99, 1.01, 2))


def test_a_step_and_a_third_derivative_without_an_answer_are_refused():
    with pytest.raises(ValueError, match="step"):
        central_difference_error(0, 1.0, 1.0)
    with pytest.raises(ValueError, match="no step is too large"):
        best_step(1.0, 0.0)
