"""Adaptive average pooling: torch's windows and gradients, and the adjoint."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.adaptive_pooling import adaptive_avg_pool2d, adaptive_avg_pool2d_backward
from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gradient_table import gradcheck
from mmlearn.ops.pooling import avg_pool2d

TORCH = torch.nn.functional.adaptive_avg_pool2d


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def calls(draw):
    """(image, output_size): larger or smaller than the image, one number or two, None among them."""
    batch = draw(st.sampled_from([(), (1,), (3,), (0,)]))
    shape = (*batch, draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    image = numbers(*shape, seed=draw(st.integers(0, 1000)))
    layout = draw(st.sampled_from(["contiguous", "transposed", "channels last"]))
    if layout == "transposed":
        image = image.mT.contiguous().mT
    if layout == "channels last" and len(shape) == 4:
        image = image.contiguous(memory_format=torch.channels_last)
    number, own = st.integers(1, 10), st.none()
    return image, draw(st.one_of(number, st.tuples(st.one_of(number, own), st.one_of(number, own))))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=100)
@given(call=calls())
def test_values_and_gradients_are_those_of_torch(dtype, call):
    image, output_size = call
    ours, theirs = image.to(dtype, copy=True).requires_grad_(), image.to(dtype, copy=True).requires_grad_()
    output, expected = adaptive_avg_pool2d(ours, output_size), TORCH(theirs, output_size)
    torch.testing.assert_close(output, expected)
    grad_output = numbers(*expected.shape, seed=1).to(dtype)
    (wanted,) = torch.autograd.grad(expected, theirs, grad_output)
    torch.testing.assert_close(torch.autograd.grad(output, ours, grad_output)[0], wanted)
    torch.testing.assert_close(adaptive_avg_pool2d_backward(grad_output, image.to(dtype), output_size), wanted)


def test_the_names_of_the_arguments_are_those_of_torch():
    assert list(inspect.signature(adaptive_avg_pool2d).parameters) == list(inspect.signature(TORCH).parameters)


@pytest.mark.parametrize("output_size", [1, 3, (2, 7), (5, 4), 9])
def test_pooling_and_its_backward_are_adjoint_and_the_gradient_is_that_of_finite_differences(output_size):
    x = numbers(2, 2, 5, 7)
    y = numbers(*adaptive_avg_pool2d(x, output_size).shape, seed=1)
    back = adaptive_avg_pool2d_backward(y, x, output_size)
    torch.testing.assert_close((adaptive_avg_pool2d(x, output_size) * y).sum(), (x * back).sum())
    assert gradcheck(lambda x: adaptive_avg_pool2d(x, output_size), [numbers(1, 2, 4, 3)])
    assert torch.autograd.gradgradcheck(lambda x: adaptive_avg_pool2d(x, output_size) ** 2, numbers(1, 1, 4, 3).requires_grad_())
    leaf = x.clone().requires_grad_()
    with torch_gradients():
        adaptive_avg_pool2d(leaf, output_size).backward(y)
    torch.testing.assert_close(leaf.grad, back)
    torch.testing.assert_close(torch.func.grad(lambda x: (adaptive_avg_pool2d(x, output_size) * y).sum())(x), back)


def test_one_output_pixel_is_the_mean_of_the_image_and_as_many_as_pixels_the_image():
    x = numbers(2, 3, 5, 7)
    torch.testing.assert_close(adaptive_avg_pool2d(x, 1)[..., 0, 0], x.mean((2, 3)))
    torch.testing.assert_close(adaptive_avg_pool2d(x, (None, None)), x)
    torch.testing.assert_close(adaptive_avg_pool2d(x, (10, 14)), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_where_the_sizes_divide_it_is_average_pooling():
    x = numbers(2, 3, 6, 8)
    torch.testing.assert_close(adaptive_avg_pool2d(x, (3, 2)), avg_pool2d(x, (2, 4)))


def test_a_pixel_that_is_no_number_spoils_its_own_window_alone():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = float("nan")
    assert adaptive_avg_pool2d(x, 2).isnan().tolist() == [[[[True, False], [False, False]]]]


IMAGE = torch.zeros(2, 3, 4, 5)
WRONG = [
    (lambda: adaptive_avg_pool2d(IMAGE.long(), 1), "input", "int64", "floating-point"),
    (lambda: adaptive_avg_pool2d(IMAGE[0, 0], 1), "input", r"shape \(4, 5\)", r"\(N, C, H, W\) or \(C, H, W\)"),
    (lambda: adaptive_avg_pool2d(IMAGE[..., :0], 1), "input", r"shape \(2, 3, 4, 0\)", "at least one pixel"),
    (lambda: adaptive_avg_pool2d(IMAGE, 0), "output_size", "0", "≥ 1, or two of them"),
    (lambda: adaptive_avg_pool2d(IMAGE, (1, -1)), "output_size", r"\(1, -1\)", "≥ 1"),
    (lambda: adaptive_avg_pool2d(IMAGE, (1, 2, 3)), "output_size", r"\(1, 2, 3\)", "two of them"),
    (lambda: adaptive_avg_pool2d(IMAGE, None), "output_size", "None", "two of them .*, None for the input's own"),
    (lambda: adaptive_avg_pool2d(IMAGE, 2.0), "output_size", "2.0", "a whole number"),
    (lambda: adaptive_avg_pool2d(IMAGE, True), "output_size", "True", "a whole number"),
    (lambda: adaptive_avg_pool2d_backward(IMAGE, IMAGE, 2), "grad_output", r"\(2, 3, 4, 5\)", r"\(2, 3, 2, 2\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
