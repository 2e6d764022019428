import numpy as np
import pytest
import torch

from mmlearn import data
from mmlearn.data.normalise import restore, standardise, statistics


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_table_is_standardised_as_scikit_learn_does_it():
    from sklearn.preprocessing import StandardScaler

    train, test = numbers(200, 5) * torch.tensor([1, 10, 0.01, 0, 3]) + torch.tensor([0, 1e4, 0, 0.1, -5]), numbers(40, 5, seed=1)
    scaler = StandardScaler().fit(train.double().numpy())
    found = statistics(train, dims=0)
    np.testing.assert_allclose(found.mean, scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(found.std, np.sqrt(scaler.var_), rtol=1e-6, atol=1e-12)
    expected = scaler.transform(test.double().numpy())
    np.testing.assert_allclose(standardise(test, found.mean, found.std), expected, rtol=1e-3, atol=1e-4)
    assert found.count.tolist() == [200] * 5


def test_images_get_one_mean_for_each_channel_that_fits_one_image_and_a_batch():
    images = torch.rand(6, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    found = statistics(images, dims=(0, 2, 3))
    assert found.mean.shape == found.std.shape == found.count.shape == (3, 1, 1)
    torch.testing.assert_close(found.mean.flatten(), images.mean((0, 2, 3)))
    torch.testing.assert_close(found.std.flatten(), images.std((0, 2, 3), correction=0))
    z = standardise(images, found.mean, found.std)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3), correction=0), torch.ones(3))
    assert torch.equal(standardise(images[2], found.mean, found.std), z[2])
    torch.testing.assert_close(restore(z, found.mean, found.std), images)


def test_padding_counts_for_nothing():
    lengths = torch.tensor([5, 2, 7])
    mask = torch.arange(7) < lengths[:, None]  # (3, 7)
    sequences = numbers(3, 7, 4)
    real = sequences[mask]
    padded = sequences.masked_fill(~mask[..., None], float("nan"))  # whatever stands there
    found = statistics(padded, dims=(0, 1), mask=mask)
    torch.testing.assert_close(found.mean, real.mean(0))
    torch.testing.assert_close(found.std, real.std(0, correction=0))
    assert found.count.tolist() == [14] * 4


def test_what_never_varies_has_a_spread_of_exactly_zero_and_becomes_zero():
    x = torch.full((1000, 1), 0.1)
    found = statistics(x, dims=0)
    assert found.std.tolist() == [0]
    assert standardise(x, found.mean, found.std).abs().max() == 0
    assert standardise(torch.tensor([[1.1]]), found.mean, found.std).item() == pytest.approx(1.0)


def test_large_numbers_keep_their_small_spread():
    x = (1e6 + torch.arange(1000.0) % 2).unsqueeze(1)
    assert statistics(x, dims=0).std.item() == pytest.approx(0.5, rel=1e-6)


def test_statistics_of_the_training_part_leave_the_test_part_off_centre():
    splits = data.digits()
    found = statistics(splits.train.images, dims=(0, 2, 3))
    assert abs(standardise(splits.train.images, found.mean, found.std).mean()) < 1e-6
    assert abs(standardise(splits.test.images, found.mean, found.std).mean()) > 1e-4


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((torch.tensor([[1.0], [float("nan")]]), 0), ValueError, "1 of 2 numbers are NaN or infinite"),
        ((torch.tensor([[1.0], [float("inf")]]), 0), ValueError, "clean_readings"),
        ((torch.zeros(3, 2, dtype=torch.uint8), 0), TypeError, "got torch.uint8.*to_float"),
        ((torch.zeros(0, 2), 0), ValueError, r"no number to take the mean of.*got \(0, 2\)"),
        ((torch.zeros(2, 0), 0), ValueError, "no number to take the mean of"),
        ((torch.zeros(3, 2), 2), ValueError, r"axes of a tensor with 2, 0 to 1.*got \(2,\)"),
        ((torch.zeros(3, 2), ()), ValueError, "at least one"),
        ((torch.zeros(3, 2), 0, torch.zeros(3, dtype=torch.bool)), ValueError, "no number"),
        ((torch.zeros(3, 2), 0, torch.ones(3)), TypeError, "mask must be bool.*got torch.float32"),
        ((torch.zeros(3, 2), 0, torch.ones(4, dtype=torch.bool)), ValueError, r"first axes of \(3, 2\); got \(4,\)"),
    ],
)
def test_data_without_statistics_are_refused(arguments, error, says):
    with pytest.raises(error, match=says):
        statistics(*arguments)
