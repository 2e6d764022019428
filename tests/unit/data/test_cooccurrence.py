"""Counting company: the same as loops over every text, and mutual information as scikit-learn and chapter 14 compute it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.data.cooccurrence import cooccurrence, pmi, window_pairs
from mmlearn.data.information import mutual_information


def by_loops(texts, window, words):
    counts = torch.zeros(words, words, dtype=torch.float64)
    for text in texts:
        for i, word in enumerate(text):
            for j, neighbour in enumerate(text):
                if i != j and abs(i - j) <= window:
                    counts[word, neighbour] += 1
    return counts


def padded(texts):
    longest = max(1, *map(len, texts))
    ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
    return ids, torch.tensor([[place < len(text) for place in range(longest)] for text in texts])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=7), min_size=2, max_size=5), st.integers(1, 9))
def test_counts_are_those_of_loops_over_every_text(texts, window):
    counts = cooccurrence(window_pairs(*padded(texts), window), words=5)
    assert torch.equal(counts, by_loops(texts, window, 5))
    assert torch.equal(counts, counts.T)


def test_padding_has_no_company_though_its_number_is_a_words():
    ids = torch.tensor([[3, 0, 0], [0, 3, 3]])
    mask = torch.tensor([[True, False, False], [True, True, True]])
    assert cooccurrence(window_pairs(ids, mask, 1), 4).sum() == 4  # of the second text: two neighbours, each way


def test_a_text_of_one_word_has_no_pairs():
    assert window_pairs(torch.tensor([[7]]), torch.tensor([[True]]), 3).shape == (0, 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_mean_of_pmi_is_the_mutual_information(seed):
    counts = torch.randint(0, 9, (3, 4), generator=torch.Generator().manual_seed(seed)).double()
    counts[0, 0] += 1
    joint = counts / counts.sum()
    mean = (joint * pmi(counts)).nan_to_num(0.0).sum().item()  # 0 · −∞ counts as 0
    assert mean / math.log(2) == pytest.approx(float(mutual_information(joint)), abs=1e-9)


def test_independent_words_have_none_and_no_scale_matters():
    counts = torch.outer(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([3.0, 4.0]))
    assert pmi(counts).abs().max() < 1e-12
    other = torch.tensor([[4.0, 1.0], [2.0, 8.0]])
    torch.testing.assert_close(pmi(10 * other), pmi(other))


def test_a_pair_never_seen_has_minus_infinity_even_in_a_row_of_nothing():
    values = pmi(torch.tensor([[2.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))
    assert values[0, 1] == -torch.inf
    assert (values[1] == -torch.inf).all()
    assert not values.isnan().any()


IDS, MASK = torch.tensor([[1, 2]]), torch.ones(1, 2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: window_pairs(IDS, MASK, 0), "window must be a whole number of places, at least 1; got 0"),
        (lambda: window_pairs(IDS, MASK.long(), 1), "mask bool of the same shape"),
        (lambda: window_pairs(IDS[0], MASK[0], 1), r"ids must be whole numbers \(N, T\)"),
        (lambda: cooccurrence(IDS, 2), "run from 0 to 1, as words is 2; got 1 to 2"),
        (lambda: cooccurrence(IDS.double(), 3), r"pairs must be whole numbers \(P, 2\)"),
        (lambda: pmi(torch.zeros(2, 2)), "with a sum above 0"),
        (lambda: pmi(torch.tensor([[1.0, -1.0]])), "numbers ≥ 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
