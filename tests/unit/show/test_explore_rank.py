"""The figure of chapter 16: the matrix of a rank is the nearest one, and the numbers are those that were given."""

import html
import re

import numpy as np
import pytest
import torch

from mmlearn.data.ceilings import Ceiling
from mmlearn.show import explore_rank
from mmlearn.show.explore_rank import best_approximation, rank_explorer

Z = {"matching": 4 * torch.eye(4) - 2, "sum": torch.arange(6.0).view(2, 3)}
CEILINGS = {
    "matching": {r: Ceiling(0.5 + 0.1 * r, 0.1 * r) for r in range(5)},
    "sum": {r: Ceiling(1.0, 1.0) for r in range(5)},
}
MEASURED = {"matching": {1: (0.61, 0.02), 3: (0.79, 0.0)}}


@pytest.fixture
def figure(published):
    return rank_explorer(Z, CEILINGS, MEASURED)


def test_it_begins_with_the_first_task_at_rank_one(figure):
    assert figure.value == {"task": "matching", "rank": 1, "features": 64}
    assert figure.state["accuracy"] == pytest.approx(0.6)
    assert figure.state["trained"] == (0.61, 0.02)


def test_what_is_kept_is_a_constant_and_the_nearest_matrix_of_the_rank(figure):
    for rank in range(5):
        figure.set(rank=rank)
        kept, wanted = figure.state["kept"], figure.state["wanted"]
        assert np.linalg.matrix_rank(kept - wanted.mean()) == min(rank, 3)
        values = np.linalg.svd(wanted - wanted.mean(), compute_uv=False)
        assert figure.state["lost"] == pytest.approx((values[rank:] ** 2).sum() / (values**2).sum(), abs=1e-12)
    np.testing.assert_allclose(figure.state["kept"], Z["matching"], atol=1e-12)
    np.testing.assert_allclose(best_approximation(Z["sum"].numpy(), 2), Z["sum"], atol=1e-5)


def test_weights_are_those_of_the_fusion(figure):
    from mmlearn.models.fusion.bilinear import LowRank, TensorFusion

    figure.set(rank=3, features=16)
    dims = {"picture": 16, "text": 16}
    assert figure.state["weights"] == sum(p.numel() for p in LowRank(dims, 1, rank=3).parameters())
    assert figure.state["all_weights"] == sum(p.numel() for p in TensorFusion(dims, 1).parameters())


def test_the_bar_of_every_product_grows_twice_as_fast_as_that_of_a_rank(published, monkeypatch):
    ends = []
    monkeypatch.setattr(explore_rank, "outline", lambda axes, box, *rest: ends.append(box.right - box.left))
    figure = rank_explorer(Z, CEILINGS, features=127)
    figure.set(features=1023)
    (low, every), (low_then, every_then) = ends[-4:-2], ends[-2:]
    assert every_then / every == pytest.approx(10 / 7)  # log2 of (1 + 1023)² and (1 + 127)²
    assert (every_then - every) / (low_then - low) == pytest.approx(2, abs=0.02)


def test_the_words_hold_the_numbers(figure):
    figure.set(rank=3)
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    for words in (
        "matching, rank 3",
        "in theory 80.0% and 0.300 bits",
        "trained models got 79.0% ± 0.0%",
        "391 weights",
        "4: 90%",
    ):
        assert words in alt
    figure.set(rank=2)
    assert "no model of this rank was trained" in figure.html
    figure.set(task="sum")
    assert "sum, rank 2: in theory 100.0%" in figure.html


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


def test_it_is_drawn_without_trained_models(published):
    assert rank_explorer(Z, CEILINGS).state["trained"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"log_odds": {}}, "one task or more"),
        ({"log_odds": {"matching": torch.full((2, 2), -torch.inf), "sum": Z["sum"]}}, "finite numbers"),
        ({"ceilings": {"matching": CEILINGS["matching"]}}, "of the tasks matching, sum"),
        ({"ceilings": {**CEILINGS, "sum": {1: Ceiling(1.0, 1.0)}}}, "ranks 0, 1, 2"),
        ({"measured": {"other": {}}}, "of some of them"),
        ({"rank": 5}, "rank must be a whole number from 0 to 4; got 5"),
        ({"features": 4}, "features must be a whole number from 8 to 2048"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, words):
    arguments = {"log_odds": Z, "ceilings": CEILINGS, "measured": MEASURED} | changes
    with pytest.raises(ValueError, match=words):
        rank_explorer(**arguments)
