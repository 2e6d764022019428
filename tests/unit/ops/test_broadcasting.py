"""Copying and summing are adjoint: the gradient of a broadcast is a sum over the copies."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mmlearn.ops as F
from mmlearn.ops.broadcasting import broadcast_to, broadcast_to_backward


@st.composite
def stretched(draw):
    """(input shape, size it stretches to)."""
    size = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    kept = size[draw(st.integers(0, len(size))) :]
    return tuple(1 if draw(st.booleans()) else length for length in kept), size


@given(stretched())
def test_forward_and_backward_are_torchs(drawn):
    shape, size = drawn
    x = torch.randn(shape, dtype=torch.float64)
    grad_output = torch.randn(size, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    assert torch.equal(broadcast_to(x, size), torch.broadcast_to(x, size))
    expected = grad_output.sum_to_size(shape)
    torch.testing.assert_close(broadcast_to_backward(grad_output, x), expected)
    (by_hand,) = torch.autograd.grad(broadcast_to(leaf, size), leaf, grad_output)
    torch.testing.assert_close(by_hand, expected)


@given(stretched())
def test_it_is_the_adjoint_of_copying(drawn):
    shape, size = drawn
    x, g = torch.randn(shape, dtype=torch.float64), torch.randn(size, dtype=torch.float64)
    torch.testing.assert_close((broadcast_to(x, size) * g).sum(), (x * broadcast_to_backward(g, x)).sum())


def test_against_differences():
    x = torch.randn(3, 1, 2, dtype=torch.float64)
    assert F.gradcheck(lambda x: broadcast_to(x, (2, 3, 4, 2)), [x])


def test_shapes_that_do_not_stretch_are_refused():
    with pytest.raises(ValueError, match=r"do not broadcast"):
        broadcast_to(torch.zeros(3), (2,))
    with pytest.raises(ValueError, match=r"a shape that stretches to \(1,\)"):
        broadcast_to(torch.zeros(3), (1,))
    with pytest.raises(ValueError, match="grad_output"):
        broadcast_to_backward(torch.zeros(1), torch.zeros(3))
