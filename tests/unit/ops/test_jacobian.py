"""Jacobians: torch's two modes of differentiation are the judge."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops.jacobian import chain_products, jacobian_vector_product, vector_jacobian_product

SHAPES = st.lists(st.integers(1, 3), max_size=3).map(tuple)


def layer(output_shape, input_shape):
    """A smooth function between tensors of these shapes."""
    weight = torch.randn((*output_shape, *input_shape), dtype=torch.float64)
    return lambda x: torch.tanh(torch.tensordot(weight, x, dims=x.dim()))


@given(SHAPES, SHAPES)
def test_both_products_are_torchs(output_shape, input_shape):
    function, x = layer(output_shape, input_shape), torch.randn(input_shape, dtype=torch.float64)
    tangent, grad_output = torch.randn_like(x), torch.randn(output_shape, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(function, x)
    _, forward = torch.autograd.functional.jvp(function, x, tangent)
    _, backward = torch.autograd.functional.vjp(function, x, grad_output)
    torch.testing.assert_close(jacobian_vector_product(jacobian, tangent), forward)
    torch.testing.assert_close(vector_jacobian_product(grad_output, jacobian), backward)


@given(SHAPES, SHAPES)
def test_the_two_products_are_adjoint(output_shape, input_shape):
    jacobian = torch.randn((*output_shape, *input_shape), dtype=torch.float64)
    tangent, grad_output = torch.randn(input_shape, dtype=torch.float64), torch.randn(output_shape, dtype=torch.float64)
    one = (jacobian_vector_product(jacobian, tangent) * grad_output).sum()
    other = (tangent * vector_jacobian_product(grad_output, jacobian)).sum()
    torch.testing.assert_close(one, other)


def test_a_jacobian_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"jacobian: expected \(2,\), as grad_output has, .* got shape \(3, 4\)"):
        vector_jacobian_product(torch.ones(2), torch.ones(3, 4))
    with pytest.raises(ValueError, match=r"then \(3,\), as tangent has; got shape \(3, 4\)"):
        jacobian_vector_product(torch.ones(3, 4), torch.ones(3))


@pytest.mark.parametrize("widths", [[5, 7], [3, 4, 5, 2], [6, 1, 6]])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_products_are_those_of_the_matrix_products(widths, mode):
    matrices = [(after, before) for before, after in pairwise(widths)]
    counted = 0
    if mode == "forward":  # onto the identity of the input, column by column
        for after, before in matrices:
            counted += after * before * widths[0]
    else:
        for after, before in reversed(matrices):
            counted += widths[-1] * after * before
    assert chain_products(widths, mode) == counted


def test_the_mode_and_the_widths_are_checked():
    with pytest.raises(ValueError, match="'forward' or 'reverse'; got 'backward'"):
        chain_products([3, 2], "backward")
    with pytest.raises(ValueError, match="widths"):
        chain_products([3], "forward")
