import html
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn import show
from mmlearn.show.explore_gradient import COUNTING, ONES, footprint

SETTINGS = st.fixed_dictionaries(
    {
        "kernel_size": st.integers(2, 4),
        "stride": st.integers(1, 3),
        "padding": st.integers(0, 2),
        "dilation": st.integers(1, 2),
        "all_outputs": st.booleans(),
        "weights": st.sampled_from([COUNTING, ONES]),
    }
)


@settings(max_examples=40, deadline=None)
@given(SETTINGS, st.integers(7, 12), st.data())
def test_the_footprint_is_the_gradient_that_autograd_finds(setting, size, data):
    outputs = (size + 2 * setting["padding"] - setting["dilation"] * (setting["kernel_size"] - 1) - 1) // setting["stride"] + 1
    row, column = data.draw(st.integers(0, outputs - 1)), data.draw(st.integers(0, outputs - 1))
    state = footprint(size, row=row, column=column, **setting)
    x = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor(state["weight"])[None, None]
    y = F.conv2d(x, weight, None, setting["stride"], setting["padding"], setting["dilation"])
    y.backward(torch.tensor(state["grad_output"])[None, None])
    np.testing.assert_array_equal(state["grad_input"], x.grad[0, 0])


@settings(max_examples=40, deadline=None)
@given(SETTINGS, st.integers(7, 12))
def test_no_gradient_is_lost_once_the_padding_is_counted(setting, size):
    state = footprint(size, row=0, column=0, **setting)
    assert state["grad_padded"].sum() == state["weight"].sum() * state["grad_output"].sum()


@pytest.fixture
def figure(published):
    return show.gradient_footprint()


def test_it_starts_with_a_footprint_that_hangs_over_into_the_padding(figure):
    assert 0 < figure.state["reached"].sum() < 9
    assert "3 of the 9 weights fall on the padding and are dropped" in html.unescape(figure.html)


def test_one_pixels_footprint_is_a_copy_of_the_kernel_not_flipped(figure):
    figure.set(row=1, column=1)
    np.testing.assert_array_equal(figure.state["grad_input"][1:4, 1:4], figure.state["weight"])
    assert figure.state["grad_input"].sum() == figure.state["weight"].sum()


def test_all_outputs_show_the_checkerboard_of_a_stride_that_does_not_divide_the_kernel(figure):
    figure.set(all_outputs=True)
    assert figure.value["weights"] == ONES
    np.testing.assert_array_equal(figure.state["grad_input"], figure.state["reached"])
    assert sorted(set(figure.state["reached"].ravel())) == [1, 2, 4]
    assert "reached by 1 to 4 of the 16 output pixels" in figure.html
    assert "checkerboard" in figure.html
    figure.set(kernel_size=2, padding=0)
    assert "the coverage is even" in figure.html
    figure.set(all_outputs=False)
    assert figure.value["weights"] == COUNTING


@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding", "dilation"), [(4, 1, 0, 2), (2, 3, 2, 1), (3, 2, 1, 1), (4, 3, 0, 2), (2, 1, 2, 2)]
)
def test_the_sliders_end_where_the_output_ends(figure, kernel_size, stride, padding, dilation):
    figure.set(row=3, column=3)
    figure.set(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    side = len(figure.state["grad_output"])
    assert figure.widgets["row"].max == figure.widgets["column"].max == side - 1
    assert figure.value["row"] < side


def test_a_small_input_never_gets_a_kernel_larger_than_itself(published):
    figure = show.gradient_footprint(4)
    figure.set(padding=0, kernel_size=4)
    assert figure.widgets["dilation"].max == 1
    figure.set(padding=2)
    assert figure.widgets["dilation"].max == 2


def test_the_text_alternative_holds_the_numbers(figure):
    figure.set(row=1, column=1)
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert "0 1 2 3 0 0 0 0; 0 4 5 6 0 0 0 0; 0 7 8 9 0 0 0 0" in alt
    assert "row 1, column 1 of the 4 by 4 output" in alt


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize("size", [3, 13, 8.0])
def test_a_size_whose_numbers_could_not_be_read_is_refused(size):
    with pytest.raises(ValueError, match="from 4 to 12"):
        show.gradient_footprint(size)
