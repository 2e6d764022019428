import dataclasses

import numpy as np
import pytest
import torch

from mmlearn.data import world
from mmlearn.data.world import COLOURS, SHAPES, SIZES, Scenes


@pytest.fixture(scope="module")
def scenes():
    return world.sample(12, seed=1, size=24)


def test_the_fields_have_the_shapes_and_types_that_are_documented(scenes):
    N, K, H = 12, 4, 24
    floats = {"image": (N, 3, H, H), "box": (N, K, 4), "visible": (N, K), "x": (N, K), "y": (N, K), "radius": (N, K)}
    whole = dict.fromkeys(("shape", "colour", "size", "depth"), (N, K)) | {"index": (N,)}
    truths = {"mask": (N, K, H, H), "present": (N, K)}
    for expected, dtype in ((floats, torch.float32), (whole, torch.int64), (truths, torch.bool)):
        for name, shape in expected.items():
            tensor = getattr(scenes, name)
            assert (tuple(tensor.shape), tensor.dtype) == (shape, dtype), name
    assert {*floats, *whole, *truths} | {"seed", "split", "texture", "noise"} == {f.name for f in dataclasses.fields(Scenes)}
    assert 0 <= scenes.image.min() <= scenes.image.max() <= 1


def test_a_slot_without_an_object_holds_nothing(scenes):
    absent = ~scenes.present
    assert absent.any()
    for name in ("shape", "colour", "size", "depth"):
        assert (getattr(scenes, name)[absent] == -1).all()
        assert (getattr(scenes, name)[scenes.present] >= 0).all()
    for name in ("x", "y", "radius", "box", "visible", "mask"):
        assert not getattr(scenes, name)[absent].any()


@pytest.mark.parametrize("picked", [3, -1, np.int64(3), torch.tensor(3)])
def test_an_integer_picks_one_scene_and_keeps_the_batch(scenes, picked):
    one = scenes[picked]
    assert len(one) == 1
    assert one.image.shape == (1, 3, 24, 24)
    assert one.index.tolist() == [int(picked) % 12]


@pytest.mark.parametrize(
    ("picked", "expected"),
    [
        (slice(2, 5), [2, 3, 4]),
        ([4, 1], [4, 1]),
        ((4, 1), [4, 1]),
        (range(3), [0, 1, 2]),
        (torch.tensor([4, 1]), [4, 1]),
        (np.array([4, 1]), [4, 1]),
        ([True] + [False] * 11, [0]),
        ([], []),
    ],
)
def test_what_picks_several_scenes_picks_all_that_belongs_to_them(scenes, picked, expected):
    some = scenes[picked]
    assert some.index.tolist() == expected
    for field in dataclasses.fields(Scenes):
        if field.type is torch.Tensor:
            assert torch.equal(getattr(some, field.name), getattr(scenes, field.name)[expected])


def test_iterating_ends_after_the_last_scene(scenes):
    assert [one.index.item() for one in scenes] == list(range(12))
    for beyond in (12, -13):
        with pytest.raises(IndexError, match=f"no scene {beyond}: the scenes are numbered from 0 to 11"):
            scenes[beyond]


def test_objects_says_what_is_in_a_scene_nearest_first(scenes):
    for n in range(len(scenes)):
        things = scenes.objects(n)
        assert len(things) == scenes.count[n]
        assert [scenes.depth[n, thing["slot"]] for thing in things] == list(range(len(things)))
        for thing in things:
            slot = thing["slot"]
            assert SHAPES.index(thing["shape"]) == scenes.shape[n, slot]
            assert list(COLOURS).index(thing["colour"]) == scenes.colour[n, slot]
            assert list(SIZES).index(thing["size"]) == scenes.size[n, slot]
            assert (thing["x"], thing["y"], thing["radius"]) == tuple(getattr(scenes, k)[n, slot] for k in ("x", "y", "radius"))


def test_scenes_move_between_devices_as_a_whole(scenes):
    moved = scenes.to("meta")
    assert {t.device.type for t in vars(moved).values() if isinstance(t, torch.Tensor)} == {"meta"}
    assert scenes.image.device.type == "cpu"


def test_a_scene_shows_its_size_not_its_pixels(scenes):
    assert repr(scenes) == "Scenes(12 train scenes of seed 1, 24×24, 4 slots)"
