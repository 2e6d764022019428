import zlib

import numpy as np
import pytest
import torch
from scipy import stats

from mmlearn.data.world.chance import SPLITS, Chance


def test_a_scene_draws_the_same_numbers_alone_and_among_thousands():
    among = Chance(3, "test", range(5000))
    for scene in (0, 1, 4999):
        alone = Chance(3, "test", [scene])
        assert torch.equal(alone.uniform("x", 2, 3)[0], among.uniform("x", 2, 3)[scene])
        assert torch.equal(alone.ranks("order", 6)[0], among.ranks("order", 6)[scene])
        assert torch.equal(alone.integers("shape", 8, 4)[0], among.integers("shape", 8, 4)[scene])


def test_the_bits_are_those_of_exact_arithmetic():
    """Python's whole numbers do not overflow; the formula is written down once more with them."""

    def mix(z):
        z = (z + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    keys = [mix((mix(7) + scene + 2**40) % 2**64) for scene in (0, 123456789)]
    expected = [[mix(key ^ mix((place << 32) + zlib.crc32(b"x"))) for place in range(3)] for key in keys]
    chance = Chance(7, "validation", [0, 123456789])
    assert chance.bits("x", 3).tolist() == expected
    assert chance.uniform("x", 3).tolist() == [[(value >> 40) / 2**24 for value in row] for row in expected]


def test_scenes_of_different_splits_and_seeds_share_no_number():
    drawn = [Chance(seed, split, range(2000)).bits("x", 2) for seed in (0, 1) for split in SPLITS]
    assert len(np.unique(drawn)) == np.size(drawn)


def test_bits_are_fair_coins_and_independent_of_scene_position_and_purpose():
    chance = Chance(0, "train", range(4000))
    bits = np.unpackbits(chance.bits("x", 4).view(np.uint8)).reshape(4000, -1)
    heads = bits.sum()
    assert stats.binomtest(int(heads), bits.size).pvalue > 1e-3
    columns = stats.zscore(bits.astype(float), axis=0)  # (scenes, bits)
    correlation = columns.T @ columns / len(columns)
    assert abs(correlation - np.eye(len(correlation))).max() < 5.5 / np.sqrt(len(columns))
    other = stats.zscore(chance.uniform("y", 4).numpy(), axis=0)
    values = stats.zscore(chance.uniform("x", 4).numpy(), axis=0)
    assert abs(values.T @ other / len(values)).max() < 4.5 / np.sqrt(len(values))
    assert abs((values[1:] * values[:-1]).mean(0)).max() < 4.5 / np.sqrt(len(values))


def test_uniform_numbers_are_uniform():
    drawn = Chance(5, "train", range(5000)).uniform("x", 4)
    assert drawn.dtype == torch.float32
    assert 0 <= drawn.min() <= drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3


def test_integers_and_permutations_are_uniform():
    chance = Chance(2, "validation", range(6000))
    counts = chance.integers("shape", 7, 3).flatten().bincount(minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 1e-3
    ranks = chance.ranks("order", 3)
    assert (ranks.sort(dim=1).values == torch.arange(3)).all()
    orders = (ranks * torch.tensor([9, 3, 1])).sum(1).unique(return_counts=True)[1]
    assert len(orders) == 6
    assert stats.chisquare(orders).pvalue > 1e-3


def test_no_scenes_draw_no_numbers():
    nothing = Chance(0, "train", [])
    assert nothing.uniform("x", 3, 2).shape == (0, 3, 2)
    assert nothing.ranks("x", 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((-1, "train", [0]), "seed must be a whole number, at least 0; got -1"),
        ((0.5, "train", [0]), "seed must be a whole number, at least 0; got 0.5"),
        ((0, "valid", [0]), "split must be one of train, validation, test; got 'valid'"),
        ((0, "train", [-1]), "scenes are numbered from 0"),
        ((0, "train", [2**40]), "scenes are numbered from 0 to 1,099,511,627,775"),
        ((0, "train", [0.5]), "index must be .* whole numbers; got float64"),
        ((0, "train", [[0]]), r"index must be \(N,\)"),
    ],
)
def test_what_names_no_scene_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        Chance(*arguments)
