import math
from dataclasses import replace

import pytest
import torch

from mmlearn.data import world
from mmlearn.data.world import COLOURS, SHAPES, SIZES, render
from mmlearn.data.world.outlines import CROSS, DIAMOND, RING, SQUARE, STAR, TRIANGLE

LARGE = list(SIZES).index("large")
SIDE = 2 * (2 - math.sqrt(2))  # of the square in the heart
AREA = {  # in units of the radius squared
    "circle": math.pi,
    "square": 4 * SQUARE**2,
    "triangle": 1 + TRIANGLE,
    "diamond": 2 * DIAMOND,
    "cross": 8 * CROSS - 4 * CROSS**2,
    "star": 5 * STAR * math.sin(math.radians(36)) / math.cos(math.radians(18)) ** 2,
    "ring": math.pi * (1 - RING**2),
    "heart": SIDE**2 + math.pi * (SIDE / 2) ** 2,
}


def place(*objects, resolution=256, index=(0,), **options):
    """One scene with objects (shape, colour, size, x, y), the nearest first; without noise and texture unless asked for."""
    names, colours, sizes, x, y = zip(*objects, strict=True)
    numbers = {
        "shape": [[SHAPES.index(name) for name in names]],
        "colour": [[list(COLOURS).index(name) for name in colours]],
        "size": [[list(SIZES).index(name) for name in sizes]],
        "depth": [list(range(len(objects)))],
    }
    options = {"seed": 0, "index": list(index), "noise": 0, "texture": 0} | options
    return world.compose(**numbers, x=[list(x)], y=[list(y)], resolution=resolution, **options)


def of_every_shape(resolution, count=4):
    """count scenes of each shape, one large object in each, white, at changing places: index = shape · count + …"""
    shape = torch.arange(len(SHAPES)).repeat_interleave(count)[:, None]
    colour, size = torch.full_like(shape, list(COLOURS).index("white")), torch.full_like(shape, LARGE)
    return world.compose(
        seed=0, index=range(len(shape)), shape=shape, colour=colour, size=size, resolution=resolution, texture=0, noise=0
    )


@pytest.mark.parametrize("name", SHAPES)
def test_a_mask_has_the_area_of_its_shape(name):
    scenes = of_every_shape(256)
    of_shape = scenes.shape[:, 0] == SHAPES.index(name)
    area = scenes.mask[of_shape, 0].sum((1, 2)) / (scenes.radius[of_shape, 0] * 256) ** 2
    assert area.mean() == pytest.approx(AREA[name], rel=0.01)


@pytest.mark.parametrize(("resolution", "error"), [(24, 0.05), (64, 0.01), (256, 0.003)])
def test_anti_aliasing_keeps_the_area_of_a_shape_but_for_corners_sharper_than_a_pixel(resolution, error):
    """The shares of the pixels add up to the area, also where an object is 8 pixels wide and a star's tip less than one."""
    scenes = of_every_shape(resolution, count=24)
    ground = scenes.image.amin((2, 3), keepdim=True)  # no object is as dark
    covered = ((scenes.image - ground) / (1 - ground))[:, 0].sum((1, 2)) / (scenes.radius[:, 0] * resolution) ** 2
    for number, (name, area) in enumerate(AREA.items()):
        mean = covered[scenes.shape[:, 0] == number].mean()
        assert mean == pytest.approx(area, rel=error), name


def test_boxes_are_those_that_torchvision_finds_in_the_masks():
    from torchvision.ops import masks_to_boxes

    scenes = world.sample(200, seed=0, objects=(1, 6), overlap=0.5)
    seen = scenes.mask.flatten(2).any(2)
    expected = masks_to_boxes(scenes.mask[seen])  # its x2, y2 are the last pixels' numbers; ours lie behind them
    expected[:, 2:] += 1
    assert torch.equal(scenes.box[seen], expected)
    assert not scenes.box[~seen].any()


def test_no_pixel_belongs_to_two_objects():
    scenes = world.sample(100, seed=3, objects=6, overlap=0.5)
    assert scenes.mask.sum(1).max() == 1


@pytest.mark.parametrize("first", ["red", "blue"])
def test_where_two_objects_overlap_the_nearer_is_seen(first):
    second = {"red": "blue", "blue": "red"}[first]
    scene = place(("square", first, "large", 0.45, 0.5), ("square", second, "large", 0.55, 0.5), resolution=64)
    assert scene.depth.tolist() == [[0, 1]]
    assert scene.image[0, :, 32, 32].tolist() == pytest.approx(COLOURS[first])
    assert scene.image[0, :, 32, 40].tolist() == pytest.approx(COLOURS[second])
    assert scene.mask[0, :, 32, 32].tolist() == [True, False]
    assert scene.visible[0, 0] == 1


def test_the_visible_share_of_a_half_hidden_square_by_hand():
    near_x, far_x, near_y, far_y = 0.40, 0.50, 0.42, 0.52
    scene = place(("square", "red", "large", near_x, near_y), ("square", "cyan", "large", far_x, far_y))
    near, far = (SQUARE * scene.radius[0] * 256).tolist()

    def covered(centre, half):
        """The pixels of a row or column whose centres lie within half of the centre: those are covered to a half at least."""
        return {pixel for pixel in range(256) if abs(pixel + 0.5 - centre * 256) <= half}

    columns, rows = covered(far_x, far), covered(far_y, far)
    hidden = len(columns & covered(near_x, near)) * len(rows & covered(near_y, near))
    share = 1 - hidden / (len(columns) * len(rows))
    assert 0.2 < share < 0.8
    assert scene.visible[0].tolist() == pytest.approx([1, share])
    assert scene.mask[0, 1].sum() == len(columns) * len(rows) - hidden
    x1, y1, x2, y2 = scene.box[0, 1].tolist()
    assert (x1, y1, x2, y2) == (min(columns), min(rows), max(columns) + 1, max(rows) + 1)


def test_an_object_that_is_hidden_completely_stays_present_without_mask_and_box():
    scene = place(("square", "red", "large", 0.5, 0.5), ("circle", "blue", "small", 0.5, 0.5), resolution=64)
    assert scene.present.all()
    assert not scene.mask[0, 1].any()
    assert scene.box[0, 1].tolist() == [0, 0, 0, 0]
    assert scene.visible.tolist() == [[1, 0]]


def test_through_the_hole_of_a_ring_one_sees_what_is_behind():
    scene = place(("ring", "red", "large", 0.5, 0.5), ("circle", "blue", "small", 0.5, 0.5), resolution=64)
    assert scene.image[0, :, 32, 32].tolist() == pytest.approx(COLOURS["blue"])
    assert scene.mask[0, 1, 32, 32]
    assert 0 < scene.visible[0, 1] < 1


def test_pixels_inside_have_the_colour_and_pixels_outside_the_grey_of_the_background():
    scene = place(("circle", "green", "large", 0.5, 0.5), resolution=64)
    assert scene.image[0, :, 32, 32].tolist() == pytest.approx(COLOURS["green"])
    rest = scene.image[0][:, :16]
    assert torch.equal(rest, rest[:1, :1, :1].expand_as(rest))


def test_the_dials_of_noise_and_texture():
    quiet, rough = (world.sample(50, seed=0, objects=1, texture=texture, noise=0).image[:, 0, ::9, ::9] for texture in (0, 1))
    ground = quiet.flatten(1).median(1).values[:, None, None]
    assert ((quiet - ground).abs() == 0).float().mean() > 0.85  # all but the object
    assert (rough - quiet).std() > 0.03
    half = world.sample(50, seed=0, objects=1, texture=0.5, noise=0).image[:, 0, ::9, ::9]
    torch.testing.assert_close(half, (quiet + rough) / 2, atol=1e-6, rtol=0)
    grainy = world.sample(50, seed=0, objects=1, texture=0, noise=0.05).image
    still = world.sample(50, seed=0, objects=1, texture=0, noise=0).image
    inner = (still > 0.2) & (still < 0.6)  # where nothing is cut off at 0 or 1
    assert (grainy - still)[inner].std() == pytest.approx(0.05, rel=0.01)
    assert (grainy - still)[inner].mean() == pytest.approx(0, abs=5e-4)


@pytest.mark.parametrize("size", [24, 64, 100])
def test_a_scene_has_the_same_bits_alone_and_among_others_wherever_the_batch_is_cut(size, monkeypatch):
    scenes = world.sample(70, seed=5, size=size)
    for painted, smoothed in ((1, 1), (7 * size**2, 3 * size**2), (10**9, 10**9)):
        monkeypatch.setattr(render, "_PAINTED", painted)
        monkeypatch.setattr(render, "_SMOOTHED", smoothed)
        for name, tensor in vars(render.rendered(scenes, size)).items():
            assert not isinstance(tensor, torch.Tensor) or torch.equal(tensor, getattr(scenes, name)), name
    for n in (0, 33, 69):
        alone = scenes[n].render(size)
        for name in ("image", "mask", "box", "visible"):
            assert torch.equal(getattr(alone, name), getattr(scenes[n], name))


def test_another_resolution_shows_the_same_scene():
    fine = world.sample(60, seed=1, size=128, objects=(1, 6), noise=0)
    coarse = fine.render(64)
    assert coarse.resolution == 64
    for name in ("x", "y", "radius", "shape", "depth", "index"):
        assert torch.equal(getattr(coarse, name), getattr(fine, name))
    reduced = torch.nn.functional.avg_pool2d(fine.image, 2)
    assert (reduced - coarse.image).abs().mean() < 0.002
    assert ((reduced - coarse.image).abs() > 0.1).float().mean() < 0.001  # a few sharp corners
    assert (coarse.box * 2 - fine.box).abs().max() <= 3
    assert torch.equal(coarse.render(128).image, fine.image)


@pytest.mark.parametrize("size", [16, 512])
def test_the_smallest_and_the_largest_pictures(size):
    scenes = world.sample(2, seed=0, size=size)
    assert scenes.image.shape == (2, 3, size, size)
    assert scenes.mask.shape == (2, 4, size, size)
    assert (scenes.box[scenes.present & (scenes.visible > 0)][:, 2:] > 0).all()


def test_what_leaves_the_image_is_cut_off_and_what_has_left_it_is_not_seen():
    scene = place(("heart", "red", "large", 0.5, 0.5), resolution=64)
    middle = scene.mask[0, 0]
    left = replace(scene, x=torch.tensor([[0.0]])).render(64)
    assert torch.equal(left.mask[0, 0, :, :32], middle[:, 32:])
    assert not left.mask[0, 0, :, 32:].any()
    assert left.box[0, 0, 0] == 0
    corner = replace(scene, x=torch.tensor([[1.0]]), y=torch.tensor([[1.0]])).render(64)
    assert torch.equal(corner.mask[0, 0, 32:, 32:], middle[:32, :32])
    gone = replace(scene, x=torch.tensor([[-1.0]])).render(64)
    assert not gone.mask.any()
    assert (gone.visible.item(), gone.box.tolist()) == (0, [[[0, 0, 0, 0]]])


def test_an_empty_batch_and_an_empty_scene_can_be_drawn():
    assert world.sample(0, seed=0).render(32).image.shape == (0, 3, 32, 32)
    nothing = torch.full((1, 2), -1)
    scene = world.compose(seed=0, index=[4], shape=nothing, colour=nothing, size=nothing)
    assert scene.count.tolist() == [0]
    assert not scene.mask.any()
    assert scene.image.std() > 0


@pytest.mark.parametrize("size", [15, 513, 64.0, True, "64", None])
def test_sizes_that_cannot_be_drawn_are_refused(size):
    scenes = world.sample(1, seed=0, size=16)
    with pytest.raises(ValueError, match=f"whole number of pixels from 16 to 512; got {size!r}"):
        scenes.render(size)
    with pytest.raises(ValueError, match="whole number of pixels"):
        world.sample(1, seed=0, size=size)
