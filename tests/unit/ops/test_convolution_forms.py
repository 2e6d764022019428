"""The sum, the loops, im2col and the Toeplitz matrix are one function in four notations."""

import pytest
import scipy.linalg
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmlearn.ops as F

FORMS = {"loops": F.conv2d_loops, "im2col": F.conv2d_im2col, "toeplitz": F.conv2d_toeplitz}


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


sizes = st.integers(1, 4)


@settings(max_examples=40)
@given(kh=sizes, kw=sizes, more=st.tuples(st.integers(0, 4), st.integers(0, 4)), seed=st.integers(0, 999))
def test_correlation_and_convolution_are_those_of_signal_processing(kh, kw, more, seed):
    image, kernel = numbers(kh + more[0], kw + more[1], seed=seed), numbers(kh, kw, seed=seed + 1)
    correlated = scipy.signal.correlate2d(image.numpy(), kernel.numpy(), mode="valid")
    convolved = scipy.signal.convolve2d(image.numpy(), kernel.numpy(), mode="valid")
    torch.testing.assert_close(F.correlate2d(image, kernel), torch.from_numpy(correlated))
    torch.testing.assert_close(F.convolve2d(image, kernel), torch.from_numpy(convolved))


def test_convolution_commutes_and_correlation_does_not():
    a, b = numbers(3, 3), numbers(3, 3, seed=1)
    wide_a, wide_b = (torch.nn.functional.pad(x, (2, 2, 2, 2)) for x in (a, b))
    torch.testing.assert_close(F.convolve2d(wide_a, b), F.convolve2d(wide_b, a))
    assert not torch.allclose(F.correlate2d(wide_a, b), F.correlate2d(wide_b, a))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@settings(max_examples=40)
@given(
    kernel_size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from([0, 1, (2, 0), (0, 1), "valid", "same"]),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.integers(1, 2),
    biased=st.booleans(),
)
def test_every_form_is_conv2d(form, kernel_size, stride, padding, dilation, groups, biased):
    stride = 1 if padding == "same" else stride
    groups = groups if form is F.conv2d_loops else 1
    x, weight, bias = numbers(2, 2 * groups, 6, 5), numbers(2 * groups, 2, *kernel_size), numbers(2 * groups) if biased else None
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    options |= {"groups": groups} if form is F.conv2d_loops else {}
    torch.testing.assert_close(form(x, weight, bias, **options), F.conv2d(x, weight, bias, **options))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_autograd_goes_through_every_form(form):
    x, weight, bias = (t.requires_grad_() for t in (numbers(2, 2, 4, 5), numbers(3, 2, 3, 2), numbers(3)))
    grad_output = numbers(2, 3, 2, 4, seed=1)
    actual = torch.autograd.grad(form(x, weight, bias), (x, weight, bias), grad_output)
    expected = F.conv2d_backward(grad_output, x.detach(), weight.detach(), bias.detach())
    torch.testing.assert_close(actual, tuple(expected))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_takes_an_empty_batch(form):
    assert form(torch.zeros(0, 2, 5, 5), torch.zeros(3, 2, 3, 3), torch.zeros(3)).shape == (0, 3, 3, 3)


@pytest.mark.parametrize(("size", "kernel_size"), [((4, 5), (2, 3)), ((3, 3), (3, 1)), ((5, 4), (1, 1))])
def test_with_stride_one_the_matrix_is_toeplitz_of_toeplitz_blocks(size, kernel_size):
    weight = numbers(2, 3, *kernel_size)
    matrix = F.toeplitz_matrix(weight, size)
    heights, widths = (n - k + 1 for n, k in zip(size, kernel_size, strict=True))
    assert matrix.shape == (2 * heights * widths, 3 * size[0] * size[1])
    blocks = matrix.view(2, heights, widths, 3, size[0], size[1])  # [o, i, j, c, p, q]
    for o in range(2):
        for c in range(3):
            for i in range(heights):
                for p in range(size[0]):
                    block = blocks[o, i, :, c, p]
                    assert torch.equal(block, torch.from_numpy(scipy.linalg.toeplitz(block[:, 0], block[0])))
                    if i and p:
                        assert torch.equal(block, blocks[o, i - 1, :, c, p - 1])


def test_each_row_of_the_matrix_holds_the_kernel_and_zeros():
    weight = numbers(1, 2, 2, 2)
    matrix = F.toeplitz_matrix(weight, (4, 5), stride=2, dilation=(1, 2))
    for row in matrix:
        torch.testing.assert_close(row[row != 0], weight.flatten())


def test_the_transposed_matrix_is_the_transposed_convolution_and_the_gradient():
    weight, geometry = numbers(3, 2, 3, 2), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    x = numbers(2, 2, 5, 6)
    matrix = F.toeplitz_matrix(weight, (5, 6), **geometry)
    y = numbers(*F.conv2d(x, weight, **geometry).shape, seed=1)
    by_matrix = (y.flatten(1) @ matrix).view_as(x)
    torch.testing.assert_close(by_matrix, F.conv2d_input(x.shape, weight, y, **geometry))
    torch.testing.assert_close(by_matrix, F.conv_transpose2d(y, weight, **geometry))
