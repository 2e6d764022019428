"""The gradients of an autoencoder: those of autograd, and finite differences for the tied one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.autoencoder_gradients import autoencoder_gradients, tied_autoencoder_gradients
from mmlearn.ops.gradient_check import numerical_gradient


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss(x, w_z, b_z, w_x, b_x):
    z = torch.sigmoid(x @ w_z.T + b_z)
    return (torch.sigmoid(z @ w_x.T + b_x) - x).square().sum() / len(x)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_they_are_those_of_autograd(N, D, k, seed):
    x = torch.sigmoid(drawn(N, D, seed=seed))
    leaves = [drawn(*shape, seed=seed + n).requires_grad_() for n, shape in enumerate([(k, D), (k,), (D, k), (D,)], start=1)]
    expected = torch.autograd.grad(loss(x, *leaves), leaves)
    found = autoencoder_gradients(x, *(leaf.detach() for leaf in leaves))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_weight_that_is_used_twice_gets_both_gradients():
    x, w, b_z, b_x = torch.sigmoid(drawn(4, 5)), drawn(3, 5, seed=1), drawn(3, seed=2), drawn(5, seed=3)
    leaves = [t.clone().requires_grad_() for t in (w, b_z, b_x)]
    expected = torch.autograd.grad(loss(x, leaves[0], leaves[1], leaves[0].T, leaves[2]), leaves)
    found = tied_autoencoder_gradients(x, w, b_z, b_x)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    nudged = numerical_gradient(lambda t: loss(x, t, b_z, t.T, b_x), w, torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(found.w, nudged, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        (((0, 5), (3, 5), (3,), (5, 3), (5,)), "x: expected at least one row"),
        (((2, 5), (3, 4), (3,), (4, 3), (5,)), r"w_z: expected \(k, 5\); got shape \(3, 4\)"),
        (((2, 5), (3, 5), (2,), (5, 3), (5,)), r"b_z: expected \(3,\); got shape \(2,\)"),
        (((2, 5), (3, 5), (3,), (3, 5), (5,)), r"w_x: expected \(5, 3\), the shape of w_z turned round"),
        (((2, 5), (3, 5), (3,), (5, 3), (3,)), r"b_x: expected \(5,\); got shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(shapes, says):
    with pytest.raises(ValueError, match=says):
        autoencoder_gradients(*(torch.zeros(shape) for shape in shapes))
