"""The expected loss: the mean of the drawn one, its gradient, its minimum and the curvature there."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.divergence import skip_gram_negative_sampling
from mmlearn.ops.skip_gram import best_products, curvature, expected_skip_gram, expected_skip_gram_backward


def tables(seed, words=4, contexts=5):
    draw = torch.Generator().manual_seed(seed)
    joint = torch.rand(words, contexts, generator=draw, dtype=torch.float64)
    noise = torch.rand(contexts, generator=draw, dtype=torch.float64)
    products = torch.randn(words, contexts, generator=draw, dtype=torch.float64)
    return products, joint / joint.sum(), noise / noise.sum()


SEEDS = st.integers(0, 10**6)


def test_it_is_the_mean_of_the_drawn_loss_over_every_draw():
    """V words, C neighbours, k = 2: all V·C·C² draws, each with its probability."""
    draw = torch.Generator().manual_seed(0)
    words, contexts = torch.randn(3, 2, generator=draw).double(), torch.randn(4, 2, generator=draw).double()
    _, joint, noise = tables(1, 3, 4)
    mean = 0.0
    for w in range(3):
        for c in range(4):
            for first in range(4):
                for second in range(4):
                    drawn = skip_gram_negative_sampling(words[w][None], contexts[c][None], contexts[[first, second]][None])
                    mean += joint[w, c] * noise[first] * noise[second] * drawn
    torch.testing.assert_close(expected_skip_gram(words @ contexts.T, joint, noise, 2), mean)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([1, 5, 0.5]))
def test_the_hand_written_gradient_is_autograds(seed, negatives):
    products, joint, noise = tables(seed)
    ours, theirs = (products.clone().requires_grad_() for _ in range(2))
    (3 * expected_skip_gram(ours, joint, noise, negatives)).backward()
    with torch_gradients():
        (3 * expected_skip_gram(theirs, joint, noise, negatives)).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([1, 5]))
def test_the_gradient_is_zero_at_the_best_products_and_the_second_derivative_is_the_curvature(seed, negatives):
    _, joint, noise = tables(seed)
    best = best_products(joint, noise, negatives)
    one = torch.ones((), dtype=torch.float64)
    assert expected_skip_gram_backward(one, best, joint, noise, negatives).abs().max() < 1e-12
    h = 1e-5
    up, down = (expected_skip_gram_backward(one, best + sign * h, joint, noise, negatives) for sign in (1, -1))
    torch.testing.assert_close((up - down) / (2 * h), curvature(joint, noise, negatives), rtol=1e-6, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_no_other_products_have_a_smaller_loss(seed):
    products, joint, noise = tables(seed)
    best = expected_skip_gram(best_products(joint, noise, 5), joint, noise, 5)
    assert best <= expected_skip_gram(products, joint, noise, 5)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_with_noise_as_the_neighbours_come_the_best_products_are_pmi_minus_log_k(seed):
    _, joint, _ = tables(seed)
    pmi = (joint / torch.outer(joint.sum(1), joint.sum(0))).log()
    torch.testing.assert_close(best_products(joint, joint.sum(0), 5), pmi - torch.tensor(5.0, dtype=torch.float64).log())


def test_a_pair_that_never_comes_wants_minus_infinity_and_has_no_curvature():
    joint = torch.tensor([[0.5, 0.0], [0.25, 0.25]])
    assert best_products(joint, joint.sum(0), 5)[0, 1] == -torch.inf
    assert curvature(joint, joint.sum(0), 5)[0, 1] == 0
    empty = torch.tensor([[0.0, 0.0], [0.5, 0.5]])  # a word that never occurs: no 0/0
    assert not best_products(empty, empty.sum(0), 5).isnan().any()
    assert not curvature(empty, empty.sum(0), 5).isnan().any()


def test_large_products_overflow_nowhere():
    _, joint, noise = tables(0)
    for size in (1e4, -1e4):
        products = torch.full((4, 5), size, dtype=torch.float64, requires_grad=True)
        loss = expected_skip_gram(products, joint, noise, 5)
        loss.backward()
        assert loss.isfinite()
        assert products.grad.isfinite().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise": torch.ones(4).double()}, r"noise: expected \(5,\): one number for each column of joint; got shape \(4,\)"),
        ({"products": torch.zeros(5, 4).double()}, r"products: expected \(4, 5\), as joint has"),
        ({"negatives": 0}, "negatives: expected a number above 0"),
        ({"joint": torch.ones(4)}, "joint: expected"),
    ],
)
def test_bad_input_is_named(change, words):
    products, joint, noise = tables(0)
    given = {"products": products, "joint": joint, "noise": noise, "negatives": 5} | change
    with pytest.raises(ValueError, match=words):
        expected_skip_gram(**given)
