import re
from collections import Counter
from dataclasses import replace

import pytest
import torch

from mmlearn.data.world import sample
from mmlearn.data.world.attributes import COLOURS, SHAPES, SIZES
from mmlearn.data.world.motion import BEHAVIOURS, SPEEDS, WORDS, clip
from mmlearn.data.world.sampling import compose

NAMES = list(BEHAVIOURS)


def alike(objects, index=(0,), resolution=32):
    """The same objects (shape, colour, size, x, y) in each of the scenes ``index``."""
    table = {"shape": SHAPES, "colour": list(COLOURS), "size": list(SIZES)}
    columns = dict(zip((*table, "x", "y"), zip(*objects, strict=True), strict=True))
    numbers = {name: torch.tensor([[words.index(word) for word in columns[name]]] * len(index)) for name, words in table.items()}
    places = {axis: torch.tensor([columns[axis]] * len(index), dtype=torch.float32) for axis in ("x", "y")}
    return compose(seed=0, index=torch.tensor(index), **numbers, **places, resolution=resolution)


def test_the_frame_in_the_middle_is_the_scene_itself():
    scenes = sample(20, seed=0, size=32)
    moving = clip(scenes, frames=5)
    assert moving.frames.shape == (20, 5, 3, 32, 32)
    assert torch.equal(moving.frames[:, 2], scenes.image)
    assert torch.equal(moving.box[:, 2], scenes.box)
    assert torch.equal(moving.x[:, 2], scenes.x)


def test_centres_follow_the_velocity_and_every_frame_shows_them_there():
    scenes = sample(40, seed=1, size=64, objects=1, noise=0.0)
    moving = clip(scenes, frames=6)
    for moment in range(6):
        torch.testing.assert_close(moving.x[:, moment], scenes.x + (moment - 2.5) * moving.velocity[..., 0])
        torch.testing.assert_close(moving.y[:, moment], scenes.y + (moment - 2.5) * moving.velocity[..., 1])
        redrawn = replace(scenes, x=moving.x[:, moment], y=moving.y[:, moment]).render(64)
        assert torch.equal(moving.frames[:, moment], redrawn.image)
    shifts = moving.box[:, -1, 0] - moving.box[:, 0, 0]  # (N, 4) pixels of the whole path
    path = 5 * moving.velocity[:, 0] * 64  # (N, 2)
    assert (shifts - torch.cat([path, path], dim=1)).abs().max() <= 1


def test_directions_and_speeds_are_what_their_names_say():
    moving = clip(sample(400, seed=2, size=16, objects=2), frames=5)
    across, down = moving.velocity.unbind(-1)  # (N, K), y counts downwards
    for name, test in {
        "stays": (across == 0) & (down == 0),
        "left": (across < 0) & (down == 0),
        "right": (across > 0) & (down == 0),
        "up": (across == 0) & (down < 0),
        "down": (across == 0) & (down > 0),
    }.items():
        there = moving.behaviour == NAMES.index(name)
        assert there.any()
        assert test[there].all()
    travelled = 4 * moving.velocity.abs().sum(-1)
    for number, length in enumerate(SPEEDS.values()):
        mine = moving.speed == number
        torch.testing.assert_close(travelled[mine], torch.full_like(travelled[mine], length))
    assert ((moving.speed == -1) == (moving.behaviour <= 0)).all()


def test_the_path_does_not_depend_on_the_number_of_frames():
    scenes = sample(30, seed=3, size=16)
    coarse, fine = clip(scenes, frames=3), clip(scenes, frames=9)
    torch.testing.assert_close(coarse.x, fine.x[:, ::4])
    torch.testing.assert_close(coarse.y, fine.y[:, ::4])
    assert coarse.captions == fine.captions


def test_everything_stays_wholly_inside_the_picture():
    scenes = sample(1500, seed=4, size=16, objects=(1, 4))
    moving = clip(scenes, frames=2)
    radius, there = scenes.radius[:, None], scenes.present[:, None].expand(-1, 2, -1)
    for centre in (moving.x, moving.y):
        assert (centre - radius)[there].min() >= -1e-5
        assert (centre + radius)[there].max() <= 1 + 1e-5


@pytest.mark.parametrize(
    ("x", "shares"),
    [
        (0.5, [0.2, 0.2, 0.2, 0.2, 0.2]),
        (0.23, [0.2, 0.1, 0.1, 0.3, 0.3]),  # too near to the left edge for quick ways across
        (0.18, [0.2, 0.0, 0.0, 0.4, 0.4]),  # too near for any way across
    ],
)
def test_near_an_edge_objects_move_along_it_and_still_either_way_alike(x, shares):
    scenes = alike([("circle", "red", "large", x, 0.5)], index=range(4000), resolution=16)
    moving = clip(scenes, frames=2)
    found = moving.behaviour.flatten().bincount(minlength=5) / 4000
    torch.testing.assert_close(found, torch.tensor(shares), rtol=0, atol=0.032)  # four standard errors
    assert abs(moving.speed[moving.behaviour > 0].float().mean() - 0.5) < 0.036


def test_in_a_corner_objects_move_slowly_or_not_at_all():
    corner = clip(alike([("circle", "red", "large", 0.22, 0.22)], index=range(1000), resolution=16), frames=2)
    assert set(corner.speed.flatten().tolist()) == {-1, 0}
    assert set(corner.behaviour.flatten().tolist()) == {0, 1, 2, 3, 4}
    deep = clip(alike([("circle", "red", "large", 0.18, 0.18)], index=range(100), resolution=16), frames=2)
    assert (deep.behaviour == 0).all()


def test_the_place_in_the_scene_says_nothing_about_which_way_along_the_axis():
    scenes = sample(4000, seed=5, size=16, objects=1)
    behaviour = clip(scenes, frames=2).behaviour[:, 0]
    for axis, (one, other) in {"x": ("left", "right"), "y": ("up", "down")}.items():
        place = getattr(scenes, axis)[:, 0]
        for half in (place < 0.5, place >= 0.5):
            back, forth = ((behaviour[half] == NAMES.index(name)).sum().item() for name in (one, other))
            assert abs(back - forth) < 4 * (back + forth) ** 0.5  # four standard errors of a fair coin
            assert min(back, forth) > 200


def test_only_where_something_moves_do_frames_differ():
    scenes = sample(10, seed=6, size=48, objects=1, noise=0.1)
    moving = clip(scenes, frames=3)
    for row in range(10):
        same = (moving.frames[row, 0] == moving.frames[row, -1]).all(dim=0)  # (H, W)
        if moving.behaviour[row, 0] == 0:
            assert same.all()
        else:
            assert not same.all()
            centres = torch.stack([moving.x[row, :, 0], moving.y[row, :, 0]])  # (2, T)
            x1, y1 = ((centres.amin(1) - scenes.radius[row, 0]) * 48 - 1).floor().long().clamp(min=0).tolist()
            x2, y2 = ((centres.amax(1) + scenes.radius[row, 0]) * 48 + 1).ceil().long().tolist()
            same[y1:y2, x1:x2] = True
            assert same.all()


def test_a_clip_is_the_same_alone_and_in_any_batch():
    scenes = sample(40, seed=7, size=16)
    moving = clip(scenes, frames=3)
    for row in (0, 15, 16, 39):
        alone = clip(scenes[row], frames=3)
        assert torch.equal(alone.frames[0], moving.frames[row])
        assert torch.equal(alone.velocity[0], moving.velocity[row])
        assert alone.captions == [moving.captions[row]]


def read(caption):
    """The clauses of a motion caption: [("red circle", "left", "quickly"), ("blue square", "stays", None)]."""
    clauses = re.split(r", | and ", caption)
    found = [
        re.fullmatch(r"the (.+?) (?:(stays) still|moves (left|right|up|down) (slowly|quickly))", clause) for clause in clauses
    ]
    assert all(found), caption
    return [(match[1], match[2] or match[3], match[4]) for match in found]


def test_captions_say_what_each_object_does_from_left_to_right():
    scenes = sample(200, seed=8, size=16, objects=(1, 4))
    moving = clip(scenes, frames=2)
    for row, caption in enumerate(moving.captions):
        slots = sorted(scenes.present[row].nonzero().flatten().tolist(), key=lambda slot, row=row: float(scenes.x[row, slot]))
        clauses = read(caption)
        assert len(clauses) == len(slots)
        assert len({name for name, _, _ in clauses}) == len(slots)
        for slot, (name, behaviour, speed) in zip(slots, clauses, strict=True):
            assert NAMES.index(behaviour) == moving.behaviour[row, slot]
            assert (list(SPEEDS).index(speed) if speed else -1) == moving.speed[row, slot]
            assert SHAPES[scenes.shape[row, slot]] in name
            assert list(COLOURS)[scenes.colour[row, slot]] in name


def test_an_object_is_called_by_as_much_as_singles_it_out():
    names = [
        name
        for name, _, _ in read(
            clip(
                alike(
                    [
                        ("star", "green", "small", 0.75, 0.2),
                        ("star", "green", "small", 0.25, 0.2),
                        ("circle", "red", "large", 0.3, 0.5),
                        ("circle", "red", "small", 0.6, 0.5),
                        ("circle", "blue", "small", 0.8, 0.8),
                    ]
                )
            ).captions[0]
        )
    ]
    assert names == [
        "first small green star from the left",
        "large red circle",
        "small red circle",
        "second small green star from the left",
        "blue circle",
    ]


def test_a_scene_without_objects_stands_still():
    empty = sample(1, seed=9, size=16, objects=(0, 2))
    empty = replace(empty, present=torch.zeros_like(empty.present)).render(16)
    moving = clip(empty, frames=3)
    assert moving.captions == ["there is nothing"]
    assert torch.equal(moving.frames[:, 0], moving.frames[:, 2])
    assert (moving.behaviour == -1).all()


def test_an_object_that_is_partly_outside_stays():
    scenes = alike([("circle", "red", "large", 0.02, 0.5)], index=range(50), resolution=16)
    assert (clip(scenes, frames=2).behaviour == 0).all()


def test_every_word_of_the_captions_is_announced():
    announced = {part for word in (*WORDS, *SHAPES, *COLOURS, *SIZES) for part in word.split()}
    captions = clip(sample(600, seed=10, size=16, objects=(0, 4), colours=["red", "orange"], shapes=["ring"]), frames=2).captions
    used = Counter(word for caption in captions for word in caption.replace(",", " ,").split())
    assert set(used) <= announced
    assert {"second", "third", "left", "quickly", "stays"} <= set(used)


@pytest.mark.parametrize("frames", [1, 0, -2, 2.0, True])
def test_impossible_numbers_of_frames_are_refused(frames):
    with pytest.raises(ValueError, match=f"frames must be a whole number, at least 2, .* got {frames}"):
        clip(sample(1, seed=0, size=16), frames=frames)
