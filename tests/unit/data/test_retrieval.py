"""Recall at K against all orders of the tied items, one by one, and against counting."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.data.retrieval import chance_recall, recall_at_k, recall_ceiling


def by_all_orders(similarity, relevant, k):
    """For each query: the share of the orders that similarity allows with a relevant item among the first k: min, mean, max."""
    worst, mean, best = [], [], []
    for row, right in zip(similarity.tolist(), relevant.tolist(), strict=True):
        groups = [[i for i, value in enumerate(row) if value == level] for level in sorted(set(row), reverse=True)]
        orders = itertools.product(*[list(itertools.permutations(group)) for group in groups])
        hits = [any(right[item] for item in list(itertools.chain(*order))[:k]) for order in orders]
        worst.append(min(hits))
        mean.append(sum(hits) / len(hits))
        best.append(max(hits))
    return [sum(values) / len(values) for values in (worst, mean, best)]


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 2**20), st.data())
def test_recall_is_the_mean_over_all_orders_of_the_ties(q, m, seed, draw):
    generator = torch.Generator().manual_seed(seed)
    similarity = torch.randint(3, (q, m), generator=generator).double()
    relevant = torch.rand(q, m, generator=generator) < 0.4
    relevant[:, torch.randint(m, (1,), generator=generator)] = True
    k = draw.draw(st.integers(1, m))
    for ties, expected in zip(("worst", "mean", "best"), by_all_orders(similarity, relevant, k), strict=True):
        assert recall_at_k(similarity, relevant, k, ties) == pytest.approx(expected, abs=1e-12)


@given(st.integers(2, 30), st.integers(0, 2**20))
def test_without_ties_it_is_topks(n, seed):
    similarity = torch.randn(n, n, generator=torch.Generator().manual_seed(seed))
    for k in (1, n // 2 or 1, n):
        hits = (similarity.topk(k, dim=1).indices == torch.arange(n)[:, None]).any(1)
        assert recall_at_k(similarity, k=k) == pytest.approx(hits.double().mean().item())


def test_an_encoder_that_maps_everything_to_one_point_scores_as_guessing_does():
    constant = torch.zeros(20, 20)
    found = recall_at_k(constant, k=(1, 5, 20))
    assert found == {1: pytest.approx(1 / 20), 5: pytest.approx(5 / 20), 20: 1.0}
    assert recall_at_k(constant, k=1, ties="best") == 1.0
    assert recall_at_k(constant, k=1, ties="worst") == 0.0


def test_the_numbers_of_the_right_items_are_as_good_as_flags():
    similarity = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    numbers = torch.tensor([6, 0, 3, 3])
    flags = torch.nn.functional.one_hot(numbers, 7).bool()
    assert recall_at_k(similarity, numbers, k=(1, 5)) == recall_at_k(similarity, flags, k=(1, 5))


@pytest.mark.parametrize(("items", "k", "relevant"), [(5, 1, 1), (5, 3, 2), (9, 9, 1), (6, 5, 3), (500, 10, 5)])
def test_chance_is_what_counting_gives(items, k, relevant):
    expected = 1 - math.comb(items - relevant, k) / math.comb(items, k)
    assert chance_recall(items, k, relevant) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 4))
def test_a_perfect_encoder_reaches_the_ceiling_of_twins_and_no_other_passes_it(groups, k):
    k = min(k, len(groups))
    features = torch.nn.functional.one_hot(torch.tensor(groups), 5).double()
    assert recall_at_k(features @ features.T, k=k) == pytest.approx(recall_ceiling(groups, k))
    noisy = torch.randn(5, 5, generator=torch.Generator().manual_seed(len(groups)), dtype=torch.float64)
    assert recall_at_k(features @ noisy @ features.T, k=k) <= recall_ceiling(groups, k) + 1e-12


def test_words_and_numbers_may_name_the_groups():
    assert recall_ceiling(["a", "a", "b"], 2) == 1.0
    assert recall_ceiling(torch.tensor([3, 3, 7])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.zeros(3),), r"\(Q, M\)"),
        ((torch.zeros(2, 3),), "2 queries and 3 items: give relevant"),
        ((torch.tensor([[1.0, float("nan")], [0, 1]]),), "NaN, in 1 queries, the first of them 0"),
        ((torch.zeros(2, 2), torch.tensor([0, 2])), "item numbers from 0 to 1"),
        ((torch.zeros(2, 2), torch.tensor([[True, False], [False, False]])), "1 queries have no relevant item"),
        ((torch.zeros(2, 2), torch.ones(2, 3, dtype=torch.bool)), r"\(2, 2\) bool"),
        ((torch.zeros(2, 2), None, 3), "from 1 to the 2 items; got 3"),
        ((torch.zeros(2, 2), None, 0), "got 0"),
        ((torch.zeros(2, 2), None, 1, "first"), "'mean', 'worst' or 'best'; got 'first'"),
    ],
)
def test_what_has_no_rank_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        recall_at_k(*arguments)


def test_impossible_counts_are_refused():
    for arguments in ((5, 6), (5, 0), (5, 1, 6), (0, 1)):
        with pytest.raises(ValueError, match="relevant ≤ items"):
            chance_recall(*arguments)
    with pytest.raises(ValueError, match="empty"):
        recall_ceiling([])
    with pytest.raises(ValueError, match="k must be"):
        recall_ceiling([1], 0)
