"""How large scores are, the softmax's Jacobian, and the bound on what passes through it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops import softmax_backward
from mmlearn.ops.attention_scores import score_variance, softmax_gain_bound, softmax_jacobian


@given(st.integers(1, 40), st.floats(0.1, 3), st.floats(0.1, 3))
def test_the_variance_of_a_product_is_that_of_its_terms_added_up(features, query, key):
    """Two-point features ±σ: every product can be counted."""
    terms = query * key  # each q_a k_a is ±√(query·key), with equal probability
    assert score_variance(features, query, key) == pytest.approx(features * terms)


def test_the_variance_of_a_sample():
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(40_000, 8, generator=generator, dtype=torch.float64) * size for size in (2.0, 0.5))
    assert (q * k).sum(1).var().item() == pytest.approx(score_variance(8, 4.0, 0.25), rel=0.05)


@given(st.integers(1, 6), st.integers(0, 1000))
def test_the_jacobian_is_autograds_and_the_product_with_it_is_softmax_backward(T, seed):
    torch.manual_seed(seed)
    s, g = torch.randn(T, dtype=torch.float64), torch.randn(T, dtype=torch.float64)
    J = softmax_jacobian(s.softmax(0))
    torch.testing.assert_close(J, torch.autograd.functional.jacobian(lambda x: x.softmax(0), s))
    torch.testing.assert_close(J @ g, softmax_backward(g, s, dim=0))
    assert torch.linalg.matrix_norm(J, 2) <= 0.5 + 1e-12


def test_a_jacobian_for_each_row():
    p = torch.rand(2, 3, 4, dtype=torch.float64).softmax(-1)
    assert softmax_jacobian(p).shape == (2, 3, 4, 4)
    torch.testing.assert_close(softmax_jacobian(p)[1, 2], softmax_jacobian(p[1, 2]))


def test_the_mean_of_the_largest_of_two_and_of_three_normal_numbers_is_known():
    assert softmax_gain_bound(1, 1.0) == pytest.approx(0, abs=1e-9)
    assert softmax_gain_bound(2, 1.0) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-6)
    assert softmax_gain_bound(3, 1.0) == pytest.approx(3 / (2 * math.sqrt(math.pi)), rel=1e-6)


@pytest.mark.parametrize("keys", [2, 5, 50])
def test_the_bound_bounds_and_is_tight_for_large_scores(keys):
    rng = np.random.default_rng(keys)
    for deviation in (0.3, 2.0, 60.0):
        s = torch.from_numpy(rng.normal(size=(100_000, keys)) * deviation)
        p = s.softmax(1)
        trace = (p * (1 - p)).sum(1).mean().item()
        lemma = (p * s).sum(1).mean().item() / deviation**2
        bound = softmax_gain_bound(keys, deviation)
        assert trace == pytest.approx(lemma, rel=0.05)
        assert trace < 1.06 * bound
        assert bound <= math.sqrt(2 * math.log(keys)) / deviation
    assert trace == pytest.approx(bound, rel=0.1)  # at the largest deviation


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: score_variance(0), "features"),
        (lambda: score_variance(3, -1.0), "query_variance"),
        (lambda: softmax_jacobian(torch.tensor([1, 2])), "probability"),
        (lambda: softmax_jacobian(torch.zeros(2, 0)), "at least one"),
        (lambda: softmax_gain_bound(0, 1.0), "keys"),
        (lambda: softmax_gain_bound(3, 0.0), "deviation"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
