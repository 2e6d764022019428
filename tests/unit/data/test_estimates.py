import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.data.estimates import empirical_table, mutual_information_bias, permutation_test
from mmlearn.data.information import mutual_information


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=40))
def test_the_empirical_table_counts_each_combination(rows):
    table = empirical_table(*zip(*rows, strict=True), sizes=(3, 4, 2))
    assert table.shape == (3, 4, 2)
    for cell in set(rows):
        assert table[cell] == pytest.approx(rows.count(cell) / len(rows))
    assert int((table > 0).sum()) == len(set(rows))


def test_sizes_are_found_and_what_does_not_fit_is_refused():
    assert empirical_table([0, 4], [1, 0], [0, 0]).shape == (5, 2, 1)
    with pytest.raises(ValueError, match=r"a must be numbers from 0 to 2; got 0 to 4"):
        empirical_table([0, 4], [1, 0], [0, 0], sizes=(3, 2, 1))
    with pytest.raises(ValueError, match=r"b must be numbers from 0 to 1; got -1 to 1"):
        empirical_table([0, 0], [1, -1], [0, 0])
    with pytest.raises(ValueError, match="one number each for every example"):
        empirical_table([0, 0], [1], [0, 0])
    with pytest.raises(ValueError, match="one number each for every example"):
        empirical_table([], [], [])
    with pytest.raises(ValueError, match=r"y must be whole numbers; got torch\.float32"):
        empirical_table([0, 0], [1, 0], torch.zeros(2))


def test_counts_of_independent_things_look_informative_by_as_much_as_the_bias_says():
    generator = torch.Generator().manual_seed(0)
    count, found = 200, []
    for _ in range(500):
        a, y = torch.randint(4, (count,), generator=generator), torch.randint(5, (count,), generator=generator)
        found.append(mutual_information(empirical_table(a, torch.zeros_like(a), y, (4, 1, 5)).sum(1)))
    mean, error = torch.tensor(found).mean(), torch.tensor(found).std() / 500**0.5
    bias = mutual_information_bias(4, 5, count)
    assert bias == pytest.approx(12 / (400 * 0.693147), rel=1e-5)
    assert abs(mean - bias) < 4 * error + 0.03 * bias  # to first order in 1/N
    with pytest.raises(ValueError, match="count must be a whole number, at least 1; got 0"):
        mutual_information_bias(4, 5, 0)


def test_a_score_that_labels_explain_beats_every_shuffle():
    labels = torch.arange(60) % 3
    test = permutation_test(lambda these: (these == labels).double().mean(), labels, 99, seed=1)
    assert test.score == 1
    assert test.p_value == 0.01
    assert test.shuffled.shape == (99,)
    assert test.shuffled.mean() == pytest.approx(1 / 3, abs=0.03)
    again = permutation_test(lambda these: (these == labels).double().mean(), labels, 99, seed=1)
    assert torch.equal(test.shuffled, again.shuffled)


def test_without_information_small_p_values_are_as_rare_as_they_say():
    generator = torch.Generator().manual_seed(0)
    small = []
    for trial in range(300):
        labels = torch.randint(2, (40,), generator=generator)
        guesses = torch.randint(2, (40,), generator=generator)
        small.append(
            permutation_test(lambda these, guesses=guesses: (these == guesses).sum(), labels, 19, seed=trial).p_value <= 0.1
        )
    assert 0 < sum(small) / 300 <= 0.1 + 3 * (0.1 * 0.9 / 300) ** 0.5


def test_a_constant_score_is_never_significant():
    assert permutation_test(lambda these: 0.7, torch.arange(10), 9).p_value == 1


def test_what_cannot_be_shuffled_or_compared_is_refused():
    with pytest.raises(ValueError, match=r"labels must be \(N,\), at least two; got shape \(1,\)"):
        permutation_test(lambda these: 0.0, torch.zeros(1))
    with pytest.raises(ValueError, match="permutations must be a whole number, at least 1; got 0"):
        permutation_test(lambda these: 0.0, torch.zeros(4), 0)
    with pytest.raises(ValueError, match="score gave NaN"):
        permutation_test(lambda these: float("nan"), torch.zeros(4))
