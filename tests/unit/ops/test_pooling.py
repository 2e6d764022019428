"""Pooling: who wins a tie, what NaN and −∞ do, and that averaging has an adjoint."""

import pytest
import torch

import mmlearn.ops as F

NAN, INF = float("nan"), float("inf")


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(library, input, **options):
    variable = input.clone().requires_grad_()
    output = library.max_pool2d(variable, **options)
    output.backward(torch.arange(1.0, 1 + output.numel(), dtype=output.dtype).view_as(output))
    return variable.grad


@pytest.mark.parametrize(
    "image",
    [
        torch.ones(4, 4),
        torch.zeros(4, 4).index_fill(0, torch.tensor([1, 2]), 1.0),
        torch.full((4, 4), -INF),
        torch.full((4, 4), NAN),
        torch.tensor([[0.0, NAN, 1, 2], [NAN, 3, NAN, 5], [-INF, -INF, 1, 1], [-INF, 0, 1, INF]]),
        torch.tensor([[-INF, -INF, INF, INF], [-INF, -INF, INF, 5], [0, -0.0, 1, 1], [-0.0, 0, 1, 1]]),
    ],
    ids=["equal", "rows", "-inf", "nan", "nan among numbers", "infinities"],
)
@pytest.mark.parametrize(
    "options", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}, {"kernel_size": 2, "dilation": 2}]
)
def test_ties_nan_and_infinity_are_decided_as_torch_decides_them(image, options):
    image = image[None, None]
    values, winners = F.max_pool2d(image, **options, return_indices=True)
    expected = torch.nn.functional.max_pool2d(image, **options, return_indices=True)
    torch.testing.assert_close(values, expected[0], equal_nan=True)
    assert torch.equal(winners, expected[1])
    assert torch.equal(gradient(F, image, **options), gradient(torch.nn.functional, image, **options))


def test_every_gradient_arrives_once_at_a_pixel_that_is_the_largest_of_its_window():
    x = numbers(2, 3, 7, 7)
    output, winners = F.max_pool2d(x, 3, 2, return_indices=True)
    grad = F.max_pool2d_backward(torch.ones_like(output), x, 3, 2)
    assert grad.sum() == output.numel()
    assert torch.equal(x.flatten(-2).gather(-1, winners.flatten(-2)).view_as(output), output)


def test_a_window_on_padding_alone_is_minus_infinity_and_sends_its_gradient_nowhere():
    x = numbers(1, 1, 2, 2)  # the cells of a dilated kernel can step over the whole image
    output, winners = F.max_pool2d(x, 2, stride=1, padding=1, dilation=3, return_indices=True)
    assert torch.equal(output, torch.full((1, 1, 1, 1), -INF, dtype=torch.float64))
    assert winners.item() == -1
    assert torch.equal(F.max_pool2d_backward(torch.ones_like(output), x, 2, 1, 1, 3), torch.zeros_like(x))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        {"kernel_size": (2, 3), "stride": 1, "padding": (1, 0), "count_include_pad": False},
        {"kernel_size": 2, "stride": 3, "divisor_override": 5},
    ],
)
def test_average_pooling_and_its_backward_are_adjoint(options):
    x = numbers(2, 3, 7, 6)
    y = numbers(*F.avg_pool2d(x, **options).shape, seed=1)
    torch.testing.assert_close((F.avg_pool2d(x, **options) * y).sum(), (x * F.avg_pool2d_backward(y, x, **options)).sum())


def test_average_pooling_is_a_convolution_with_equal_weights():
    x = numbers(2, 3, 7, 6)
    weight = torch.full((3, 1, 2, 3), 1 / 6, dtype=torch.float64)
    torch.testing.assert_close(F.avg_pool2d(x, (2, 3), 2), F.conv2d(x, weight, stride=2, groups=3))


def test_a_window_that_hangs_over_the_edge_starts_on_a_pixel():
    x = torch.arange(5.0).view(1, 1, 5)
    assert F.max_pool2d(x, (1, 2), ceil_mode=True).tolist() == [[[1, 3, 4]]]
    assert F.max_pool2d(x, (1, 2), stride=(1, 5), ceil_mode=True).tolist() == [[[1]]]
    assert F.avg_pool2d(x, (1, 2), ceil_mode=True).tolist() == [[[0.5, 2.5, 4]]]
