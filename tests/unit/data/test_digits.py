import pytest
import torch

from mmlearn import data


def test_every_digit_of_the_file_is_in_exactly_one_part():
    from sklearn.datasets import load_digits

    splits = data.digits()
    images = torch.cat([part.images for part in (splits.train, splits.validation, splits.test)])
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == torch.float32
    original = torch.from_numpy(load_digits().data).float() / 16
    key = torch.rand(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)  # one number for each image
    assert torch.allclose((images.flatten(1).double() @ key).sort().values, (original.double() @ key).sort().values)


def test_parts_are_sixty_twenty_twenty_and_each_class_keeps_its_share():
    splits = data.digits(seed=1)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1079, 359, 359)
    shares = [part.labels.bincount(minlength=10) / len(part) for part in (splits.train, splits.validation, splits.test)]
    assert max((shares[0] - share).abs().max() for share in shares) < 0.005
    assert splits.classes == tuple("0123456789")
    assert splits.train.labels.dtype == torch.int64


def test_the_split_follows_from_the_seed():
    first, again, other = data.digits(0), data.digits(0), data.digits(1)
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.test.labels, again.test.labels)
    assert not torch.equal(first.test.images, other.test.images)


def test_digits_can_be_enlarged_but_not_shrunk():
    small, large = data.digits(), data.digits(size=16)
    assert large.train.images.shape == (1079, 1, 16, 16)
    assert large.train.images.min() >= 0
    assert large.train.images.max() <= 1
    assert torch.equal(small.train.labels, large.train.labels)
    means = [part.train.images.mean(dim=(1, 2, 3)) for part in (small, large)]
    assert torch.corrcoef(torch.stack(means))[0, 1] > 0.99
    with pytest.raises(ValueError, match="at least the 8 of the file; got 7"):
        data.digits(size=7)
