import numpy as np
import pytest
import torch
from scipy import stats

from mmlearn.data.world.background import OCTAVES, grain, grids, texture
from mmlearn.data.world.chance import Chance


@pytest.fixture(scope="module")
def keys():
    return Chance(0, "train", range(400)).bits("grain", 1)[:, 0].astype(np.uint32)


def test_grain_is_nearly_gaussian_with_mean_zero_and_standard_deviation_one(keys):
    values = grain(keys, 16).double()
    assert values.mean().abs() < 4 / values.numel() ** 0.5
    assert values.std() == pytest.approx(1, abs=0.005)
    assert stats.kstest(values.flatten()[:2000].numpy(), "norm").pvalue > 1e-3
    assert stats.skew(values.flatten()) == pytest.approx(0, abs=0.02)
    assert stats.kurtosis(values.flatten()) == pytest.approx(-1.2 / 4, abs=0.02)  # a quarter of the uniform distribution's


def test_grain_is_independent_between_scenes_channels_and_neighbours(keys):
    values = grain(keys, 16)
    flat = values.flatten(1)
    between_scenes = flat @ flat.T / flat.shape[1]
    assert (between_scenes - torch.eye(len(keys))).abs().max() < 0.25  # 768 values each: 0.036 times 5.5, and the diagonal's own
    between_places = flat.T @ flat / len(keys)
    assert (between_places - torch.eye(flat.shape[1])).abs().max() < 0.35  # 400 scenes each: 0.05 times 5.5
    expected = 4.5 / values.numel() ** 0.5
    assert (values[:, 0] * values[:, 1]).mean().abs() < 2 * expected
    assert (values[..., 1:] * values[..., :-1]).mean().abs() < expected
    assert (values[:, :, 1:] * values[:, :, :-1]).mean().abs() < expected


def test_grain_depends_on_the_scene_and_the_place_alone(keys):
    together = grain(keys, 24)
    for scene in (0, 7, 399):
        assert torch.equal(grain(keys[scene : scene + 1], 24)[0], together[scene])
    assert not torch.equal(together[0], together[1])


def test_texture_is_the_eased_interpolation_of_its_grids():
    """Computed once more, pixel by pixel, in the way one would write it down."""
    drawn = grids(Chance(1, "test", range(2)))
    smooth, size = texture(drawn, 20), 20

    def ease(t):
        return 3 * t**2 - 2 * t**3

    for n, row, column in ((0, 0, 0), (0, 7, 13), (1, 19, 19), (1, 10, 2)):
        total = 0
        for grid, (cells, share) in zip(drawn, OCTAVES.items(), strict=True):
            y, x = (row + 0.5) * cells / size, (column + 0.5) * cells / size
            for i in (int(y), int(y) + 1):
                for j in (int(x), int(x) + 1):
                    total += share * ease(1 - abs(y - i)) * ease(1 - abs(x - j)) * grid[n, i, j].item()
        assert smooth[n, row, column].item() == pytest.approx(total, abs=1e-6)


def test_texture_fills_its_range_and_is_the_same_at_every_resolution():
    drawn = grids(Chance(0, "train", range(200)))
    fine, coarse = texture(drawn, 128), texture(drawn, 64)
    assert -1 <= fine.min() < -0.8
    assert 0.8 < fine.max() <= 1
    assert fine.mean().abs() < 0.02
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(fine, 2), coarse, atol=0.01, rtol=0)
