"""CKA: what it ignores, what it says of noise, and its two forms against their definitions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.data.cka import cka_of_noise, linear_cka, minibatch_cka, unbiased_cka, unbiased_hsic


def drawn(seed, *shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(st.integers(2, 12), st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_it_is_the_kernel_form_of_the_paper(n, p, q, seed):
    x, y = drawn(seed, n, p), drawn(seed + 1, n, q)
    h = torch.eye(n, dtype=torch.float64) - 1 / n
    k, l = h @ x @ x.mT @ h, h @ y @ y.mT @ h
    expected = (k * l).sum() / (k.norm() * l.norm())
    torch.testing.assert_close(linear_cka(x, y), expected.clamp(max=1))
    assert 0 <= linear_cka(x, y) <= 1


@given(st.integers(6, 20), st.integers(1, 5), st.floats(0.1, 9), st.integers(0, 999))
def test_rotation_shift_and_scale_change_nothing_and_another_matrix_does(n, p, scale, seed):
    x, y = drawn(seed, n, p), drawn(seed + 1, n, 3)
    rotation, _ = torch.linalg.qr(drawn(seed + 2, p, p))
    moved = scale * x @ rotation + drawn(seed + 3, p)
    torch.testing.assert_close(linear_cka(x, moved), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(linear_cka(moved, y), linear_cka(x, y))
    torch.testing.assert_close(linear_cka(y, x), linear_cka(x, y))
    torch.testing.assert_close(unbiased_hsic(x, y), unbiased_hsic(x + 5, y - 3), rtol=1e-6, atol=1e-7)
    stretched = x * torch.tensor([100.0, *[1.0] * (p - 1)])
    assert p == 1 or linear_cka(x, stretched) < 1 - 1e-6


def test_one_feature_gives_the_squared_correlation():
    x, y = drawn(0, 30, 1), drawn(1, 30, 1)
    correlation = torch.corrcoef(torch.cat([x, y], 1).mT)[0, 1]
    torch.testing.assert_close(linear_cka(x, y), correlation**2)


@pytest.mark.parametrize(("n", "p", "q"), [(100, 64, 64), (50, 10, 40), (400, 64, 16)])
def test_noise_scores_what_the_moments_say_and_the_unbiased_form_about_zero(n, p, q):
    biased = torch.stack([linear_cka(drawn(s, n, p), drawn(1000 + s, n, q)) for s in range(40)])
    unbiased = torch.stack([unbiased_cka(drawn(s, n, p), drawn(1000 + s, n, q)) for s in range(40)])
    assert biased.mean().item() == pytest.approx(cka_of_noise(n, p, q), rel=0.03)
    assert abs(unbiased.mean()) < 4 * unbiased.std() / math.sqrt(40)
    assert unbiased.std() < 0.5


def test_the_unbiased_estimate_is_unbiased_in_every_draw_of_a_small_world():
    """The mean over all ways to draw 4 of 7 equals the same statistic of the 7: it is a U-statistic."""
    from itertools import combinations

    x, y = drawn(3, 7, 2), drawn(4, 7, 3)
    parts = torch.stack([unbiased_hsic(x[list(rows)], y[list(rows)]) for rows in combinations(range(7), 4)])
    torch.testing.assert_close(parts.mean(), unbiased_hsic(x, y))


def test_minibatches_average_the_three_estimates():
    x = drawn(5, 60, 4)
    y = x @ drawn(6, 4, 5) + drawn(7, 60, 5)
    batches = [(x[i : i + 20], y[i : i + 20]) for i in (0, 20, 40)]
    sums = torch.stack([torch.stack([unbiased_hsic(a, b), unbiased_hsic(a, a), unbiased_hsic(b, b)]) for a, b in batches]).sum(0)
    torch.testing.assert_close(minibatch_cka(batches), sums[0] / (sums[1] * sums[2]).sqrt())
    assert abs(minibatch_cka(batches) - unbiased_cka(x, y)) < 0.1


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (torch.zeros(5, 2), torch.zeros(4, 2), "the same N"),
        (torch.zeros(5, 2, 3), torch.zeros(5, 2), r"\.mean\(1\)"),
        (torch.zeros(1, 2), torch.zeros(1, 2), "N ≥ 2"),
        (torch.ones(5, 2), torch.rand(5, 2), "the same for all examples"),
        (torch.full((5, 2), torch.nan), torch.rand(5, 2), "NaN or infinity"),
    ],
)
def test_what_cannot_be_compared_is_refused(x, y, words):
    with pytest.raises(ValueError, match=words):
        linear_cka(x, y)


def test_too_few_examples_or_none_for_the_unbiased_form():
    with pytest.raises(ValueError, match="N ≥ 4"):
        unbiased_cka(torch.rand(3, 2), torch.rand(3, 2))
    with pytest.raises(ValueError, match="at least one pair"):
        minibatch_cka([])
    with pytest.raises(ValueError, match="the same for all examples"):
        unbiased_cka(torch.ones(5, 2), torch.rand(5, 2))
