"""Weighted means, products and modulation: against formulas written out, autograd and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from mmlearn.ops import torch_gradients
from mmlearn.ops.fusion import film, film_backward, gated_mean, gated_mean_backward, hadamard_product, hadamard_product_backward

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 4)


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some(seed, M, N):
    """(M, N) bool, one modality or more for each example."""
    present = normal(seed + 1, M, N) > 0
    present[0] |= ~present.any(0)
    return present


@given(seeds, sizes, sizes, sizes)
def test_the_gated_mean_is_numpys_average_of_what_is_present(seed, M, N, D):
    features, scores, present = normal(seed, M, N, D), normal(seed + 2, M, N, D), some(seed, M, N)
    result = gated_mean(features, scores, present)
    weights = scores.exp() * present[..., None]
    np.testing.assert_allclose(result, np.average(features, axis=0, weights=weights), atol=1e-12)


@given(seeds, sizes, sizes)
def test_two_scores_are_the_sigmoid_of_their_difference(seed, N, D):
    a, b, s = normal(seed, N, D), normal(seed + 1, N, D), normal(seed + 2, N, D)
    z = torch.sigmoid(s)
    result = gated_mean(torch.stack([a, b]), torch.stack([s, 0 * s]))
    torch.testing.assert_close(result, z * a + (1 - z) * b)


@given(seeds, sizes, sizes, sizes)
def test_hand_written_gradients_are_autograds(seed, M, N, D):
    present, upstream = some(seed, M, N), normal(seed + 3, N, D)
    for operation, backward, inputs in (
        (gated_mean, gated_mean_backward, (normal(seed, M, N, D), normal(seed + 2, M, N, D))),
        (hadamard_product, hadamard_product_backward, (normal(seed, M, N, D),)),
    ):
        leaves = [x.requires_grad_() for x in inputs]
        with torch_gradients():
            expected = torch.autograd.grad(operation(*leaves, present), leaves, upstream)
        ours = torch.autograd.grad(operation(*leaves, present), leaves, upstream)
        direct = backward(upstream, *(x.detach() for x in leaves), present)
        direct = direct if isinstance(direct, tuple) else (direct,)
        for one, two, three in zip(expected, ours, direct, strict=True):
            torch.testing.assert_close(two, one, atol=1e-12, rtol=1e-10)
            torch.testing.assert_close(three, one, atol=1e-12, rtol=1e-10)


def test_gradients_pass_finite_differences_also_twice():
    features, scores = normal(0, 3, 2, 2).requires_grad_(), normal(1, 3, 1, 1).requires_grad_()
    present = torch.tensor([[True, False], [True, True], [False, True]])
    x, scale, shift = (normal(seed, 2, 3).requires_grad_() for seed in (2, 3, 4))
    assert gradcheck(lambda f, s: gated_mean(f, s, present), (features, scores))
    assert gradcheck(lambda f: hadamard_product(f, present), (features,))
    assert gradcheck(film, (x, scale, shift))
    assert torch.autograd.gradgradcheck(lambda f, s: gated_mean(f, s, present), (features, scores))
    assert torch.autograd.gradgradcheck(lambda f: hadamard_product(f, present), (features,))


def test_a_factor_of_zero_still_learns():
    """A division of the product by the factor would give NaN."""
    features = torch.tensor([[[0.0, 2.0, 0.0]], [[3.0, 0.0, 0.0]]])
    grad = hadamard_product_backward(torch.ones(1, 3), features, torch.ones(2, 1, dtype=torch.bool))
    assert grad.tolist() == [[[3.0, 0.0, 0.0]], [[0.0, 2.0, 0.0]]]


def test_film_by_hand():
    x, scale, shift = torch.tensor([[2.0, -1.0]]), torch.tensor([[3.0, 0.5]]), torch.tensor([[1.0, 1.0]])
    assert film(x, scale, shift).tolist() == [[7.0, 0.5]]
    grads = film_backward(torch.tensor([[1.0, 2.0]]), x, scale, shift)
    assert [grad.tolist() for grad in grads] == [[[3.0, 1.0]], [[2.0, -2.0]], [[1.0, 2.0]]]


@pytest.mark.parametrize("operation", [hadamard_product, lambda f, p: gated_mean(f, torch.zeros(()), p)])
def test_nan_of_the_absent_reaches_neither_result_nor_gradient(operation):
    features = normal(0, 2, 3, 4)
    present = torch.tensor([[True, False, True], [True, True, False]])
    features[~present] = float("nan")
    features.requires_grad_()
    result = operation(features, present)
    result.sum().backward()
    assert result.isfinite().all()
    assert (features.grad[~present] == 0).all()
    assert features.grad.isfinite().all()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"features: expected \(M, N, D\)"):
        hadamard_product(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"present: expected bool \(2, 3\); got torch.bool of shape \(3, 2\)"):
        gated_mean(torch.zeros(2, 3, 4), torch.zeros(()), torch.ones(3, 2, dtype=torch.bool))
