"""Scenes with one circle: what is in them, that the colours of the rest say nothing, and the ceiling without order."""

import pytest
import torch

from mmlearn.data.world import COLOURS, SHAPES
from mmlearn.data.world.one_circle import guess_without_order, one_circle


def test_every_scene_has_one_circle_in_front_and_other_things_of_different_shapes():
    scenes = one_circle(300, seed=0)
    assert (scenes.shape == SHAPES.index("circle")).sum(1).eq(1).all()
    assert (scenes.shape[:, 0] == SHAPES.index("circle")).all()
    assert set(scenes.count.tolist()) == {2, 3}
    three = scenes.shape[scenes.count == 3]
    assert (three.sort(1).values.diff(dim=1) > 0).all()
    assert set(scenes.shape[:, 1].tolist()) == {SHAPES.index("cross"), SHAPES.index("star")}


def test_a_scene_is_the_same_alone_and_among_others_and_the_parts_differ():
    among = one_circle(20, seed=3)
    alone = one_circle(index=[7], seed=3)
    assert torch.equal(among.image[7], alone.image[0])
    assert not torch.equal(among.colour, one_circle(20, seed=3, split="test").colour)
    assert torch.equal(one_circle(5, seed=3, start=2).colour, among.colour[2:7])


def test_the_caption_names_the_circles_colour_in_front_of_it():
    scenes = one_circle(50, seed=1)
    names = list(COLOURS)
    for caption, colour in zip(scenes.captions("inventory"), scenes.colour[:, 0].tolist(), strict=True):
        assert caption.count("circle") == 1
        assert f"{names[colour]} circle" in caption


def test_the_circles_colour_is_evenly_spread_and_independent_of_the_others():
    colours = one_circle(4000, seed=2).colour
    table = torch.bincount(8 * colours[:, 0] + colours[:, 1], minlength=64).double()
    expected = 4000 / 64
    statistic = ((table - expected) ** 2 / expected).sum().item()
    assert 30 < statistic < 110  # χ² of 63 degrees of freedom: mean 63, deviation 11


def test_the_guess_without_order_by_hand():
    scenes = one_circle(400, seed=0)
    for colours, present, share in zip(scenes.colour.tolist(), scenes.present.tolist(), guess_without_order(scenes), strict=True):
        there = [colour for colour, is_there in zip(colours, present, strict=True) if is_there]
        assert share.item() == pytest.approx(max(map(there.count, there)) / len(there))


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="split"):
        one_circle(2, seed=0, split="dev")
    with pytest.raises(ValueError, match="n must"):
        one_circle(-1, seed=0)
