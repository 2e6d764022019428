"""The transposed convolution is the adjoint of the convolution, not its inverse; and a gradient can be had by correlating."""

import itertools

import pytest
import torch

import mmlearn.ops as F

GEOMETRIES = [  # (stride, padding, output_padding, groups, dilation)
    (1, 0, 0, 1, 1),
    ((2, 3), (1, 0), (1, 2), 2, 1),
    (2, 1, 0, 4, (2, 1)),
    (1, 2, 1, 2, 2),
    (1, 0, (1, 2), 1, 3),
]


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_is_the_adjoint_of_the_convolution_with_the_same_weight(geometry):
    stride, padding, _, groups, dilation = geometry
    weight, x = numbers(4, 8 // groups, 3, 2), numbers(2, 4, 4, 5)
    y = F.conv_transpose2d(x, weight, None, *geometry)
    u = numbers(*y.shape, seed=1)
    convolved = F.conv2d(u, weight, None, stride, padding, dilation, groups)[..., : x.shape[2], : x.shape[3]]
    torch.testing.assert_close((convolved * x).sum(), (u * y).sum())


def test_it_is_not_the_inverse():
    x, weight = numbers(1, 2, 5, 5), numbers(3, 2, 3, 3)
    assert not torch.allclose(F.conv_transpose2d(F.conv2d(x, weight), weight), x)


def test_the_output_size_is_that_of_torch_and_the_inverse_of_the_convolutions():
    grid = itertools.product(range(1, 6), range(1, 5), range(1, 4), range(3), range(3), range(1, 4))
    compared = 0
    for size, kernel_size, stride, padding, output_padding, dilation in grid:
        expected = F.conv_transpose_output_size(size, kernel_size, stride, padding, output_padding, dilation)
        if expected < 1 or output_padding >= max(stride, dilation):
            continue
        x, weight = torch.empty(1, 1, size, 1, device="meta"), torch.empty(1, 1, kernel_size, 1, device="meta")
        options = {
            "stride": (stride, 1),
            "padding": (padding, 0),
            "output_padding": (output_padding, 0),
            "dilation": (dilation, 1),
        }
        assert torch.nn.functional.conv_transpose2d(x, weight, **options).shape[2] == expected
        if output_padding < stride:
            assert F.conv_output_size(expected, kernel_size, stride, padding, dilation) == size
        compared += 1
    assert compared > 500


@pytest.mark.parametrize("kernel_size", [(3, 2), (2, 3)])
@pytest.mark.parametrize("stride", [1, 2, (3, 2)])
@pytest.mark.parametrize("padding", [0, 1, (2, 0), (0, 3), "same"])
@pytest.mark.parametrize("dilation", [1, (2, 1)])
def test_correlating_with_the_flipped_kernel_gives_the_gradient_that_footprints_give(kernel_size, stride, padding, dilation):
    stride = 1 if padding == "same" else stride
    weight, x = numbers(3, 2, *kernel_size), numbers(2, 2, 8, 7)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    grad_output = numbers(*F.conv2d(x, weight, **options).shape, seed=1)
    by_correlation = F.conv2d_input_by_correlation(x.shape, weight, grad_output, **options)
    torch.testing.assert_close(by_correlation, F.conv2d_input(x.shape, weight, grad_output, **options))


@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
def test_inserting_zeros_keeps_every_number_and_nothing_else(stride):
    x = numbers(2, 3, 4)
    sh, sw = (stride, stride) if isinstance(stride, int) else stride
    apart = F.insert_zeros(x, stride)
    assert torch.equal(apart[..., ::sh, ::sw], x)
    assert torch.equal(apart.abs().sum(), x.abs().sum())
    assert apart.shape[-2:] == (sh * 2 + 1, sw * 3 + 1)


def test_one_pixel_becomes_the_kernel():
    weight = numbers(1, 2, 3, 4)
    one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    assert torch.equal(F.conv_transpose2d(one, weight), weight)
    cropped = F.conv_transpose2d(one, weight, padding=1, stride=2, output_padding=1)
    assert torch.equal(cropped, weight[..., 1:, 1:])
