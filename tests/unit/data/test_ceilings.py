import math
import warnings
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.data.additive_accuracy import best_additive_accuracy
from mmlearn.data.ceilings import additive_model, ceilings
from mmlearn.data.information import conditional_entropy, entropy
from mmlearn.data.world import dial, matching, redundant, selection, unique_image, unique_text

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dit

seeds = st.integers(0, 10**6)
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


def gate(function):
    table = torch.zeros(2, 2, 2, dtype=torch.float64)
    for a, b in product(range(2), repeat=2):
        table[a, b, function(a, b)] = 0.25
    return table


def drawn(seed, *shape, zeros=0.3):
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(shape, generator=generator, dtype=torch.float64)
    table = table * (torch.rand(shape, generator=generator) >= zeros)
    table.view(-1)[0] += 0.01
    return table / table.sum()


XOR, AND = gate(lambda a, b: a ^ b), gate(lambda a, b: a & b)
KNOWN = {  # name: (table, [majority, a, b, additive, both] as (accuracy, bits))
    "xor": (XOR, [(0.5, 0), (0.5, 0), (0.5, 0), (0.5, 0), (1, 1)]),
    "and": (AND, [(0.75, 0), (0.75, 0.311278), (0.75, 0.311278), (1, 0.811278), (1, 0.811278)]),
    "redundant": (redundant.table(), [(0.25, 0), (1, 2), (1, 2), (1, 2), (1, 2)]),
    "unique_image": (unique_image.table(), [(0.25, 0), (1, 2), (0.25, 0), (1, 2), (1, 2)]),
    "unique_text": (unique_text.table(), [(0.25, 0), (0.25, 0), (1, 2), (1, 2), (1, 2)]),
    "matching": (matching.table(), [(0.5, 0), (0.5, 0), (0.5, 0), (0.5, 0), (1, 1)]),
    "selection": (selection.table(), [(0.25, 0), (0.625, 1.25), (0.25, 0), (0.625, 1.25), (1, 2)]),
    "dial": (dial.table(0.0, 0.1), [(0.25, 0), (0.5, 1), (0.5, 1), (0.5, 1), (0.9, 1.531004)]),
}


@pytest.mark.parametrize(("table", "expected"), KNOWN.values(), ids=KNOWN.keys())
def test_the_ceilings_of_gates_and_tasks_are_those_worked_out_by_hand(table, expected):
    found = ceilings(table)
    assert [value for ceiling in found for value in ceiling] == pytest.approx(
        [value for pair in expected for value in pair], abs=1e-6
    )


@given(seeds, sizes)
@settings(max_examples=15)
def test_training_logits_directly_reaches_the_additive_ceiling_and_no_more(seed, shape):
    table = drawn(seed, *shape, zeros=0)
    u, v = (torch.zeros(size, shape[2], dtype=torch.float64, requires_grad=True) for size in shape[:2])
    optimiser = torch.optim.LBFGS([u, v], max_iter=500, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = -(table * (u[:, None] + v).log_softmax(2)).sum()
        value.backward()
        return value

    optimiser.step(loss)
    trained = entropy(table.sum((0, 1))) - float(loss().detach()) / math.log(2)
    assert ceilings(table).additive.bits == pytest.approx(trained, abs=1e-8)


@given(seeds, sizes)
@settings(max_examples=15)
def test_iterative_proportional_fitting_finds_the_same_model(seed, shape):
    table = drawn(seed, *shape, zeros=0)
    q = torch.full_like(table, 1 / table.numel())
    for _ in range(3000):
        for axis in range(3):
            q = q * table.sum(axis, keepdim=True) / q.sum(axis, keepdim=True)
    torch.testing.assert_close(additive_model(table), q / q.sum(2, keepdim=True), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_dit_finds_the_same_distribution_of_most_entropy_with_these_marginals(seed):
    table = drawn(seed, 2, 3, 2, zeros=0)
    cells = list(product(range(2), range(3), range(2)))
    flat = dit.algorithms.maxent_dist(dit.Distribution(cells, [float(table[cell]) for cell in cells]), [[0, 1], [0, 2], [1, 2]])
    q = torch.tensor([flat[cell] for cell in cells], dtype=torch.float64).view(2, 3, 2)
    assert ceilings(table).additive.bits == pytest.approx(entropy(table.sum((0, 1))) - conditional_entropy(q), abs=1e-5)


@given(seeds, sizes, st.sampled_from([0.0, 0.5]))
@settings(max_examples=40)
def test_the_additive_model_has_all_three_pairwise_marginals(seed, shape, zeros):
    table = drawn(seed, *shape, zeros=zeros)
    q = table.sum(2, keepdim=True) * additive_model(table)
    for axis in range(3):
        torch.testing.assert_close(q.sum(axis), table.sum(axis), rtol=0, atol=1e-11)


def test_logits_at_infinity_are_reached_in_the_limit():
    separable = ceilings(AND).additive
    assert separable.accuracy == 1
    assert separable.bits == pytest.approx(entropy([0.25, 0.75]), abs=1e-11)


def test_what_ties_is_guessed_and_what_nearly_ties_is_not():
    table = torch.tensor([[[0.5, 0.5]]])
    assert ceilings(table).additive.accuracy == 0.5
    nearly = torch.tensor([[[0.50001, 0.49999]]], dtype=torch.float64)
    assert ceilings(nearly).additive.accuracy == pytest.approx(0.50001, abs=1e-12)


@given(seeds)
@settings(max_examples=25)
def test_the_best_additive_classifier_of_two_bits_is_any_but_the_two_parities(seed):
    table = drawn(seed, 2, 2, 2, zeros=0)
    labellings = [labels for labels in product(range(2), repeat=4) if labels not in ((0, 1, 1, 0), (1, 0, 0, 1))]
    best = max(sum(float(table[a, b, labels[2 * a + b]]) for a, b in product(range(2), repeat=2)) for labels in labellings)
    assert best_additive_accuracy(table) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"), [("xor", 0.75), ("and", 1), ("matching", 0.75), ("selection", 0.8125), ("redundant", 1)]
)
def test_some_additive_classifiers_are_right_more_often_than_the_one_of_least_cross_entropy(name, expected):
    table = KNOWN[name][0]
    assert best_additive_accuracy(table) == pytest.approx(expected, abs=1e-9)
    assert expected >= ceilings(table).additive.accuracy


@given(seeds, sizes)
@settings(max_examples=15)
def test_no_drawn_additive_classifier_beats_the_best_and_the_best_is_below_bayes(seed, shape):
    table = drawn(seed, *shape)
    best = best_additive_accuracy(table)
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(2000, shape[0], 1, shape[2], generator=generator)
    v = torch.randn(2000, 1, shape[1], shape[2], generator=generator)
    predicted = (u + v).argmax(3, keepdim=True)  # (2000, A, B, 1)
    right = table.expand(2000, -1, -1, -1).gather(3, predicted).sum((1, 2, 3))
    reached = ceilings(table)
    assert right.max() <= best + 1e-9
    assert max(reached.a.accuracy, reached.b.accuracy, reached.additive.accuracy) <= best + 1e-9
    assert best <= reached.both.accuracy + 1e-9


def test_bad_tables_and_too_little_time_are_refused():
    with pytest.raises(ValueError, match="has 3 axes"):
        ceilings(torch.eye(2) / 2)
    with pytest.raises(RuntimeError, match=r"table 8×8×16 was not found in 0\.01 seconds"):
        best_additive_accuracy(dial.table(0.1, 0.2, 0.05, 0.3), seconds=0.01)
