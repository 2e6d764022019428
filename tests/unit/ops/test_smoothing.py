"""Gaussian blur: judged by torchvision and SciPy, and by what must be true of any average."""

import math

import numpy as np
import pytest
import torch

import mmlearn.ops as F
from mmlearn.ops.smoothing import gaussian_blur, gaussian_kernel, noise_gain


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_the_weights_are_those_scipy_uses(sigma):
    from scipy.ndimage import gaussian_filter1d

    impulse = np.zeros(101)
    impulse[50] = 1
    radius = len(gaussian_kernel(sigma)) // 2
    expected = gaussian_filter1d(impulse, sigma)
    assert np.count_nonzero(expected) == 2 * radius + 1
    np.testing.assert_allclose(gaussian_kernel(sigma, dtype=torch.float64), expected[50 - radius : 51 + radius], rtol=1e-12)


def test_the_weights_sum_to_one_are_symmetric_and_have_the_asked_for_spread():
    g = gaussian_kernel(3.0, dtype=torch.float64)
    u = torch.arange(len(g)) - len(g) // 2
    assert g.sum().item() == pytest.approx(1)
    assert torch.equal(g, g.flip(0))
    assert math.sqrt((g * u**2).sum()) == pytest.approx(3.0, rel=2e-3)  # the cut at 4σ takes a little of the spread
    assert gaussian_kernel(0).tolist() == [1]
    assert gaussian_kernel(0, 3).tolist() == [0, 1, 0]


@pytest.mark.parametrize(("size", "sigma"), [((1, 1, 9, 9), 1.0), ((2, 3, 17, 12), 0.7), ((3, 20, 31), 2.0)])
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_blurred_pixels_are_torchvisions(size, sigma, kernel_size):
    from torchvision.transforms.v2.functional import gaussian_blur as theirs

    x = numbers(*size)
    torch.testing.assert_close(gaussian_blur(x, sigma, kernel_size), theirs(x, [kernel_size] * 2, [sigma] * 2))


@pytest.mark.parametrize(("ours", "scipys"), [("reflect", "mirror"), ("replicate", "nearest"), ("zeros", "constant")])
def test_each_border_is_the_one_scipy_knows(ours, scipys):
    from scipy.ndimage import gaussian_filter

    x = numbers(2, 3, 14, 11)
    expected = gaussian_filter(x.numpy(), (0, 0, 1.2, 1.2), mode=scipys)
    torch.testing.assert_close(gaussian_blur(x, 1.2, padding_mode=ours), torch.from_numpy(expected))


def test_an_even_grey_stays_as_it_is_except_beside_a_border_of_zeros():
    grey = torch.full((1, 2, 12, 12), 0.3)
    for border in ("reflect", "replicate"):
        torch.testing.assert_close(gaussian_blur(grey, 1.5, padding_mode=border), grey)
    darker = gaussian_blur(grey, 1.0, padding_mode="zeros")
    assert darker[0, 0, 0, 0] < 0.2
    assert darker[0, 0, 6, 6].item() == pytest.approx(0.3)


def test_two_passes_along_the_axes_are_one_pass_with_the_product_of_the_weights():
    x, g = numbers(1, 1, 12, 13), gaussian_kernel(0.8, dtype=torch.float64)
    radius = len(g) // 2
    once = F.conv2d(x, torch.outer(g, g)[None, None], padding=radius)
    torch.testing.assert_close(gaussian_blur(x, 0.8, padding_mode="zeros"), once)


def test_blurring_twice_adds_the_variances():
    x = numbers(1, 1, 60, 60)
    twice = gaussian_blur(gaussian_blur(x, 3.0), 4.0)
    torch.testing.assert_close(twice[..., 30, 30], gaussian_blur(x, 5.0)[..., 30, 30], atol=1e-3, rtol=0)


def test_white_noise_shrinks_by_the_predicted_factor():
    noise = numbers(1, 1, 400, 400)
    for sigma in (0.5, 1.0, 2.0):
        measured = gaussian_blur(noise, sigma).std() / noise.std()
        assert measured.item() == pytest.approx(noise_gain(sigma), rel=0.03)
    assert noise_gain(3.0) == pytest.approx(1 / (2 * 3 * math.sqrt(math.pi)), rel=1e-3)
    assert noise_gain(0) == 1


def test_the_gradient_is_right_and_channels_do_not_mix():
    x = numbers(2, 3, 6, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: gaussian_blur(x, 0.6), (x,))
    only = torch.zeros(1, 3, 9, 9)
    only[0, 1] = 1
    assert gaussian_blur(only, 1.0).sum((0, 2, 3)).tolist() == pytest.approx([0, 81, 0])


def test_any_memory_layout_and_half_precision_give_the_same_picture():
    x = numbers(2, 3, 12, 10)
    expected = gaussian_blur(x, 1.0)
    torch.testing.assert_close(gaussian_blur(x.contiguous(memory_format=torch.channels_last), 1.0), expected)
    torch.testing.assert_close(gaussian_blur(x.mT, 1.0).mT, expected)
    torch.testing.assert_close(gaussian_blur(x.float(), 1.0), expected.float())
    assert gaussian_blur(x[0], 1.0).shape == (3, 12, 10)
    assert gaussian_blur(x[:0], 1.0).shape == (0, 3, 12, 10)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: gaussian_blur(x, -1), "sigma: expected a standard deviation in pixels, a number ≥ 0; got -1"),
        (lambda x: gaussian_blur(x, float("nan")), "sigma: .*got nan"),
        (lambda x: gaussian_blur(x, "1"), "sigma: .*got '1'"),
        (lambda x: gaussian_blur(x, 1.0, 4), "kernel_size: expected an odd whole number.*got 4"),
        (lambda x: gaussian_blur(x, 1.0, padding_mode="wrap"), "padding_mode: expected one of 'reflect'.*got 'wrap'"),
        (lambda x: gaussian_blur(x, 3.0), "reaches 12 pixels beyond the border"),
        (lambda x: gaussian_blur(x.byte(), 1.0), "input: expected floating-point numbers"),
        (lambda x: gaussian_blur(x[0, 0], 1.0), r"input: expected \(N, C, H, W\) or \(C, H, W\)"),
    ],
)
def test_what_cannot_be_blurred_is_refused_with_its_name(call, says):
    with pytest.raises(ValueError, match=says):
        call(torch.zeros(1, 1, 8, 8))
