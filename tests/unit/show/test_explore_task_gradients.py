"""The figure of chapter 20: its arrows are those of the package's methods, and it says whom they harm."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.show.explore_task_gradients import METHODS, combined, gradient_pair
from mmlearn.training.multitask import cagrad, mgda, pcgrad


@pytest.fixture
def figure(published):
    return gradient_pair()


def test_it_starts_with_a_conflict_in_which_only_the_mean_harms(figure, note_of):
    assert figure.value == {"angle": 120, "length": 2.5, "c": 0.5}
    assert note_of(figure) == "They conflict: their product is negative. mean raises L₁."


def test_at_equal_lengths_all_directions_agree_and_none_harms(figure, note_of):
    figure.set(length=1.0)
    assert note_of(figure) == "They conflict: their product is negative. No direction raises a loss."
    assert {round(math.degrees(math.atan2(y, x)), 9) for x, y in figure.state["directions"].values()} == {60.0}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 180), st.floats(0.1, 10), st.floats(0, 0.95))
def test_the_arrows_are_the_methods_and_the_gains_their_products(angle, length, c):
    state = combined(angle, length, c)
    gradients = torch.tensor(state["gradients"], dtype=torch.float64)
    assert gradients.norm(dim=1).tolist() == pytest.approx([1, length])
    for name, expected in {"mean": gradients.mean(0), "PCGrad / 2": pcgrad(gradients) / 2, "MGDA": mgda(gradients)}.items():
        assert state["directions"][name] == pytest.approx(expected.tolist())
    assert state["directions"]["CAGrad"] == pytest.approx(cagrad(gradients, c).tolist())
    for name, d in state["directions"].items():
        assert state["gains"][name] == pytest.approx((gradients @ torch.tensor(d, dtype=torch.float64)).tolist())
    for name in ("PCGrad / 2", "MGDA"):
        assert min(state["gains"][name]) > -1e-9


def test_a_long_gradient_makes_the_mean_harm_the_short_one(figure, note_of, alt_of):
    figure.set(angle=150, length=10 ** (-0.5), c=0.5)
    assert "mean raises L₂" in note_of(figure)
    assert "MGDA raises" not in note_of(figure)
    figure.set(length=10**0.5)
    assert "mean raises L₁" in note_of(figure)
    assert "mean raises L₁" in alt_of(figure)


def test_without_conflict_it_says_so(figure, note_of):
    figure.set(angle=60)
    assert note_of(figure) == "They do not conflict. No direction raises a loss."


def test_opposite_gradients_of_one_length_leave_nothing(figure, alt_of):
    figure.set(angle=180, length=1.0)
    assert all(math.hypot(*d) < 1e-9 for d in figure.state["directions"].values())
    assert alt_of(figure).count("gains 0 and 0") == len(METHODS)


def test_every_method_has_a_colour_of_its_own_and_every_control_a_name(figure):
    assert len(set(METHODS.values())) == len(METHODS) == len(figure.state["directions"])
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(("name", "value"), [("angle", 200), ("length", 100.0), ("c", 1.5)])
def test_a_value_beyond_the_slider_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be within"):
        gradient_pair(**{name: value})
