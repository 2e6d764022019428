"""Subspaces of the data: its principal axes, what they leave out, and the angles between one subspace and another."""

import torch

from mmlearn.ops.arguments import check_floating, check_whole, require, shape


def principal_axes(x):
    """The mean of the rows, the variances along the principal axes, largest first, and the axes (Pearson 1901, Hotelling 1933).

    x: (N, D)   returns: mean (D,), variances λ (min(N, D),) with 1/N in front, axes (min(N, D), D), one in each row, orthonormal
    An axis is determined up to its sign, and where two variances are equal, up to a rotation of the two.

    >>> mean, variances, axes = principal_axes(torch.tensor([[0.0, 1.0], [4.0, 1.0], [2.0, 0.0], [2.0, 2.0]]))
    >>> mean.tolist(), [round(v, 3) for v in variances.tolist()], axes[0].abs().round().tolist()
    ([2.0, 1.0], [2.0, 0.5], [1.0, 0.0])
    """
    check_floating(x, "x", (2,), "(N, D)")
    require(len(x) > 0, "x", shape(x), "at least one row")
    mean = x.mean(0)  # (D,)
    _, s, axes = torch.linalg.svd(x - mean, full_matrices=False)  # (min(N, D),), (min(N, D), D)
    return mean, s.square() / len(x), axes


def least_error(variances, k):
    """min 1/N Σₙ‖x̂ₙ − xₙ‖² = Σ_{i>k} λᵢ over all x̂ in a subspace of dimension k — Eq. 11.6 (Eckart & Young 1936).

    variances: λ (D,), in any order   k: numbers in the code, 0 … D   returns: ()

    >>> least_error(torch.tensor([5.0, 2.0, 1.0]), 1)
    tensor(3.)
    """
    check_floating(variances, "variances", (1,), "(D,)")
    check_whole(k, "k", minimum=0)
    require(k <= len(variances), "k", k, f"at most the {len(variances)} variances")
    return variances.sort(descending=True).values[k:].sum()


def principal_angles(a, b):
    """sin θᵢ = the singular values of (I − QₐQₐᵀ) Q_b, with orthonormal bases Q of both — Eq. 11.7 (Björck & Golub 1973).

    a, b: (D, k), k independent columns that span a subspace each   returns: (k,) in radians, 0 … π/2, largest first
    Cosines, the singular values of QₐᵀQ_b, say the same; but the cosine of 1e-8 is rounded to 1. From 45° on they take over, as
    sines are flat near 90°.

    >>> a = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> b = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> [round(angle, 4) for angle in principal_angles(a, b).rad2deg().tolist()]
    [45.0, 0.0]
    """
    for name, columns in {"a": a, "b": b}.items():
        check_floating(columns, name, (2,), "(D, k)")
        require(0 < columns.shape[1] <= columns.shape[0], name, shape(columns), "(D, k) with 1 ≤ k ≤ D")
    require(a.shape == b.shape, "b", shape(b), f"a's shape {tuple(a.shape)}")
    qa, qb = _basis(a, "a"), _basis(b, "b")  # (D, k)
    inner = qa.mT @ qb  # (k, k)
    cosines = torch.linalg.svdvals(inner).flip(0).clamp(max=1)  # smallest first: the largest angle
    sines = torch.linalg.svdvals(qb - qa @ inner).clamp(max=1)  # largest first
    return torch.where(sines.square() < 0.5, torch.asin(sines), torch.acos(cosines))


def rotated_loss(variances, kept, leaves, enters, theta):
    """L(θ) = Σ_{i∉𝒦} λᵢ − (λ_b − λ_a)·sin²θ: axis a of the code turns towards b — Eq. 11.8 (Baldi & Hornik 1989).

    variances: λ (D,)   kept: 𝒦, the numbers of the axes in the code   leaves: a in 𝒦   enters: b not in 𝒦   theta: (…) radians
    returns: (…), the loss of the projection on the kept axes, of which a is replaced by cos θ · a + sin θ · b

    >>> rotated_loss(torch.tensor([5.0, 2.0, 1.0]), [1], leaves=1, enters=0, theta=torch.tensor([0.0, torch.pi / 2]))
    tensor([6., 3.])
    """
    check_floating(variances, "variances", (1,), "(D,)")
    kept = set(kept)
    require(kept <= set(range(len(variances))), "kept", sorted(kept), f"numbers of axes, 0 to {len(variances) - 1}")
    require(leaves in kept, "leaves", leaves, f"one of the kept axes {sorted(kept)}")
    require(enters in set(range(len(variances))) - kept, "enters", enters, f"an axis that is not kept, {sorted(kept)} are")
    left_out = variances.sum() - variances[sorted(kept)].sum()
    return left_out - (variances[enters] - variances[leaves]) * torch.sin(theta).square()


def power_iteration_bound(variances, k, steps, angle):
    """tan θₜ ≤ (λ_{k+1}/λ_k)ᵗ · tan θ₀: the largest angle after t rounds — Eq. 11.9 (Golub & Van Loan 2013).

    A round solves the linear autoencoder for its decoder, then for its encoder; that multiplies the subspace by the covariance.

    variances: λ (D,)   k: numbers in the code, 1 … D − 1   steps: t ≥ 0   angle: θ₀ in radians, less than π/2
    returns: the bound on θₜ in radians, a float

    >>> round(power_iteration_bound(torch.tensor([4.0, 1.0]), 1, steps=2, angle=torch.pi / 4), 4)  # tan is 1/16
    0.0624
    """
    check_floating(variances, "variances", (1,), "(D,)")
    check_whole(k, "k")
    require(k < len(variances), "k", k, f"less than the {len(variances)} variances")
    check_whole(steps, "steps", minimum=0)
    require(0 <= angle < torch.pi / 2, "angle", angle, "radians from 0 to less than π/2")
    ordered = variances.double().sort(descending=True).values
    ratio = ordered[k] / ordered[k - 1]
    return torch.atan(ratio**steps * torch.tan(torch.tensor(angle, dtype=torch.float64))).item()


def _basis(columns, name):
    """Orthonormal columns (D, k) of the same span; refused where the columns are not independent."""
    q, r = torch.linalg.qr(columns)
    on_the_way = r.diagonal().abs()
    tiny = torch.finfo(columns.dtype).eps * max(columns.shape) * on_the_way.max()
    found = int((on_the_way > tiny).sum())
    require(
        found == columns.shape[1], name, f"columns of which {found} are independent", f"{columns.shape[1]} independent columns"
    )
    return q
