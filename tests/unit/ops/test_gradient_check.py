"""The central difference: how far it is from the derivative, and for which inputs."""

import math

import pytest
import torch

import mmlearn.ops as F


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
