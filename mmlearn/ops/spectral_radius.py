"""The spectral radius of a recurrent weight: what n of its multiplications do to a vector in the end, for large n."""

import torch

from mmlearn.ops.arguments import check_floating, require, shape


def spectral_radius(matrix):
    """ρ(W) = max_i |λ_i|, the largest absolute value of an eigenvalue; ‖Wⁿ‖^(1/n) → ρ(W) (Gelfand 1941).

    matrix: (H, H)   returns: shape ()

    >>> spectral_radius(torch.tensor([[0.5, 7.0], [0.0, -0.25]]))
    tensor(0.5000)
    """
    _check_square(matrix)
    return torch.linalg.eigvals(matrix).abs().max()


def with_spectral_radius(matrix, radius):
    """The matrix, scaled so that its spectral radius is the given one.   matrix: (H, H)   radius: ≥ 0   returns: (H, H)

    Raises ValueError where the radius is less than 10⁻⁷ of the matrix's norm: the eigenvalues are 0 up to rounding.

    >>> with_spectral_radius(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), 0.5)
    tensor([[0.5000, 0.2500],
            [0.0000, 0.2500]])
    """
    found = spectral_radius(matrix).item()
    require(radius >= 0, "radius", radius, "a number ≥ 0")
    expected = "a matrix with an eigenvalue that is not 0; a nilpotent one keeps its radius 0 whatever the factor"
    require(found > 1e-7 * torch.linalg.matrix_norm(matrix, 2).item(), "matrix", f"spectral radius {found:.1g}", expected)
    return matrix * (radius / found)


def _check_square(matrix):
    check_floating(matrix, "matrix", (2,), "(H, H)")
    good = matrix.shape[0] == matrix.shape[1] >= 1
    require(good, "matrix", shape(matrix), "(H, H) with H ≥ 1")
