"""The spectral radius: below every norm, and what powers of the matrix grow by in the end."""

import pytest
import torch

from mmlearn.ops.spectral_radius import spectral_radius, with_spectral_radius


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("seed", range(5))
def test_the_radius_is_below_the_norm_and_above_the_powers_rate_in_the_end(seed):
    matrix = randn(6, 6, seed=seed)
    radius, norm = spectral_radius(matrix), torch.linalg.matrix_norm(matrix, 2)
    assert radius <= norm
    power = torch.linalg.matrix_power(matrix / radius, 200)  # its own radius is 1
    assert torch.linalg.matrix_norm(power, 2) ** (1 / 200) == pytest.approx(1, abs=0.03)


def test_a_rotation_has_radius_one_though_no_eigenvalue_is_real():
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    assert spectral_radius(turn).item() == pytest.approx(1)


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.7])
def test_scaling_gives_the_radius_that_was_asked_for(radius):
    matrix = randn(9, 9)
    scaled = with_spectral_radius(matrix, radius)
    assert spectral_radius(scaled).item() == pytest.approx(radius)
    if radius:
        torch.testing.assert_close(scaled / scaled[0, 0], matrix / matrix[0, 0])


def test_a_nilpotent_matrix_cannot_be_scaled_and_wrong_arguments_are_named():
    for nilpotent in ([[0.0, 1.0], [0.0, 0.0]], [[3.0, -3.0], [3.0, -3.0]]):
        with pytest.raises(ValueError, match="matrix: expected a matrix with an eigenvalue that is not 0"):
            with_spectral_radius(torch.tensor(nilpotent, dtype=torch.float64), 1.0)
    with pytest.raises(ValueError, match="radius: expected a number ≥ 0; got -1"):
        with_spectral_radius(torch.eye(2), -1)
    with pytest.raises(ValueError, match=r"matrix: expected \(H, H\) with H ≥ 1; got shape \(2, 3\)"):
        spectral_radius(torch.zeros(2, 3))
