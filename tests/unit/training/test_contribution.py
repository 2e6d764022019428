"""Shapley's shares have the properties that name them, on drawn games, on the world's ceilings and on models."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmlearn.data import world
from mmlearn.data.ceilings import ceilings
from mmlearn.data.decomposition import decompose
from mmlearn.models.fusion import Sum
from mmlearn.models.multimodal import MultimodalModel
from mmlearn.training.contribution import predictions, shapley, shapley_in_bits, subset_accuracies, subsets

NAMES = ["image", "text", "sound", "scan"]


@st.composite
def games(draw):
    names = NAMES[: draw(st.integers(1, 4))]
    scores = draw(st.lists(st.floats(-2, 2), min_size=2 ** len(names), max_size=2 ** len(names)))
    return names, dict(zip(subsets(names), scores, strict=True))


@given(games())
def test_efficiency_the_shares_add_up_to_what_all_are_worth(game):
    names, value = game
    assert sum(shapley(value, names).values()) == pytest.approx(value[frozenset(names)] - value[frozenset()], abs=1e-9)


@given(games())
def test_it_is_the_mean_gain_over_all_orders_of_arrival(game):
    names, value = game
    orders = list(permutations(names))
    found = shapley(value, names)
    for name in names:
        gains = [value[frozenset(o[: o.index(name) + 1])] - value[frozenset(o[: o.index(name)])] for o in orders]
        assert found[name] == pytest.approx(sum(gains) / len(orders), abs=1e-9)


@given(games(), st.floats(-1, 1))
def test_dummy_one_that_adds_the_same_to_everybody_gets_just_that(game, gain):
    names, value = game
    larger = {**value, **{some | {"dummy"}: score + gain for some, score in value.items()}}
    found = shapley(larger, [*names, "dummy"])
    assert found["dummy"] == pytest.approx(gain, abs=1e-9)
    assert {name: found[name] for name in names} == pytest.approx(shapley(value, names), abs=1e-9)


@given(games())
def test_symmetry_two_that_are_worth_the_same_to_all_get_the_same(game):
    names, value = game
    if len(names) < 2:
        return
    one, other = names[:2]
    swap = {one: other, other: one}

    def even(some):
        swapped = frozenset(swap.get(name, name) for name in some)
        return (value[some] + value[swapped]) / 2

    found = shapley(even, names)
    assert found[one] == pytest.approx(found[other], abs=1e-9)


@given(games(), games())
def test_additivity_two_games_at_once_give_the_sum_of_the_shares(first, second):
    names = min(first[0], second[0], key=len)
    both = shapley(lambda some: first[1][some] + second[1][some], names)
    one, other = shapley(first[1], names), shapley(second[1], names)
    assert both == pytest.approx({name: one[name] + other[name] for name in names}, abs=1e-9)


def test_scores_may_be_tensors_one_for_each_example():
    value = {some: torch.full((3,), float(len(some))) for some in subsets(NAMES[:2])}
    assert all(torch.equal(share, torch.ones(3)) for share in shapley(value, NAMES[:2]).values())


@pytest.mark.parametrize("task", [world.redundant, world.unique_image, world.unique_text, world.matching, world.selection])
def test_the_shares_of_the_bits_are_those_of_the_decomposition(task):
    reached = ceilings(task.table())
    value = {
        frozenset(): 0.0,
        frozenset({"a"}): reached.a.bits,
        frozenset({"b"}): reached.b.bits,
        frozenset({"a", "b"}): reached.both.bits,
    }
    found = shapley(value, ["a", "b"])
    assert (found["a"], found["b"]) == pytest.approx(shapley_in_bits(decompose(task.table())), abs=1e-6)


def model_and_data():
    """Labels are the sign of the first feature of the image; the text's head is zero."""
    model = MultimodalModel({"image": nn.Identity(), "text": nn.Identity()}, Sum({"image": 2, "text": 2}, 2))
    with torch.no_grad():
        for layer in model.fusion.project.values():
            layer.weight.zero_()
            layer.bias.zero_()
        model.fusion.project["image"].weight[1, 0] = 1.0
    image, text = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(50, 2)
    return model, (image, text), (image[:, 0] > 0).long()


def test_the_accuracies_of_a_model_by_subset():
    model, inputs, labels = model_and_data()
    present = torch.ones(50, 2, dtype=torch.bool)
    found = subset_accuracies(model, inputs, present, labels, ["image", "text"], batch_size=7)
    most = max(labels.double().mean().item(), 1 - labels.double().mean().item())
    assert found[frozenset({"image", "text"})] == found[frozenset({"image"})] == 1.0
    assert found[frozenset({"text"})] == pytest.approx(1 - labels.double().mean().item())  # equal logits: class 0
    assert found[frozenset()] == pytest.approx(most)
    shares = shapley(found, ["image", "text"])
    assert sum(shares.values()) == pytest.approx(1 - most)


def test_a_modality_that_is_missing_everywhere_contributes_nothing():
    model, inputs, labels = model_and_data()
    present = torch.tensor([[True, False]]).repeat(50, 1)
    found = shapley(subset_accuracies(model, inputs, present, labels, ["image", "text"]), ["image", "text"])
    assert found["text"] == 0
    assert found["image"] > 0.4


def test_predictions_leave_the_model_in_its_mode_and_ignore_dropout():
    model, inputs, _ = model_and_data()
    model.head = nn.Dropout(0.9)
    model.train()
    present = torch.ones(50, 2, dtype=torch.bool)
    assert torch.equal(predictions(model, inputs, present, 8), predictions(model, inputs, present, 50))
    assert model.training


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: shapley({}, []), "names: expected one or more"),
        (lambda: shapley({}, ["a", "a"]), "each modality once"),
        (lambda: shapley({frozenset(): 0.0}, ["a"]), "the scores of all 2 subsets; got no score of 'a'"),
        (lambda: shapley({frozenset("a"): 0.0}, ["a"]), "no score of no modality at all"),
        (
            lambda: subset_accuracies(*model_and_data()[:2], torch.ones(50, 3, dtype=torch.bool), torch.zeros(50), ["a", "b"]),
            r"bool \(50, 2\)",
        ),
    ],
)
def test_what_is_no_game_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
