from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from mmlearn.data import world
from mmlearn.data.world import COLOURS, SHAPES, SIZES, Scenes, placing, sampling
from mmlearn.data.world.sampling import RADIUS_VARIES


@pytest.fixture(scope="module")
def many():
    """Many scenes of which only the latents are of interest, so they are small."""
    return world.sample(6000, seed=0, size=16, objects=(0, 5))


def same(one, other):
    return all(
        torch.equal(tensor, getattr(other, name)) for name, tensor in vars(one).items() if isinstance(tensor, torch.Tensor)
    )


def test_scene_i_is_the_same_alone_in_a_batch_of_ten_thousand_and_by_its_number():
    options = {"seed": 4, "size": 24, "objects": (1, 6), "overlap": 0.1}
    batch = world.sample(10_000, **options)
    for scene in (0, 1, 517, 9_999):
        assert same(world.sample(1, start=scene, **options), batch[scene])
    picked = [9_999, 3, 3, 4_000]
    assert same(world.sample(index=picked, **options), batch[picked])
    assert same(world.sample(50, start=1_000, **options), batch[1_000:1_050])


def test_scenes_of_different_splits_and_seeds_are_different():
    drawn = [world.sample(2000, seed=seed, split=split, size=16) for seed in (0, 1) for split in ("train", "validation", "test")]
    latents = torch.cat([torch.stack([scenes.x, scenes.y, scenes.radius], 2).flatten(1) for scenes in drawn])
    assert len(latents.unique(dim=0)) == len(latents)
    images = torch.cat([scenes.image[:100].flatten(1) for scenes in drawn])
    assert len(images.unique(dim=0)) == len(images)


def test_counts_shapes_colours_and_sizes_are_uniform(many):
    counts = many.count.bincount(minlength=6)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3
    for name, kinds in (("shape", SHAPES), ("colour", COLOURS), ("size", SIZES)):
        found = getattr(many, name)[many.present].bincount(minlength=len(kinds))
        assert len(found) == len(kinds)
        assert stats.chisquare(found).pvalue > 1e-3, name
    pairs = (many.colour * len(SHAPES) + many.shape)[many.present].bincount(minlength=64)
    assert stats.chisquare(pairs).pvalue > 1e-3


def dependence(one, other):
    """p-value of the hypothesis that two (M,) tensors of whole numbers have nothing to do with each other."""
    table = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(table, (one.numpy(), other.numpy()), 1)
    return stats.chi2_contingency(table).pvalue


def test_the_attributes_of_an_object_and_of_its_neighbours_are_independent(many):
    full = many[many.count >= 2]
    for one, other in (("shape", "colour"), ("shape", "size"), ("colour", "size")):
        assert dependence(getattr(full, one)[:, 0], getattr(full, other)[:, 0]) > 1e-3
    for name in ("shape", "colour", "size"):
        assert dependence(getattr(full, name)[:, 0], getattr(full, name)[:, 1]) > 1e-3


def test_the_slot_says_nothing_about_depth_place_or_attributes():
    scenes = world.sample(4000, seed=9, size=16, objects=5)
    slot = torch.arange(5).expand(4000, 5).flatten()
    for name in ("shape", "colour", "size", "depth"):
        assert dependence(slot, getattr(scenes, name).flatten()) > 1e-3, name
    for name in ("x", "y", "radius"):
        values = getattr(scenes, name).flatten()
        bins = torch.bucketize(values, values.quantile(torch.linspace(0.1, 0.9, 9)))
        assert dependence(slot, bins) > 1e-3, name
        assert dependence(scenes.depth.flatten(), bins) > 1e-3, name
    outer = ((scenes.x - 0.5) ** 2 + (scenes.y - 0.5) ** 2).flatten()
    assert dependence(slot, (outer > outer.median()).long()) > 1e-3


def test_objects_take_the_first_slots_and_their_depths_are_ranks(many):
    assert torch.equal(many.present, torch.arange(5) < many.count[:, None])
    for scene in many[:200]:
        assert sorted(scene.depth[scene.present].tolist()) == list(range(scene.count.item()))


def test_radii_belong_to_their_sizes(many):
    mean = torch.tensor(list(SIZES.values()))[many.size[many.present]]
    change = many.radius[many.present] / mean - 1
    assert change.abs().max() <= RADIUS_VARIES + 1e-6
    assert change.mean().abs() < 0.002
    assert change.std() == pytest.approx(2 * RADIUS_VARIES / 12**0.5, rel=0.02)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5])
def test_objects_lie_inside_the_image_and_keep_their_distance(overlap):
    scenes = world.sample(2000, seed=1, size=16, objects=(2, 5), overlap=overlap)
    for place in (scenes.x, scenes.y):
        assert ((place - scenes.radius >= -1e-6) & (place + scenes.radius <= 1 + 1e-6)).all()
    x, y, radius = (values[:, :, None].double() for values in (scenes.x, scenes.y, scenes.radius))
    apart = ((x - x.mT) ** 2 + (y - y.mT) ** 2).sqrt() / (radius + radius.mT)
    both = scenes.present[:, :, None] & scenes.present[:, None] & ~torch.eye(5, dtype=torch.bool)
    assert apart[both].min() >= 1 - overlap - 1e-5
    assert apart[both].min() < 1 - overlap + 0.02  # and they do come that close
    if overlap == 0:
        assert scenes.visible[scenes.present].mean() > 0.99
    if overlap == 0.5:
        assert scenes.visible[scenes.present].min() < 0.6


def test_only_what_is_asked_for_is_drawn():
    scenes = world.sample(500, seed=0, size=16, shapes=["star", "circle"], colours=world.SAFE_COLOURS, sizes="small", objects=3)
    assert scenes.present.all()
    assert set(scenes.shape.flatten().tolist()) == {SHAPES.index("star"), SHAPES.index("circle")}
    assert set(scenes.colour.flatten().tolist()) == {list(COLOURS).index(name) for name in world.SAFE_COLOURS}
    assert set(scenes.size.flatten().tolist()) == {0}


def test_pairs_are_all_that_is_drawn_each_as_often():
    seen, unseen = world.hold_out_pairs(0.25, seed=3)
    for pairs in (seen, unseen):
        scenes = world.sample(3000, seed=0, size=16, objects=2, pairs=pairs)
        found = Counter(
            (list(COLOURS)[c], SHAPES[s]) for c, s in zip(scenes.colour.flatten(), scenes.shape.flatten(), strict=True)
        )
        assert set(found) == set(pairs)
        assert stats.chisquare(list(found.values())).pvalue > 1e-3


@pytest.mark.parametrize(
    ("fraction", "shapes", "colours"),
    [
        (0.25, None, None),
        (0.5, None, None),
        (0.125, None, None),
        (0.34, SHAPES[:3], None),
        (0.4, None, ["red", "green", "blue"]),
        (0.34, SHAPES[:3], ["red", "green", "blue"]),
    ],
)
def test_held_out_pairs_are_new_combinations_of_known_words(fraction, shapes, colours):
    for seed in range(5):
        seen, unseen = world.hold_out_pairs(fraction, seed=seed, shapes=shapes, colours=colours)
        everything = set(product(colours or COLOURS, shapes or SHAPES))
        assert set(seen) | set(unseen) == everything
        assert len(seen) + len(unseen) == len(everything)
        assert len(unseen) == round(fraction * len(everything))
        for pairs in (seen, unseen):
            assert {colour for colour, _ in pairs} == set(colours or COLOURS)
            assert {shape for _, shape in pairs} == set(shapes or SHAPES)
        assert (seen, unseen) == world.hold_out_pairs(fraction, seed=seed, shapes=shapes, colours=colours)
    assert world.hold_out_pairs(0.25, seed=0) != world.hold_out_pairs(0.25, seed=1)


def test_a_small_fraction_holds_out_few_pairs_and_still_shows_every_word():
    seen, unseen = world.hold_out_pairs(0.01)
    assert len(unseen) == 1
    assert {colour for colour, _ in seen} == set(COLOURS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fraction": 0}, "between 0 and 1, both excluded; got 0"),
        ({"fraction": 1}, "between 0 and 1"),
        ({"fraction": "half"}, "got 'half'"),
        ({"fraction": 0.9}, "holding out 58 of the 64 pairs .* hold out at most 56"),
        ({"shapes": ["star"]}, "1 shapes leaves too few"),
        ({"colours": ["rad"]}, "did you mean red"),
    ],
)
def test_pairs_that_cannot_be_held_out(options, says):
    with pytest.raises(ValueError, match=says):
        world.hold_out_pairs(**options)


def test_no_scenes_have_the_shapes_of_some():
    none, some = world.sample(0, seed=0, size=32), world.sample(2, seed=0, size=32)
    assert len(none) == 0
    for name, tensor in vars(some).items():
        if isinstance(tensor, torch.Tensor):
            assert getattr(none, name).shape == (0, *tensor.shape[1:]), name
            assert getattr(none, name).dtype == tensor.dtype
    assert len(world.sample(index=[], seed=0)) == 0


@pytest.mark.parametrize(
    "options", [{"objects": 6}, {"objects": 6, "sizes": "large"}, {"objects": 5, "sizes": "large", "overlap": 0}]
)
def test_crowded_scenes_find_room(options):
    scenes = world.sample(3000, seed=0, size=16, **options)
    assert (scenes.count == options["objects"]).all()


def test_when_there_is_no_room_the_error_says_what_to_change():
    with pytest.raises(ValueError, match=r"no room for 6 objects of radii 0\.1.* with overlap=0: .* take fewer objects"):
        world.sample(50, seed=0, size=16, objects=6, sizes="large", overlap=0)


def test_a_scene_that_is_begun_anew_leaves_the_others_as_they_are(monkeypatch):
    options = {"seed": 2, "size": 16, "objects": 5, "sizes": "large", "overlap": 0}
    scenes = world.sample(300, **options)
    monkeypatch.setattr(placing, "_TOGETHER", 7)
    assert same(world.sample(300, **options), scenes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n": -1}, "n must be a whole number, at least 0; got -1"),
        ({"n": 2.0}, r"n must be a whole number, at least 0; got 2\.0"),
        ({"n": None}, "n must be a whole number, at least 0; got None"),
        ({"n": True}, "n must be a whole number"),
        ({"start": -3}, "start must be a whole number, at least 0; got -3"),
        ({"index": [1, 2]}, "index names the 2 scenes: leave start and n out; got n=3"),
        ({"n": None, "index": [1, 2], "start": 1}, "leave start and n out"),
        ({"n": None, "index": [0.5]}, r"index must be whole numbers, \(N,\); got torch.float64"),
        ({"n": None, "index": [-1]}, "scenes are numbered from 0"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"split": "dev"}, "split must be one of train, validation, test; got 'dev'"),
        ({"objects": 7}, r"objects must be a whole number from 1 to 6, or \(fewest, most\) .*; got 7"),
        ({"objects": 0}, "got 0"),
        ({"objects": (0, 0)}, r"got \(0, 0\)"),
        ({"objects": (3, 2)}, r"got \(3, 2\)"),
        ({"objects": (1, 2, 3)}, r"got \(1, 2, 3\)"),
        ({"objects": 2.5}, r"got 2\.5"),
        ({"objects": "two"}, "got 'two'"),
        ({"shapes": ["cirkle"]}, "no shape 'cirkle': did you mean circle"),
        ({"colours": ["grean"]}, "no colour 'grean': did you mean green"),
        ({"sizes": "big"}, "no size 'big'"),
        ({"shapes": []}, "name at least one shape"),
        ({"pairs": []}, "at least one"),
        ({"pairs": ("red", "circle")}, r"\(colour, shape\) names"),
        ({"pairs": [("circle", "red")]}, "no colour 'circle'"),
        ({"pairs": [("red", "cirkle")]}, "no shape 'cirkle': did you mean circle"),
        ({"pairs": [("red", "star")], "shapes": ["circle"]}, r"pairs name \('red', 'star'\), but shapes=\['circle'\].* lack it"),
        ({"overlap": 0.6}, r"overlap must be a number from 0 to 0\.5; got 0\.6"),
        ({"overlap": -0.1}, "overlap must be a number"),
        ({"texture": 1.5}, r"texture must be a number from 0 to 1; got 1\.5"),
        ({"noise": float("nan")}, r"noise must be a number from 0 to 0\.5; got nan"),
        ({"noise": "much"}, "noise must be a number"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        world.sample(**{"n": 3, "seed": 0, "size": 16, **options})


def test_composed_scenes_have_the_attributes_that_were_given_in_the_slots_that_were_given():
    shape = torch.tensor([[3, -1, 0], [-1, -1, -1]])
    colour, size = torch.tensor([[1, -1, 5], [-1, -1, -1]]), torch.tensor([[0, -1, 1], [-1, -1, -1]])
    scenes = world.compose(seed=0, index=[5, 9], shape=shape, colour=colour, size=size, resolution=32)
    assert isinstance(scenes, Scenes)
    assert (scenes.index.tolist(), scenes.count.tolist(), scenes.resolution) == ([5, 9], [2, 0], 32)
    for name, given in (("shape", shape), ("colour", colour), ("size", size)):
        assert torch.equal(getattr(scenes, name), given)
    assert sorted(scenes.depth[0].tolist()) == [-1, 0, 1]
    assert scenes.mask[0, 0].any()
    assert not scenes.mask[0, 1].any()


def test_sample_is_compose_with_attributes_drawn_by_chance():
    scenes = world.sample(20, seed=8, size=32, texture=0.2, noise=0.1, overlap=0.4, split="test")
    given = {name: getattr(scenes, name) for name in ("index", "shape", "colour", "size")}
    again = world.compose(seed=8, split="test", resolution=32, texture=0.2, noise=0.1, overlap=0.4, **given)
    assert same(again, scenes)
    moved = world.compose(
        seed=8, split="test", resolution=32, texture=0.2, noise=0.1, x=scenes.x, y=scenes.y, depth=scenes.depth, **given
    )
    assert same(moved, scenes)


def test_another_colour_changes_nothing_but_the_pixels_of_the_object():
    one = torch.zeros(1, 1, dtype=torch.int64)
    red, blue = (world.compose(seed=0, index=[3], shape=one, colour=one + colour, size=one + 1) for colour in (0, 5))
    differ = (red.image != blue.image).any(1)[0]
    assert torch.equal(red.mask, blue.mask)
    assert differ[red.mask[0, 0]].all()
    assert differ.sum() < 1.6 * red.mask.sum()


def test_given_places_stay_and_those_not_given_are_drawn_apart_from_them():
    N = 500
    x = torch.tensor([0.25, 0.25, 0.75]).expand(N, 3)
    kind = torch.ones(N, 3, dtype=torch.int64)
    scenes = world.compose(seed=0, index=range(N), shape=kind, colour=kind, size=kind, x=x, overlap=0, resolution=16)
    assert torch.equal(scenes.x, x)
    assert ((scenes.y[:, 0] - scenes.y[:, 1]).abs() >= scenes.radius[:, 0] + scenes.radius[:, 1] - 1e-5).all()
    assert (scenes.y >= scenes.radius - 1e-6).all()
    assert scenes.y[:, 2].std() > 0.15
    both = world.compose(seed=0, index=range(N), shape=kind, colour=kind, size=kind, x=x, y=x, resolution=16)
    assert torch.equal(both.x, x)
    assert torch.equal(both.y, x)


def test_given_depths_are_ranked():
    kind = torch.zeros(1, 4, dtype=torch.int64)
    kind[0, 1] = -1
    scenes = world.compose(seed=0, index=[0], shape=kind, colour=kind, size=kind, depth=[[40, 7, -3, 7]], resolution=16)
    assert scenes.depth.tolist() == [[2, -1, 0, 1]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shape": [[8, 0]]}, "shape must hold numbers from 0 to 7, or −1 for no object; got 0 to 8"),
        ({"colour": [[0, -2]]}, "colour must hold numbers from 0 to 7"),
        ({"size": [[-1, 0]]}, "must be −1 in the same slots; size differs"),
        ({"size": [[0]]}, r"size must be \(N, K\).* got \(1, 1\), and \(1, 2\) for shape"),
        ({"shape": [0, 0]}, r"shape must be whole numbers, \(N, K\); got torch.int64 \(2,\)"),
        ({"shape": [[0.0, 1.0]]}, "shape must be whole numbers"),
        ({"index": [0, 1]}, "a row for each of the 2 scenes of index"),
        ({"x": [[0.5]]}, r"x must be \(1, 2\), as shape is; got \(1, 1\)"),
        ({"y": [[0.5, 1.5]]}, r"y must lie from 0 to 1, in image widths; got 0\.5 to 1\.5"),
        ({"x": [[0.5, float("nan")]]}, "x must lie from 0 to 1"),
        ({"depth": [[1, 1]]}, "two objects of a scene have the same depth"),
        ({"depth": [[1]]}, r"depth must be \(1, 2\)"),
        ({"resolution": 8}, "from 16 to 512; got 8"),
    ],
)
def test_scenes_that_cannot_be_composed(options, says):
    given = {"seed": 0, "index": [0], "shape": [[0, 1]], "colour": [[0, 1]], "size": [[0, 1]], "resolution": 16} | options
    with pytest.raises(ValueError, match=says):
        sampling.compose(**given)


def test_more_slots_than_objects_can_be_are_refused():
    kind = torch.zeros(1, 7, dtype=torch.int64)
    with pytest.raises(ValueError, match="1 to 6 slots"):
        world.compose(seed=0, index=[0], shape=kind, colour=kind, size=kind)
