import html
import re
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.show.explore_graph import ACTIVATIONS, DERIVATIVES, FLOWS, NOTHING, computation_graph, neuron

NUMBERS = st.integers(-20, 20).map(lambda tenths: tenths / 10)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[NUMBERS] * 5), st.sampled_from(ACTIVATIONS))
def test_every_gradient_is_the_one_that_autograd_finds(numbers, activation):
    state = neuron(*numbers, activation)
    leaves = [torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in numbers]
    x1, w1, x2, w2, t = leaves
    z = w1 * x1 + w2 * x2
    a = getattr(torch, activation)(z)
    y = a + x1
    loss = (y - t) ** 2
    named = dict(zip(("x₁", "w₁", "x₂", "w₂", "t"), leaves, strict=True)) | {"z": z, "a": a, "y": y}
    for name, gradient in zip(named, torch.autograd.grad(loss, list(named.values())), strict=True):
        if not (activation == "relu" and abs(z.item()) < 1e-12):
            assert state["gradients"][name] == pytest.approx(gradient.item(), abs=1e-12)
    assert state["values"]["L"] == pytest.approx(loss.item(), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[NUMBERS] * 5), st.sampled_from(ACTIVATIONS))
def test_what_flows_into_a_node_adds_up_to_its_gradient(numbers, activation):
    state = neuron(*numbers, activation)
    for name, gradient in state["gradients"].items():
        arriving = [flow for (parent, _), flow in state["flows"].items() if parent == name]
        assert sum(arriving) == pytest.approx(gradient if name != "L" else 0.0, abs=1e-12)
    assert sum(parent == "x₁" for parent, _ in state["flows"]) == 2


@pytest.fixture
def figure(published):
    return computation_graph()


def note(figure):
    return html.unescape(re.search(r'<p aria-live="polite"[^>]*>(.*?)</p>', figure.html)[1])


def test_it_starts_with_a_shared_parent_that_hears_two_opinions(figure):
    flows = figure.state["flows"]
    assert flows["x₁", "p₁"] * flows["x₁", "y"] < 0
    assert "x₁ is used twice" in note(figure)
    assert "against each other" in note(figure)
    figure.set(w1=0.5, w2=0.5)
    assert "in the same direction" in note(figure)


def test_a_shut_relu_stops_the_gradient_and_the_shortcut_carries_it_on(figure):
    figure.set(activation="relu")
    gradients = figure.state["gradients"]
    assert figure.state["values"]["z"] < 0
    assert gradients["w₁"] == gradients["w₂"] == gradients["x₂"] == 0 != gradients["x₁"]
    assert "the ReLU is shut" in note(figure)


def test_a_flat_tanh_and_a_reached_target_are_said(figure):
    figure.set(x1=2.0, w1=2.0, x2=2.0, w2=2.0, t=-2.0)
    assert "nearly flat at z = 8" in note(figure)
    figure.set(w1=0.0, w2=0.0, x1=1.5, t=1.5)
    assert "the output is the target" in note(figure).lower()


def test_the_text_alternative_holds_the_numbers(figure):
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert "z = −0.30, gradient −1.45" in alt
    assert "x₁ receives 2.17 from p₁ and −1.58 from y" in alt


def test_the_picture_changes_with_what_is_shown_on_the_edges(figure, pixels):
    pictures = [pixels(figure.set(edges=choice).html) for choice in (FLOWS, DERIVATIVES, NOTHING)]
    assert all((one != other).any() for one, other in pairwise(pictures))


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x1": 3}, "x1 must be a number from −2 to 2"),
        ({"activation": "gelu"}, "tanh, sigmoid or relu"),
        ({"edges": "x"}, "edges must"),
    ],
)
def test_a_setting_that_cannot_be_shown_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        computation_graph(**given)
