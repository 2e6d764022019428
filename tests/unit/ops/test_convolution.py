"""Convolution: a linear map, its adjoint, its size, its cost; and images taken a few at a time give what all at once give."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import mmlearn.ops as F
from mmlearn.ops import convolution

GEOMETRIES = [  # (stride, padding, dilation, groups)
    (1, 0, 1, 1),
    ((2, 3), (1, 2), 1, 2),
    (2, 2, (2, 1), 4),
    (3, (0, 3), (1, 2), 2),
    (1, "same", (2, 1), 1),
    (1, "valid", 2, 2),
]


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inner(a, b):
    return (a * b).sum()


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_convolution_and_conv2d_input_are_adjoint(geometry):
    weight = numbers(8, 4 // geometry[-1], 3, 2)
    x = numbers(2, 4, 9, 8)
    y = numbers(*F.conv2d(x, weight, None, *geometry).shape, seed=1)
    torch.testing.assert_close(
        inner(F.conv2d(x, weight, None, *geometry), y), inner(x, F.conv2d_input(x.shape, weight, y, *geometry))
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_output_is_linear_in_the_kernel_and_conv2d_weight_is_that_maps_adjoint(geometry):
    weight, x = numbers(8, 4 // geometry[-1], 3, 2), numbers(2, 4, 9, 8)
    y = numbers(*F.conv2d(x, weight, None, *geometry).shape, seed=1)
    torch.testing.assert_close(
        inner(F.conv2d(x, weight, None, *geometry), y), inner(weight, F.conv2d_weight(x, weight.shape, y, *geometry))
    )


@pytest.mark.parametrize("budget", [1, 500, 2**19])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_few_images_at_a_time_give_what_all_at_once_give(monkeypatch, geometry, budget):
    x, weight, bias = (t.requires_grad_() for t in (numbers(5, 4, 9, 8), numbers(8, 4 // geometry[-1], 3, 2), numbers(8)))
    expected = torch.nn.functional.conv2d(x, weight, bias, *geometry)
    y = numbers(*expected.shape, seed=1)
    wanted = torch.autograd.grad(expected, (x, weight, bias), y)
    monkeypatch.setattr(convolution, "COLUMN_BUDGET", budget)
    output = F.conv2d(x, weight, bias, *geometry)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(torch.autograd.grad(output, (x, weight, bias), y), wanted)


def test_images_of_a_batch_do_not_see_each_other():
    x, weight = numbers(4, 3, 6, 6), numbers(2, 3, 3, 3)
    together = F.conv2d(x, weight, padding=1)
    for image, output in zip(x, together, strict=True):
        torch.testing.assert_close(F.conv2d(image, weight, padding=1), output)


def test_moving_the_image_moves_the_output():
    x, weight = numbers(1, 2, 8, 8), numbers(3, 2, 3, 3)
    moved = torch.nn.functional.pad(x, (1, 0, 2, 0))
    torch.testing.assert_close(F.conv2d(moved, weight)[..., 2:, 1:], F.conv2d(x, weight))


def test_a_group_sees_its_own_channels_alone():
    x, weight = numbers(1, 6, 5, 5), numbers(9, 2, 3, 3)
    whole = F.conv2d(x, weight, groups=3)
    parts = [F.conv2d(part, kernels) for part, kernels in zip(x.chunk(3, dim=1), weight.chunk(3), strict=True)]
    torch.testing.assert_close(whole, torch.cat(parts, dim=1))


def test_same_padding_keeps_the_size_with_the_odd_zero_at_the_end():
    x = numbers(1, 1, 5, 5)
    for kernel_size in [(1, 1), (2, 3), (4, 2)]:
        assert F.conv2d(x, numbers(1, 1, *kernel_size), padding="same", dilation=(1, 3)).shape == x.shape
    last = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    last[..., 1, 1] = 1  # picks the pixel below and to the right
    torch.testing.assert_close(F.conv2d(x, last, padding="same"), torch.nn.functional.pad(x[..., 1:, 1:], (0, 1, 0, 1)))


def test_the_bias_gradient_counts_every_output_pixel():
    grads = F.conv2d_backward(torch.ones(2, 3, 4, 4), torch.zeros(2, 1, 6, 6), torch.zeros(3, 1, 3, 3), torch.zeros(3))
    assert torch.equal(grads.bias, torch.full((3,), 2 * 4 * 4.0))


def test_rows_that_no_window_reaches_have_no_gradient():
    grad = F.conv2d_input((1, 1, 6, 6), torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2), stride=3)
    assert torch.equal(grad[0, 0, 2], torch.zeros(6))
    assert torch.equal(grad[0, 0, 5], torch.zeros(6))
    assert grad.sum() == 4 * 4


geometries = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3))


@given(n=st.integers(1, 3), outputs=st.integers(1, 2), channels=st.integers(1, 2), groups=st.integers(1, 3), geometry=geometries)
def test_flops_are_those_that_torch_counts(n, outputs, channels, groups, geometry):
    kernel_size, stride, padding, dilation = geometry
    x = torch.zeros(n, groups * channels, 8, 9)
    weight = torch.zeros(groups * outputs, channels, kernel_size, kernel_size)
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.conv2d(x, weight, None, stride, padding, dilation, groups)
    flops = F.conv2d_flops(tuple(x.shape), tuple(weight.shape), stride, padding, dilation, groups)
    assert flops == counter.get_total_flops()


def test_channels_last_images_and_sliced_kernels_give_the_same_numbers():
    x, weight = numbers(2, 4, 6, 6), numbers(3, 4, 6, 6)[..., ::2, ::2]
    expected = F.conv2d(x, weight.contiguous())
    torch.testing.assert_close(F.conv2d(x.contiguous(memory_format=torch.channels_last), weight), expected)
    torch.testing.assert_close(F.conv2d(x[:1].expand(2, -1, -1, -1), weight), expected[:1].expand(2, -1, -1, -1))


@pytest.mark.parametrize("kernel_size", [(1, 1), (1, 3), (2, 1)])
def test_a_kernel_of_one_row_or_pixel_works_on_channels_last_images(kernel_size):
    x, weight = numbers(2, 4, 3, 3).contiguous(memory_format=torch.channels_last), numbers(2, 4, *kernel_size)
    torch.testing.assert_close(F.conv2d(x, weight), torch.nn.functional.conv2d(x, weight))
