"""Parameters, counted by formula and in torch's own layers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmlearn.ops.layer_cost import conv2d_parameters, separable_share, stacked_weights
from mmlearn.ops.receptive_field import receptive_field


def count(*layers):
    return sum(p.numel() for layer in layers for p in layer.parameters())


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_parameters_of_a_layer_are_those_of_torchs(groups, outputs, inputs, kh, kw, bias):
    layer = nn.Conv2d(inputs * groups, outputs * groups, (kh, kw), groups=groups, bias=bias)
    assert conv2d_parameters(tuple(layer.weight.shape), bias) == count(layer)


def test_a_linear_layer_is_a_convolution_of_one_pixel():
    assert conv2d_parameters((120, 400, 1, 1)) == count(nn.Linear(400, 120))


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6))
def test_a_stack_and_the_single_layer_that_sees_as_far(n, k, C):
    stack = [nn.Conv2d(C, C, k, bias=False) for _ in range(n)]
    single = nn.Conv2d(C, C, receptive_field([(k,)] * n), bias=False)
    assert stacked_weights(n, k, C) == (count(*stack), count(single))


def test_the_share_of_a_depthwise_separable_layer():
    depthwise, pointwise = nn.Conv2d(24, 24, 3, groups=24, bias=False), nn.Conv2d(24, 40, 1, bias=False)
    full = nn.Conv2d(24, 40, 3, bias=False)
    assert separable_share(40, 3) == pytest.approx(count(depthwise, pointwise) / count(full))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="weight_size: expected four whole numbers"):
        conv2d_parameters((6, 1, 5))
    with pytest.raises(ValueError, match="count: expected a whole number ≥ 1; got 0"):
        stacked_weights(0, 3, 8)
    with pytest.raises(ValueError, match="outputs"):
        separable_share(0, 3)
