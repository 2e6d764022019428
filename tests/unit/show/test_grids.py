import numpy as np
import pytest
import torch

from mmlearn import show

ALT = "Random grey squares."


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(1, 1, 8, 8),
        torch.rand(7, 3, 10, 6),
        torch.rand(3, 8, 8),
        torch.rand(8, 8),
        torch.zeros(2, 1, 4, 4),
        torch.randn(2, 1, 4, 4),
        torch.rand(2, 1, 4, 4) * 9,
        torch.randint(0, 256, (2, 3, 5, 5), dtype=torch.uint8),
        [torch.rand(1, 8, 8), torch.rand(1, 8, 8)],
        torch.rand(1, 1, 1, 1),
        torch.rand(2, 1, 900, 1200),
        torch.rand(2, 1, 6, 6, requires_grad=True),
        torch.rand(2, 1, 6, 6, dtype=torch.bfloat16),
        np.random.default_rng(0).random((2, 1, 5, 4)),
    ],
    ids=lambda tensor: f"{len(tensor)} of {tuple(tensor[0].shape)}",
)
def test_images_of_every_allowed_form_are_shown(tensor, published):
    show.images(tensor, alt=ALT)
    assert f'<img alt="{ALT}"' in published[0]["text/html"]


def test_a_grey_image_comes_out_with_its_values(published, pixels):
    show.images(torch.tensor([[0.0, 1.0], [0.2, 0.6]]), alt=ALT)
    picture = pixels(published[0]["text/html"])
    middle = picture[picture.shape[0] // 2 - 40, picture.shape[1] // 2 - 40]
    assert (middle < 10).all()
    assert {51, 153} <= {int(value) for value in np.unique(picture[..., 0])} | {
        int(v) + d for v in np.unique(picture[..., 0]) for d in (-1, 1)
    }


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.rand(2, 8, 8, 3), "permute"),
        (torch.rand(5, 8, 8), r"images\[:, None\]"),
        (torch.rand(2, 3, 8, 8) * 255, "divide by 255"),
        (torch.full((1, 8, 8), float("nan")), "64 NaN or infinite values of 64"),
        (torch.rand(0, 1, 8, 8), "at least one"),
        ([torch.rand(1, 8, 8), torch.rand(1, 9, 8)], "one size"),
        ("photo.png", "numbers"),
    ],
)
def test_images_that_cannot_be_shown_are_named(tensor, message):
    with pytest.raises(ValueError, match=message):
        show.images(tensor, alt=ALT)


def test_titles_must_match_the_images():
    with pytest.raises(ValueError, match="1 titles for 2 pictures"):
        show.images(torch.rand(2, 1, 8, 8), titles=["one"], alt=ALT)


@pytest.mark.parametrize("function", [show.images, show.kernels, show.feature_maps])
def test_alt_is_required(function):
    with pytest.raises(TypeError, match="alt"):
        function(torch.rand(3, 8, 8))
    with pytest.raises(ValueError, match="alt must say"):
        function(torch.rand(3, 8, 8), alt="")


@pytest.mark.parametrize(
    "shape", [(3, 3), (6, 5, 5), (6, 1, 5, 5), (16, 6, 5, 5), (4, 3, 3, 3), (1, 1, 1, 1), (8, 1, 11, 11), (2, 5, 2, 7)]
)
def test_kernels_of_every_shape_are_shown_no_wider_than_asked(shape, published, pixels):
    show.kernels(torch.randn(shape), alt=ALT)
    assert pixels(published[0]["text/html"]).shape[1] <= 2 * 700


def test_kernels_that_are_all_zero_are_shown(published):
    show.kernels(torch.zeros(3, 3), alt=ALT)
    assert published


def test_too_many_kernels_are_refused_with_a_way_out():
    with pytest.raises(ValueError, match="weight\\[:16, :16\\]"):
        show.kernels(torch.rand(64, 32, 3, 3), alt=ALT)


@pytest.mark.parametrize("maps", [torch.rand(6, 28, 28), torch.randn(1, 16, 10, 10), torch.zeros(1, 4, 4), torch.rand(120, 2, 2)])
def test_feature_maps_are_shown(maps, published):
    show.feature_maps(maps, alt=ALT)
    assert published


def test_feature_maps_of_a_batch_ask_for_one_image():
    with pytest.raises(ValueError, match=r"activations\[0\]"):
        show.feature_maps(torch.rand(2, 6, 8, 8), alt=ALT)


def test_nan_in_weights_is_named():
    with pytest.raises(ValueError, match="weight holds 1 NaN"):
        show.kernels(torch.tensor([[1.0, float("nan")]]), alt=ALT)
