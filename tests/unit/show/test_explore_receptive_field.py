"""The figure of chapter 06: what it shows is what a gradient reaches, and the numbers beside it are those of the formulas."""

import html
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.receptive_field import receptive_field
from mmlearn.show.explore_receptive_field import (
    DENSE,
    DOUBLING,
    EQUAL,
    EVERY,
    FIRST,
    ONE,
    RANDOM,
    RELU,
    SIDE,
    deepest,
    receptive_field_explorer,
    seen_by,
    stack,
)

SETTINGS = st.tuples(st.sampled_from([2, 3, 5, 7]), st.sampled_from([ONE, FIRST, EVERY]), st.sampled_from([DENSE, DOUBLING]))


@settings(max_examples=30, deadline=None)
@given(SETTINGS, st.data())
def test_the_picture_is_the_gradient_of_one_output_of_equal_weights(setting, data):
    depth = data.draw(st.integers(1, deepest(*setting)))
    state = seen_by(depth, *setting, EQUAL)
    image = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    y = image[:, :, state["corner"] :, state["corner"] :]
    for k, s, _, d in state["layers"]:
        y = F.conv2d(y, torch.ones(1, 1, k, k, dtype=torch.float64), None, s, 0, d)
    (gradient,) = torch.autograd.grad(y[0, 0, 0, 0], image)
    np.testing.assert_allclose(state["seen"], gradient[0, 0].numpy(), rtol=1e-12, atol=0)
    assert state["deviation"] == pytest.approx(state["theory"], abs=1e-9)
    assert np.ptp(np.flatnonzero(state["line"])) + 1 == state["field"] == receptive_field(state["layers"])


@settings(max_examples=30, deadline=None)
@given(SETTINGS)
def test_no_field_is_larger_than_the_picture_and_one_layer_more_would_be(setting):
    most = deepest(*setting)
    assert receptive_field(stack(most, *setting)) <= SIDE
    assert most == 8 or receptive_field(stack(most + 1, *setting)) > SIDE


@pytest.mark.parametrize("weights", [RANDOM, RELU])
def test_random_networks_see_no_further_and_about_as_broadly(weights):
    state = seen_by(6, 3, ONE, DENSE, weights)
    assert np.count_nonzero(state["seen"]) <= state["field"] ** 2
    assert state["deviation"] == pytest.approx(state["theory"], rel=0.15)


@pytest.fixture
def figure(published):
    return receptive_field_explorer()


def test_it_starts_with_a_field_whose_corners_hardly_count(figure):
    pixels, gradient = figure.state["near"]
    assert pixels < 0.3 < 0.8 < gradient
    assert "6 layers see 25 by 25 pixels" in html.unescape(figure.html)


def test_a_stride_makes_every_later_layer_reach_further(figure):
    figure.set(stride=ONE, kernel_size=3, depth=4)
    plain = figure.state["field"]
    figure.set(stride=FIRST)
    assert (plain, figure.state["field"]) == (9, 3 + 2 * 3 * 2)
    assert figure.state["jumps"][-1] == 2


def test_doubling_dilations_leave_no_holes_and_a_kernel_of_two_tiles(figure):
    figure.set(kernel_size=2, depth=6, dilation=DOUBLING)
    assert figure.state["field"] == 2**6
    assert not figure.state["holes"]
    values = figure.state["seen"][figure.state["seen"] > 0]
    assert len(values) == 64**2
    assert np.ptp(values) == 0  # exactly one path to every pixel


def test_holes_are_named(figure):
    figure.set(kernel_size=2, depth=3, stride=EVERY)
    assert not figure.state["holes"]  # two cells, two pixels apart: the layers tile
    figure.set(dilation=DOUBLING)
    assert figure.state["field"] == 1 + 1 + 4 + 16
    assert figure.state["holes"]
    assert "The dilation leaves holes" in figure.html


def test_the_depth_follows_the_room(figure):
    figure.set(kernel_size=7, dilation=DOUBLING)
    assert figure.widgets["depth"].max == deepest(7, ONE, DOUBLING) == figure.value["depth"]
    assert figure.state["field"] <= SIDE


def test_the_text_alternative_holds_the_numbers(figure):
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert "a square of 25 by 25" in alt
    assert "layer 6: kernel 5, stride 1, dilation 1, jump of its input 1, field 25" in alt


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 0}, "from 1 to 8"),
        ({"depth": 9}, "from 1 to 8"),
        ({"kernel_size": 4}, "kernel size"),
        ({"stride": 2}, "stride must be"),
    ],
)
def test_a_setting_that_is_not_offered_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        receptive_field_explorer(**options)
