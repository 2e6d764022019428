"""Receptive fields: the arithmetic against what a gradient reaches, for drawn stacks of layers."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.receptive_field import Window, effective_deviation, first_pixel, jumps, receptive_field, windows

LAYERS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=4)
EQUAL_LAYERS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2), st.just(0), st.integers(1, 2)), min_size=1, max_size=4)


def through(layers, line):
    """A line of pixels (length,) through convolutions with all weights equal to 1."""
    x = line[None, None]
    for k, s, p, d in layers:
        x = F.conv1d(x, torch.ones(1, 1, k, dtype=line.dtype), None, s, p, d)
    return x[0, 0]


def gradient_of(layers, size, output):
    line = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(through(layers, line)[output], line)
    return gradient


@settings(max_examples=60, deadline=None)
@given(LAYERS, st.integers(0, 2))
def test_the_first_and_the_last_pixel_with_a_gradient_are_those_of_the_formulas(layers, output):
    r, j, a = receptive_field(layers), jumps(layers)[-1], first_pixel(layers)
    size = a + output * j + r + 2 * sum(p * jump for (_, _, p, _), jump in zip(layers, jumps(layers), strict=False)) + 3 * j + 3
    first = max(0, a + output * j)
    last = min(size - 1, a + output * j + r - 1)
    seen = gradient_of(layers, size, output).nonzero()
    if last < first or not len(seen):  # everything that is seen lies on the padding
        return
    if a + output * j >= 0:  # no padding is in the way: both ends are exact
        assert (seen[0].item(), seen[-1].item()) == (first, last)
    assert first <= seen[0].item()
    assert seen[-1].item() <= last


def test_without_padding_an_input_as_large_as_the_field_has_one_output_that_sees_both_ends():
    layers = [(3, 2), (5, 1, 0, 2), (2, 3), (4,)]
    r = receptive_field(layers)
    gradient = gradient_of([tuple(w) for w in windows(layers)], r, 0)
    assert gradient[0] != 0 != gradient[-1]
    assert len(through([tuple(w) for w in windows(layers)], torch.zeros(r))) == 1


def test_by_hand():
    # 3×3 twice: 3, then two pixels more. A pool of 2 and stride 2 in between makes those two pixels four.
    assert receptive_field([(3,), (3,)]) == 5
    assert receptive_field([(3,), (2, 2), (3,)]) == 3 + 1 + 2 * 2
    assert receptive_field([]) == 1
    assert jumps([]) == [1]
    # LeNet's second pool, and the last block of ResNet-20 (He et al. 2016, section 4.2): 7 layers, 6 layers, 6 layers
    assert receptive_field([(5, 1, 2), (2, 2), (5, 1, 2), (2, 2)]) == 16
    resnet20 = [(3, 1, 1)] * 7 + [(3, 2, 1)] + [(3, 1, 1)] * 5 + [(3, 2, 1)] + [(3, 1, 1)] * 5
    assert receptive_field(resnet20) == 1 + 7 * 2 + 2 + 5 * 4 + 4 + 5 * 8
    assert jumps(resnet20)[-1] == 4


@settings(max_examples=40, deadline=None)
@given(EQUAL_LAYERS)
def test_the_gradient_of_equal_weights_has_the_deviation_of_the_formula(layers):
    gradient = gradient_of(layers, receptive_field(layers), 0)
    share = gradient / gradient.sum()
    place = torch.arange(len(share), dtype=torch.float64)
    mean = (share * place).sum()
    variance = (share * (place - mean) ** 2).sum().item()
    assert effective_deviation(layers) ** 2 == pytest.approx(variance, abs=1e-9)


def test_the_effective_field_grows_with_the_root_of_the_depth():
    assert effective_deviation([(3,)] * 40) == pytest.approx(2 * effective_deviation([(3,)] * 10))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([(3, 0)], r"layer 1: stride: expected a whole number ≥ 1; got 0"),
        ([(3,), (0,)], "layer 2: kernel_size"),
        ([(3, 1, -1)], "layer 1: padding: expected a whole number ≥ 0"),
        ([(3, 1, 0, 0)], "layer 1: dilation"),
        ([(3, 1, 0, 1, 1)], "layer 1: expected .kernel_size, stride, padding, dilation"),
        (["3"], "layer 1"),
        ([(2.0,)], "layer 1: kernel_size"),
    ],
)
def test_a_layer_that_cannot_be_is_named(layers, words):
    with pytest.raises(ValueError, match=words):
        receptive_field(layers)


def test_what_is_left_out_is_torchs_default():
    assert windows([3, (2, 2)]) == [Window(3, 1, 0, 1), Window(2, 2, 0, 1)]
