import html
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn import show
from mmlearn.show.explore_convolution import PRESETS, YOUR_OWN, explore


@pytest.fixture
def explorer(published):
    return show.convolution_explorer(torch.rand(1, 14, 17, generator=torch.Generator().manual_seed(0)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_printed_sum_is_the_output_pixel_that_torch_computes(data):
    draw = data.draw
    height, width = draw(st.integers(8, 20)), draw(st.integers(8, 20))
    stride, padding, dilation = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    photo, weights = generator.random((height, width)), generator.normal(size=(3, 3))
    expected = F.conv2d(torch.tensor(photo)[None, None], torch.tensor(weights)[None, None], None, stride, padding, dilation)[0, 0]
    row, column = draw(st.integers(0, expected.shape[0] - 1)), draw(st.integers(0, expected.shape[1] - 1))
    state = explore(photo, weights, row, column, stride, padding, dilation)
    np.testing.assert_allclose(state["output"], expected, atol=1e-12)
    assert state["sum"] == pytest.approx(float(expected[row, column]), abs=1e-12)
    np.testing.assert_allclose(state["products"], state["window"] * weights)
    assert not state["window"][~state["inside"]].any()


def test_it_starts_on_a_vertical_edge_where_the_output_is_strong(explorer):
    assert explorer.value["preset"] == "vertical edge (Sobel)"
    assert abs(explorer.state["sum"]) > 1


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_the_nine_weights(explorer, preset):
    explorer.set(preset=preset)
    np.testing.assert_allclose(explorer.state["weights"], PRESETS[preset])


@pytest.mark.parametrize(("preset", "total"), [("identity", 1), ("box blur", 1), ("sharpen", 1), ("emboss", 1), ("Laplacian", 0)])
def test_presets_that_keep_brightness_sum_to_one_and_edge_filters_to_zero(preset, total):
    assert np.sum(PRESETS[preset]) == pytest.approx(total)


def test_editing_a_weight_makes_the_kernel_your_own_and_editing_it_back_names_it_again(explorer):
    explorer.widgets["w00"].value = 4.0
    assert explorer.value["preset"] == YOUR_OWN
    assert explorer.state["weights"][0, 0] == 4.0
    explorer.widgets["w00"].value = -1.0
    assert explorer.value["preset"] == "vertical edge (Sobel)"


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (3, 2, 3), (2, 0, 2)])
def test_the_sliders_end_where_the_output_ends(explorer, stride, padding, dilation):
    explorer.set(row=11, column=14)
    explorer.set(stride=stride, padding=padding, dilation=dilation)
    height, width = explorer.state["output"].shape
    assert (explorer.widgets["row"].max, explorer.widgets["column"].max) == (height - 1, width - 1)
    assert explorer.value["row"] < height
    sides = [f"+\u00a01\u00a0=\u00a0{height}", f"+\u00a01\u00a0=\u00a0{width}"]
    assert all(side in explorer.html for side in sides)


def test_the_text_alternative_follows_the_controls(explorer):
    explorer.set(preset="identity", row=5, column=6, padding=1)
    alt = html.unescape(re.search(r'alt="([^"]*)"', explorer.html)[1])
    assert "“identity”" in alt
    assert "row 5, column 6" in alt
    assert "padding 1" in alt
    assert f"{explorer.state['photo'][5, 6]:.2f}" in alt


def test_products_can_be_checked_by_hand_because_pixels_are_whole_hundredths(explorer):
    hundredths = explorer.state["photo"] * 100
    np.testing.assert_allclose(hundredths, np.round(hundredths), atol=1e-9)


def test_every_control_says_what_it_is(explorer):
    for name, widget in explorer.widgets.items():
        assert widget.description, name
    tip = explorer.widgets["w12"]
    assert (tip.tooltip if tip.has_trait("tooltip") else tip.description_tooltip) == "weight in row 1, column 2"


@pytest.mark.parametrize(
    "photo", [torch.rand(3, 300, 200), torch.zeros(9, 9), torch.ones(1, 8, 40), np.random.default_rng(0).random((12, 12))]
)
def test_photographs_of_every_kind_are_shown(photo, published):
    explorer = show.convolution_explorer(photo)
    assert max(explorer.state["photo"].shape) <= 128
    for preset in ("box blur", "Laplacian"):
        explorer.set(preset=preset)
    assert "<img" in explorer.html


def test_without_a_photograph_it_takes_the_courses_own(published):
    assert show.convolution_explorer().state["photo"].shape == (96, 96)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (torch.rand(9, 9, 3), "permute"),
        (torch.rand(5, 5), "at least 8×8"),
        (torch.rand(9, 9) * 255, "divide uint8 by 255"),
        (torch.full((9, 9), float("nan")), "81 NaN"),
    ],
)
def test_what_is_no_photograph_is_named(photo, message):
    with pytest.raises(ValueError, match=message):
        show.convolution_explorer(photo)


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match="preset must be one of 'vertical edge"):
        show.convolution_explorer(torch.rand(9, 9), preset="gauss")
