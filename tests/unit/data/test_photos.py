from importlib.resources import files

import numpy as np
import pytest
import torch

from mmlearn import data


@pytest.mark.parametrize("name", data.PHOTOS)
def test_every_photograph_is_in_the_installed_package_with_its_licence(name):
    assert (files("skimage") / "data" / data.PHOTOS[name].file).is_file()
    assert data.PHOTOS[name].licence
    image = data.photo(name, size=32)
    assert image.shape in {(3, 32, 32), (1, 32, 32)}
    assert image.dtype == torch.float32
    assert 0 <= image.min() < image.max() <= 1
    assert data.photo(name, size=32, grey=True).shape == (1, 32, 32)
    assert ("colour" in data.PHOTOS[name].shows) == (len(image) == 3)


def test_a_whole_photograph_has_the_pixels_of_the_file():
    from skimage import data as skimage_data

    assert np.array_equal((data.photo("coffee") * 255).round().byte().permute(1, 2, 0).numpy(), skimage_data.coffee())
    assert np.array_equal((data.photo("camera")[0] * 255).round().byte().numpy(), skimage_data.camera())
    assert ((data.photo("horse")[0] > 0.5).numpy() == skimage_data.horse()).mean() > 0.99


def test_shrinking_averages_instead_of_skipping_pixels():
    whole = data.photo("camera")
    small = data.photo("camera", size=64)
    averages = torch.nn.functional.avg_pool2d(whole, 8)
    skipped = whole[:, ::8, ::8]
    assert (small - averages).abs().mean() < 0.25 * (skipped - averages).abs().mean()


def test_the_square_is_cut_from_the_centre():
    whole = data.photo("chelsea")  # (3, 300, 451)
    assert torch.allclose(data.photo("chelsea", size=300), whole[:, :, 75:375], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "near"), [("astronot", "astronaut"), ("cat", "chelsea"), ("Camera", "camera"), ("zzz", "coins")]
)
def test_an_unknown_name_gets_the_nearest_ones(name, near):
    with pytest.raises(ValueError, match=f"no photograph is called '{name}'.*{near}"):
        data.photo(name)


@pytest.mark.parametrize("size", [0, -3, 2.5, "64"])
def test_a_size_that_is_no_number_of_pixels_is_refused(size):
    with pytest.raises(ValueError, match="size must be a whole number of pixels"):
        data.photo("camera", size=size)
