"""Gaussian denoising: a convolution whose weights are a bell curve."""

import math
from numbers import Real

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_floating, is_whole, require
from mmlearn.ops.convolution import conv2d

BORDERS = {"reflect": "reflect", "replicate": "replicate", "zeros": "constant"}


def gaussian_kernel(sigma, kernel_size=None, dtype=torch.float32, device=None):
    """g[u] = exp(−u²/2σ²) / Σᵥ exp(−v²/2σ²) for u = −r … r — Eq. 1.6: the weights of a Gaussian blur along one axis.

    sigma: in pixels, ≥ 0; 0 means no blur   kernel_size: 2r + 1, odd; None: r = ⌊4σ + ½⌋, as SciPy has it
    returns: (2r + 1,), symmetric, its sum 1. In two dimensions the weights are the products g[u]·g[v].
    Raises ValueError naming the argument that does not fit.

    >>> gaussian_kernel(1.0, 5)
    tensor([0.0545, 0.2442, 0.4026, 0.2442, 0.0545])
    """
    good = isinstance(sigma, Real) and not isinstance(sigma, bool) and 0 <= sigma < math.inf
    require(good, "sigma", repr(sigma), "a standard deviation in pixels, a number ≥ 0")
    good = kernel_size is None or (is_whole(kernel_size) and kernel_size >= 1 and kernel_size % 2 == 1)
    require(good, "kernel_size", repr(kernel_size), "an odd whole number ≥ 1, so that the kernel has a middle, or None")
    radius = int(4 * sigma + 0.5) if kernel_size is None else kernel_size // 2
    u = torch.arange(-radius, radius + 1, dtype=torch.float64)  # (2r+1,)
    bell = torch.exp(-(u**2) / (2 * sigma**2)) if sigma > 0 else (u == 0).double()
    return (bell / bell.sum()).to(dtype=dtype, device=device)


def gaussian_blur(input, sigma, kernel_size=None, padding_mode="reflect"):
    """y[i,j] = Σ_u g[u] · Σ_v g[v] · x̃[i+u, j+v] — Eq. 1.7, channel by channel: along the rows, then along the columns.

    Two passes of k weights give what one pass of k² would: the two-dimensional bell is a product of two.
    input: (N, C, H, W) or (C, H, W)   sigma, kernel_size: as in Eq. 1.6   returns: the shape of the input
    padding_mode: what lies beyond the border: 'reflect' (mirrored about the outermost pixel, which is not repeated, as in
    torchvision), 'replicate' (the outermost pixel repeated) or 'zeros' (darkens the border).
    Raises ValueError naming the argument that does not fit, also where the image is too small to be mirrored so far.

    >>> spot = torch.zeros(1, 5, 5)
    >>> spot[0, 2, 2] = 1
    >>> gaussian_blur(spot, sigma=0.5, kernel_size=3)[0, 2]
    tensor([0.0000, 0.0838, 0.6193, 0.0838, 0.0000])
    """
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    require(padding_mode in BORDERS, "padding_mode", repr(padding_mode), f"one of {', '.join(map(repr, BORDERS))}")
    weights = gaussian_kernel(sigma, kernel_size, input.dtype, input.device)  # (k,)
    images = input if input.dim() == 4 else input[None]
    (C, H, W), radius = images.shape[1:], len(weights) // 2
    fits = padding_mode != "reflect" or radius < min(H, W)
    got = f"{len(weights)} for sigma {sigma}, which reaches {radius} pixels beyond the border"
    require(fits, "kernel_size", got, f"less than the {min(H, W)} pixels to mirror, a smaller sigma, or padding_mode='replicate'")
    padded = pad(images, (radius, radius, radius, radius), BORDERS[padding_mode])  # (N, C, H+2r, W+2r)
    across = weights.view(1, 1, 1, -1).expand(C, 1, 1, -1)  # the same for each channel
    rows = conv2d(padded, across, groups=C)  # (N, C, H+2r, W)
    return conv2d(rows, across.mT, groups=C).reshape(input.shape)


def noise_gain(sigma, kernel_size=None):
    """√(Σ_{u,v} (g[u]·g[v])²) = Σ_u g[u]²: by how much a blur multiplies the standard deviation of white noise; about 1/(2σ√π).

    Variances of independent numbers add up with the squares of their weights. sigma, kernel_size: as in ``gaussian_kernel``

    >>> round(noise_gain(1.0), 3), round(noise_gain(2.0), 3)
    (0.282, 0.141)
    """
    return gaussian_kernel(sigma, kernel_size, torch.float64).square().sum().item()
