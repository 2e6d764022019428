import pytest
import torch

from mmlearn.models.vit import ViT, patchify, unpatchify


def build(**options):
    torch.manual_seed(0)
    return ViT(**{"image_size": 8, "channels": 3, "classes": 5, "features": 8, "heads": 2, "layers": 2, **options}).double()


@pytest.mark.parametrize(("size", "patch", "channels"), [((8, 8), 4, 3), ((6, 9), 3, 1), ((4, 4), 1, 2), ((4, 4), 4, 2)])
def test_patches_are_those_of_unfold_and_come_back(size, patch, channels):
    images = torch.rand(2, channels, *size)
    patches = patchify(images, patch)
    expected = torch.nn.functional.unfold(images, patch, stride=patch).mT
    assert torch.equal(patches, expected)
    assert torch.equal(unpatchify(patches, channels, size), images)


def test_embedding_patches_is_a_convolution_whose_stride_is_its_kernel():
    model, images = build(patch=4), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    weight = model.projection.weight.unflatten(1, (3, 4, 4))
    expected = torch.nn.functional.conv2d(images, weight, model.projection.bias, stride=4).flatten(2).mT
    embedded = model._embedded(images) - model.places
    torch.testing.assert_close(embedded[:, 1:], expected)
    assert not embedded[:, 0].any()


def test_moving_patches_and_their_places_together_changes_nothing(F):
    model, order = build(F=F), torch.tensor([2, 0, 3, 1])
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    moved = unpatchify(patchify(images, 4)[:, order], 3, (8, 8))
    expected = model(images)
    assert not torch.allclose(model(moved), expected, atol=1e-8)
    model.places.data[:, 1:] = model.places.data[:, 1:][:, order]
    torch.testing.assert_close(model(moved), expected)


@pytest.mark.parametrize(("pool", "tokens"), [("class", 5), ("mean", 4)])
def test_shapes_with_and_without_a_class_token(pool, tokens):
    model, images = build(pool=pool), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    assert model(images).shape == (2, 5)
    assert model.features(images).shape == (2, 8)
    assert model.sequence(images).shape == (2, 4, 8)
    maps = model.attention_maps(images)
    assert maps.shape == (2, 2, 2, tokens, tokens)
    torch.testing.assert_close(maps.sum(-1), torch.ones_like(maps[..., 0]))
    if pool == "mean":
        torch.testing.assert_close(model.features(images), model.sequence(images).mean(1))
    else:
        assert maps[..., 0, 1:].unflatten(-1, model.grid).shape == (2, 2, 2, 2, 2)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: build(patch=3), "patch: expected a divisor of image_size=8; 2 is near; got 3"),
        (lambda: build(heads=3), "a divisor of the 8 features"),
        (lambda: build(pool="max"), "'class' or 'mean'; got 'max'"),
        (lambda: build()(torch.rand(2, 1, 8, 8)), "channels=1"),
        (lambda: build()(torch.rand(2, 3, 16, 16)), "image_size=16"),
        (lambda: patchify(torch.rand(1, 1, 8, 6), 4), "both sides of the 8 × 6 images; got 4"),
        (lambda: patchify(torch.rand(8, 8), 4), r"\(N, C, H, W\)"),
        (lambda: unpatchify(torch.rand(1, 4, 12), 3, (8, 8)), "fill 8 × 8 pixels"),
        (lambda: unpatchify(torch.rand(1, 4, 13), 3, (4, 4)), "3 channels"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
