"""Neighbours and analogies: as scikit-learn finds them, unmoved by rotation, and exact in a world made of parallelograms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from mmlearn.ops.word_vectors import analogy, nearest, parallelogram_gap, unit_rows

SEEDS = st.integers(0, 10**6)


def table(seed, words=9, features=4):
    return torch.randn(words, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_nearest_words_are_those_of_scikit_learns_cosines(seed):
    vectors = table(seed)
    cosines = torch.from_numpy(cosine_similarity(vectors.numpy()))
    found, similarity = nearest(vectors, torch.arange(9), count=3)
    for word in range(9):
        others = [other for other in cosines[word].argsort(descending=True).tolist() if other != word]
        assert found[word].tolist() == others[:3]
        torch.testing.assert_close(similarity[word], cosines[word, others[:3]])


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_an_analogy_is_the_best_cosine_by_loops(seed):
    vectors = table(seed)
    a, b, c = torch.randperm(9, generator=torch.Generator().manual_seed(seed))[:3].tolist()
    units = vectors / vectors.norm(dim=1, keepdim=True)
    target = units[b] - units[a] + units[c]
    scores = {d: torch.cosine_similarity(units[d], target, dim=0).item() for d in range(9)}
    assert analogy(vectors, a, b, c, exclude_inputs=False).item() == max(scores, key=scores.get)
    left = {d: score for d, score in scores.items() if d not in (a, b, c)}
    assert analogy(vectors, a, b, c).item() == max(left, key=left.get)


def test_a_world_of_parallelograms_is_answered_without_error():
    """Four shapes along own axes, singular and plural along two further axes: all vectors of one length."""
    shapes, numbers = torch.eye(6)[:4], torch.eye(6)[4:]
    vectors = (shapes[:, None] + numbers[None]).reshape(8, 6)  # 2i singular, 2i + 1 plural
    i, j = torch.tensor([(i, j) for i in range(4) for j in range(4) if i != j]).T
    assert torch.equal(analogy(vectors, 2 * i, 2 * i + 1, 2 * j), 2 * j + 1)
    assert parallelogram_gap(vectors, 2 * i, 2 * i + 1, 2 * j, 2 * j + 1).abs().max() < 1e-6


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_turning_and_stretching_all_vectors_changes_nothing(seed):
    vectors = table(seed)
    turn = torch.linalg.qr(table(seed + 1, 4, 4))[0]
    turned = 3 * vectors @ turn
    abc = torch.tensor([[0, 1, 2], [3, 4, 5]])
    assert torch.equal(nearest(vectors, abc[0], 4)[0], nearest(turned, abc[0], 4)[0])
    assert torch.equal(analogy(vectors, *abc.T), analogy(turned, *abc.T))
    torch.testing.assert_close(parallelogram_gap(vectors, *abc.T, 6), parallelogram_gap(turned, *abc.T, 6))


def test_the_gap_is_one_for_offsets_at_right_angles_and_two_for_opposite_ones():
    vectors = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert parallelogram_gap(vectors, 0, 1, 0, 2).item() == pytest.approx(1)
    assert parallelogram_gap(vectors, 0, 1, 0, 3).item() == pytest.approx(2)


def test_a_row_of_zeros_has_no_direction_and_gives_no_nan():
    assert not unit_rows(torch.zeros(2, 3)).isnan().any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: nearest(v, 9), "words: expected numbers from 0 to 8, as vectors has 9 rows; got 9 to 9"),
        (lambda v: nearest(v, 0, count=9), "count: expected at most 8"),
        (lambda v: nearest(v, 0.5), "words: expected the number of a word"),
        (lambda v: analogy(v[:3], 0, 1, 2), "vectors: expected more than three"),
        (lambda v: analogy(v, 0, -1, 2), "b: expected numbers from 0 to 8"),
        (lambda v: unit_rows(v[0]), r"vectors: expected \(V, D\)"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(table(0))
