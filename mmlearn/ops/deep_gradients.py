"""What becomes of a gradient on its way back through many layers: plain ones, and ones with a shortcut."""

import math
from functools import reduce

import torch

from mmlearn.ops.arguments import require, shape


def chain_jacobian(jacobians):
    """J = J_L ⋯ J_2 · J_1: the Jacobian of layers applied one after the other — Eq. 6.8.

    jacobians: J_1 … J_L, each (n_l, n_{l−1})   returns: (n_L, n_0)

    >>> chain_jacobian([torch.tensor([[2.0], [1.0]]), torch.tensor([[1.0, 3.0]])])
    tensor([[5.]])
    """
    return reduce(lambda below, jacobian: jacobian @ below, _matrices(jacobians))


def chain_bounds(jacobians):
    """Π_l σ_min(J_l) ≤ ‖Jᵀg‖ / ‖g‖ ≤ Π_l σ_max(J_l): what L layers can do to the length of a gradient — Eq. 6.9.

    The lower bound is 0 where a layer narrows on the way back, n_l > n_{l−1}: some g is orthogonal to all that it can make.
    jacobians: J_1 … J_L, each (n_l, n_{l−1})   returns: (lower, upper), floats

    >>> chain_bounds([torch.diag(torch.tensor([0.5, 2.0]))] * 3)
    (0.125, 8.0)
    """
    lower = upper = 1.0
    for jacobian in _matrices(jacobians):
        values = torch.linalg.svdvals(jacobian)
        upper *= values[0].item()
        lower *= values[-1].item() if jacobian.shape[0] <= jacobian.shape[1] else 0.0
    return lower, upper


def plain_growth(inside=1.0):
    """π / (π − q): by how much ‖gradient‖² grows, going back through one layer relu(batch_norm(conv(x))) — Eq. 6.10.

    For random weights, and pre-activations that the normalisation has made standard normal. At q = 1 it is 1.467, the rate of
    fully connected layers (Yang et al. 2019).
    inside: q, the share of a kernel's cells that lie on the image instead of its padding (``inside_share``)

    >>> round(plain_growth(), 3)
    1.467
    """
    require(0 <= inside <= 1, "inside", inside, "a share from 0 to 1")
    return math.pi / (math.pi - inside)


def branch_growth(second_moment, squared_mean, inside=1.0):
    """‖J_fᵀg‖² / ‖g‖² = π / (π − q) · 1 / (E[x²] − q·E[x]²), for f = norm(conv(relu(norm(conv(x))))) — Eq. 6.13.

    The larger the stream x, the less of the gradient comes through the branch: normalisation divides by x's deviation
    (De & Smith 2020).
    second_moment: the mean of x² over everything   squared_mean: each channel's mean of x, squared, averaged over the channels
    inside: q, as in ``plain_growth``

    >>> branch_growth(2.5, 0.5, inside=0.0)
    0.4
    """
    variance = second_moment - inside * squared_mean
    require(variance > 0, "second_moment", second_moment, f"more than inside · squared_mean = {inside * squared_mean:.4g}")
    return plain_growth(inside) / variance


def inside_share(size, kernel_size=3, stride=1, padding=1):
    """q = Σ q_uv² / Σ q_uv, with q_uv the share of the places at which cell (u, v) of a kernel lies on the image.

    The rest lies on the padding. The average weighs each cell with its own share: it is over the products that are not 0.
    size: of a square image   returns: float, 1 without padding

    >>> round(inside_share(4), 4)  # along an axis ¾, 1, ¾: (17/20)²
    0.7225
    """
    starts = range(-padding, size + padding - kernel_size + 1, stride)
    shares = [sum(0 <= start + cell < size for start in starts) / len(starts) for cell in range(kernel_size)]
    return (sum(share**2 for share in shares) / sum(shares)) ** 2  # rows and columns alike


def residual_jacobian(jacobian):
    """∂(x + f(x))/∂x = I + J: the Jacobian of a layer with a shortcut, J that of f — Eq. 6.11 (He, Zhang, Ren & Sun 2016).

    jacobian: (n, n)   returns: (n, n)

    >>> residual_jacobian(torch.tensor([[0.5, 1.0], [0.0, 0.5]]))
    tensor([[1.5000, 1.0000],
            [0.0000, 1.5000]])
    """
    square = jacobian.dim() == 2 and jacobian.shape[0] == jacobian.shape[1]
    require(square, "jacobian", shape(jacobian), "(n, n): the shortcut adds x to f(x), so they have one size")
    return torch.eye(len(jacobian), dtype=jacobian.dtype, device=jacobian.device) + jacobian


def residual_bounds(norms):
    """Π_l max(0, 1 − ‖J_l‖) ≤ ‖Jᵀg‖ / ‖g‖ ≤ Π_l (1 + ‖J_l‖), for a chain of layers x + f_l(x) — Eq. 6.12.

    norms: ‖J_l‖ = σ_max of each branch   returns: (lower, upper); a lower bound of 0 says nothing

    >>> residual_bounds([0.5, 0.5])
    (0.25, 2.25)
    """
    require(all(norm >= 0 for norm in norms), "norms", list(norms), "numbers ≥ 0: the largest singular value of each branch")
    return math.prod(max(0.0, 1 - norm) for norm in norms), math.prod(1 + norm for norm in norms)


def _matrices(jacobians):
    """The Jacobians as a list, each of which takes what the one before it gives."""
    found = list(jacobians)
    require(found, "jacobians", "none", "one matrix (n_l, n_{l−1}) for each layer")
    for number, jacobian in enumerate(found, start=1):
        require(jacobian.dim() == 2, f"jacobian {number}", shape(jacobian), "(n_l, n_{l−1})")
        if number > 1:
            before = found[number - 2].shape[0]
            require(jacobian.shape[1] == before, f"jacobian {number}", shape(jacobian), f"(n_l, {before}): what comes from below")
    return found
