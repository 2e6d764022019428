import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn import data
from mmlearn.data import world
from mmlearn.data.augment import affine_points, augment


def scene(n=0, **options):
    """Image, box, mask, present of one scene of the world."""
    scenes = world.sample(8, seed=0, **options)
    return {"image": scenes.image[n], "box": scenes.box[n], "mask": scenes.mask[n], "present": scenes.present[n]}


def tight(mask):
    """The boxes of masks, by NumPy's means."""
    boxes = []
    for each in mask:
        y, x = each.nonzero().unbind(1) if each.any() else (torch.tensor([0, -1]), torch.tensor([0, -1]))
        boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1] if each.any() else [0, 0, 0, 0])
    return torch.tensor(boxes).float()


def same(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name)) if getattr(one, name) is not None else getattr(other, name) is None
        for name in ("image", "box", "mask", "present")
    )


def test_nothing_asked_for_is_nothing_done():
    given_ = scene()
    done = augment(**given_, caption="a red circle", seed=0)
    assert torch.equal(done.image, given_["image"])
    assert torch.equal(done.box, given_["box"])
    assert torch.equal(done.mask, given_["mask"])
    assert (done.caption, done.applied, done.doubtful) == ("a red circle", {}, {})
    assert type(done.image) is type(done.box) is type(done.mask) is torch.Tensor


def test_a_flip_mirrors_image_masks_boxes_and_words_and_twice_is_nothing():
    given_ = scene(objects=3)
    once = augment(**given_, caption="a star on the left", seed=0, flip=1.0)
    assert torch.equal(once.image, given_["image"].flip(-1))
    assert torch.equal(once.mask, given_["mask"].flip(-1))
    assert torch.equal(once.box, tight(given_["mask"].flip(-1)))
    assert once.caption == "a star on the right"
    twice = augment(once.image, box=once.box, mask=once.mask, caption=once.caption, seed=1, flip=1.0)
    assert torch.equal(twice.image, given_["image"])
    assert torch.equal(twice.box, given_["box"])
    assert twice.caption == "a star on the left"


def test_a_flip_happens_with_its_probability():
    image, generator = torch.rand(1, 2, 2), torch.Generator().manual_seed(0)
    share = sum(augment(image, seed=generator, flip=0.3).applied["flip"] for _ in range(2000)) / 2000
    assert share == pytest.approx(0.3, abs=0.03)  # three standard errors
    assert not augment(image, seed=0, flip=0.0).applied


def test_a_crop_is_a_piece_of_the_image_and_boxes_move_with_it():
    given_ = scene(objects=4)
    done = augment(**given_, seed=3, crop=(40, 32))
    top, left, height, width = done.applied["crop"]
    assert (height, width) == (40, 32)
    assert torch.equal(done.image, given_["image"][:, top : top + 40, left : left + 32])
    shown = given_["mask"][:, top : top + 40, left : left + 32]
    share = shown.sum((1, 2)) / given_["mask"].sum((1, 2))
    assert torch.equal(done.present, share >= 0.25)
    assert torch.equal(done.mask, shown & done.present[:, None, None])
    assert torch.equal(done.box, tight(done.mask))


def test_every_place_of_a_crop_can_be_drawn():
    image, generator = torch.rand(1, 4, 5), torch.Generator().manual_seed(0)
    places = {augment(image, seed=generator, crop=3).applied["crop"][:2] for _ in range(200)}
    assert places == {(top, left) for top in range(2) for left in range(3)}


def test_what_a_crop_leaves_out_is_marked_absent_and_keeps_its_slot():
    box = torch.tensor([[0.0, 0, 4, 4], [12.0, 12, 16, 16], [6.0, 6, 10, 10]])
    image = torch.rand(3, 16, 16)
    for seed in range(20):
        done = augment(image, box=box, seed=seed, crop=8)
        top, left = done.applied["crop"][:2]
        moved = box - torch.tensor([left, top, left, top])
        cut = moved.clamp(0, 8)
        share = (cut[:, 2:] - cut[:, :2]).prod(1) / 16
        assert torch.equal(done.present, share >= 0.25)
        assert torch.equal(done.box, cut * (share >= 0.25)[:, None])
    absent = augment(image, box=box, present=torch.tensor([False, True, True]), seed=0, crop=16)
    assert absent.present.tolist() == [False, True, True]
    assert absent.box[0].tolist() == [0, 0, 0, 0]


def test_a_crop_that_keeps_the_caption_keeps_every_object():
    scenes = world.sample(30, seed=0, objects=(1, 2))
    for n, caption in enumerate(scenes.captions("inventory")):
        options = {"box": scenes.box[n], "mask": scenes.mask[n], "present": scenes.present[n], "caption": caption, "crop": 56}
        low, high = scenes.box[n, scenes.present[n], :2].amin(0), scenes.box[n, scenes.present[n], 2:].amax(0)
        if (high - low).max() > 56:
            with pytest.raises(ValueError, match="no window of 56 × 56 holds all"):
                augment(scenes.image[n], seed=n, **options)
            continue
        done = augment(scenes.image[n], seed=n, **options)
        assert torch.equal(done.present, scenes.present[n])
        assert torch.equal(done.mask.sum((1, 2)), scenes.mask[n].sum((1, 2)))
        assert done.caption == caption
    far = torch.tensor([[0.0, 0, 4, 4], [28.0, 28, 32, 32]])
    with pytest.raises(ValueError, match="no window of 20 × 20 holds all 2 objects"):
        augment(torch.rand(3, 32, 32), box=far, caption="two dogs", seed=0, crop=20)
    assert not augment(torch.rand(3, 32, 32), box=far, caption="two dogs", seed=0, crop=20, keeps=None).present.all()


def test_a_rotation_turns_image_and_masks_alike_and_boxes_are_tight_around_the_masks():
    given_ = scene(2, objects=2, texture=0.0, noise=0.0)
    marked = torch.cat([given_["mask"].any(0, keepdim=True)] * 3).float()
    done = augment(marked, mask=given_["mask"], box=given_["box"], seed=0, rotation=30)
    assert abs(done.applied["rotation"]) <= 30
    assert ((done.image[0] > 0.5) != done.mask.any(0)).float().mean() < 0.01
    assert torch.equal(done.box, tight(done.mask))
    torch.testing.assert_close(done.mask.sum((1, 2)).float(), given_["mask"].sum((1, 2)).float(), rtol=0.1, atol=3)


@pytest.mark.parametrize("angle", [90, -90, 180, 30])
def test_points_turn_as_torchvision_turns_the_corners_of_boxes(angle):
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional as tv

    H, W = 40, 60
    boxes = torch.tensor([[20.0, 15, 30, 22], [25.0, 10, 41, 30]])
    theirs = tv.rotate(tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(H, W), clamping_mode=None), angle)
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].view(2, 4, 2)
    turned = affine_points(corners, angle, centre=(W / 2, H / 2))
    enclosing = torch.cat([turned.amin(1), turned.amax(1)], dim=1)
    torch.testing.assert_close(enclosing, torch.as_tensor(theirs), atol=1e-3, rtol=0)


@settings(max_examples=30)
@given(st.floats(-180, 180), st.integers(-9, 9), st.integers(-9, 9))
def test_points_move_as_torchvision_moves_keypoints(angle, right, down):
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional as tv

    points, centre = torch.tensor([[220.0, 215], [230.0, 222], [227.0, 219]]), [225.0, 220.0]
    keypoints = tv_tensors.KeyPoints(points, canvas_size=(400, 600))
    theirs = tv.affine(keypoints, angle=-angle, translate=[right, down], scale=1.0, shear=[0.0], center=centre)  # clockwise
    torch.testing.assert_close(affine_points(points, angle, (right, down), centre), torch.as_tensor(theirs), atol=1e-2, rtol=0)


def test_points_turn_as_the_pixels_do():
    from torchvision.transforms.v2 import functional as tv

    image = torch.zeros(1, 9, 9)
    image[0, 2, 7] = 1  # the pixel's middle lies at (7.5, 2.5)
    turned = tv.rotate(image, 90)
    x, y = affine_points(torch.tensor([7.5, 2.5]), 90, centre=(4.5, 4.5)).tolist()
    assert turned[0, math.floor(y), math.floor(x)] == 1


def test_rotations_keep_distances_compose_and_can_be_undone():
    points = torch.randn(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned = affine_points(points, 40, centre=(3, 1))
    torch.testing.assert_close(torch.cdist(turned, turned), torch.cdist(points, points))
    torch.testing.assert_close(affine_points(turned, -40, centre=(3, 1)), points)
    torch.testing.assert_close(affine_points(affine_points(points, 20), 25), affine_points(points, 45))
    torch.testing.assert_close(affine_points(points, 0, translate=(2, -1)), points + torch.tensor([2.0, -1.0]))
    with pytest.raises(ValueError, match=r"points must be floats \(…, 2\)"):
        affine_points(torch.zeros(4, 3), 10)


def test_a_rotation_that_would_lose_an_object_is_left_out_and_said_to_be():
    box = torch.tensor([[0.0, 0, 2, 2]])  # in the corner: any larger turn pushes it out
    image = torch.rand(3, 16, 16)
    kept = [augment(image, box=box, caption="a dog", seed=seed, rotation=60) for seed in range(20)]
    assert all(done.present.all() for done in kept)
    left_out = [done for done in kept if done.applied["rotation"] == 0]
    assert 0 < len(left_out) < 20
    assert all(torch.equal(done.image, image) for done in left_out)
    free = [augment(image, box=box, caption="a dog", seed=seed, rotation=60, keeps=None) for seed in range(20)]
    assert not all(done.present.all() for done in free)


def test_colours_change_as_torchvision_changes_them_and_nothing_moves():
    from torchvision.transforms.v2 import functional as tv

    given_ = scene()
    for name in ("brightness", "contrast", "saturation", "hue"):
        done = augment(**given_, seed=5, **{name: 0.4})
        amount = done.applied[name]
        assert -0.4 <= amount <= 0.4 if name == "hue" else 0.6 <= amount <= 1.4
        torch.testing.assert_close(done.image, getattr(tv, f"adjust_{name}")(given_["image"], amount))
        assert not torch.allclose(done.image, given_["image"])
        assert torch.equal(done.box, given_["box"])
    grey = data.photo("camera", size=16)
    done = augment(grey, seed=0, brightness=0.5, contrast=0.5, saturation=0.5, hue=0.5)
    assert done.image.shape == (1, 16, 16)
    assert 0 <= done.image.min() < done.image.max() <= 1


def test_the_seed_alone_decides_and_the_global_generator_is_left_alone():
    options = {"crop": 48, "flip": 0.5, "rotation": 20, "brightness": 0.2, "hue": 0.1}
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = augment(**scene(), seed=7, **options)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = augment(**scene(), seed=7, **options), augment(**scene(), seed=8, **options)
    assert same(first, again)
    assert first.applied == again.applied != other.applied


def test_what_is_given_is_not_changed():
    given_ = scene()
    before = {name: value.clone() for name, value in given_.items()}
    augment(**given_, seed=0, crop=40, flip=1.0, rotation=40, hue=0.4)
    assert all(torch.equal(given_[name], before[name]) for name in before)


IMAGE, BOX = torch.rand(3, 16, 16), torch.tensor([[4.0, 4, 8, 8]])


@pytest.mark.parametrize(
    ("caption", "options", "says"),
    [
        ("a red ball", {"hue": 0.1}, "hue can make 'red' false: leave it out, or pass keeps=None"),
        ("a red ball", {"saturation": 0.5}, "saturation can make 'red' false"),
        ("a dark street", {"brightness": 0.5}, "brightness can make 'dark' false"),
        ("a ball at the top", {"crop": 12, "box": BOX}, "crop can make 'top' false"),
        ("a ball left of a cat", {"rotation": 5, "box": BOX}, "rotation can make 'left' false"),
        ("a square", {"rotation": 45, "box": BOX}, "large rotation can make 'square' false"),
        ("a dog", {"crop": 12}, "crop can push out of the picture what the caption names.*give box="),
        ("a dog", {"rotation": 10}, "rotation can push out"),
    ],
)
def test_what_could_make_the_caption_false_is_refused_or_said_to_be_doubtful(caption, options, says):
    with pytest.raises(ValueError, match=says):
        augment(IMAGE, caption=caption, seed=0, **options)
    done = augment(IMAGE, caption=caption, seed=0, keeps=None, **options)
    assert done.caption == caption
    assert done.doubtful or "push out" in says


def test_what_leaves_the_caption_true_is_done():
    augment(IMAGE, caption="a red ball", seed=0, brightness=0.2, contrast=0.2, flip=0.5)
    augment(IMAGE, caption="a square", box=BOX, seed=0, rotation=15)
    augment(IMAGE, caption="a ball left of a cat", box=BOX, seed=0, crop=12, hue=0.3)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"image": IMAGE[None]}, r"image must be \(3, H, W\).*got torch.float32 \(1, 3, 16, 16\)"),
        ({"image": (IMAGE * 255).byte()}, "got torch.uint8"),
        ({"box": torch.zeros(4)}, r"box must be \(K, 4\), xyxy in pixels; got \(4,\)"),
        (
            {"mask": torch.zeros(2, 8, 8, dtype=torch.bool)},
            r"mask must be \(K, 16, 16\) bool, as the image is; got torch.bool \(2, 8, 8\)",
        ),
        ({"mask": torch.zeros(2, 16, 16)}, "got torch.float32"),
        ({"box": BOX, "mask": torch.zeros(2, 16, 16, dtype=torch.bool)}, r"the same K objects; got \{'box': 1, 'mask': 2\}"),
        ({"present": torch.ones(2, dtype=torch.bool)}, "the same K objects"),
        ({"crop": 17}, "crop must be a size of at most the image's 16 × 16 pixels; got 17"),
        ({"crop": 0}, "crop must be a size"),
        ({"crop": (4, 4, 4)}, "crop must be a size"),
        ({"flip": 2}, r"flip must be a probability in \[0, 1\]; got 2"),
        ({"rotation": -5}, "rotation must be degrees from 0 to 180; got -5"),
        ({"hue": 0.7}, "hue must lie in 0 to 0.5; got 0.7"),
        ({"brightness": -0.1}, "brightness must lie in 0 to 1"),
        ({"keeps": "words"}, "keeps must be \"caption\" or None; got 'words'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        augment(**{"image": IMAGE, "seed": 0, **options})
