"""Two things and a phrase: the table is the world's, and slot 0 is what the phrase names."""

import pytest
import torch

from mmlearn.data.ceilings import ceilings
from mmlearn.data.world import COLOURS, SHAPES
from mmlearn.data.world.referring import ANSWERS, referring

TASK = referring(4000, seed=0)


def test_the_table_needs_both_and_addition_gets_one_of_two():
    found = ceilings(referring.table())
    assert found.a.accuracy == pytest.approx(1 / 4)  # one of two colours or of two shapes
    assert found.b.accuracy == pytest.approx((1 / 3 + 1 / 4) / 2)
    assert found.additive.accuracy == pytest.approx(1 / 2)
    assert found.both.accuracy == pytest.approx(1)
    parts = TASK.decomposition
    assert parts.synergy == pytest.approx(1, abs=1e-6)
    assert parts.redundancy == pytest.approx(0, abs=1e-6)


def test_the_examples_are_drawn_from_the_table():
    counts = torch.zeros_like(TASK.table)
    counts.index_put_((TASK.a, TASK.b, TASK.label), torch.ones((), dtype=counts.dtype), accumulate=True)
    assert (counts[TASK.table == 0] == 0).all()
    expected = 4000 / 144
    assert (counts[TASK.table > 0] - expected).abs().max() < 5 * expected**0.5


def test_the_phrase_names_the_thing_in_slot_0_and_the_label_is_its_other_attribute():
    for n, text in enumerate(TASK.text[:300]):
        colour, kind = list(COLOURS)[TASK.scenes.colour[n, 0]], list(SHAPES)[TASK.scenes.shape[n, 0]]
        named, asked = (colour, kind) if text.endswith("object") else (kind, colour)
        assert named in text.split()
        assert ANSWERS[TASK.label[n]] == asked
        assert ANSWERS[TASK.b[n]] == named
        things = TASK.symbols[0][TASK.a[n]].split(", ")
        assert f"{colour} {kind}" in things
        assert TASK.text[n].split()[1] == named  # the second word of every phrase


def test_the_things_differ_do_not_touch_and_each_is_named_as_often_on_either_side():
    scenes = TASK.scenes
    assert (scenes.colour[:, 0] != scenes.colour[:, 1]).all()
    assert (scenes.shape[:, 0] != scenes.shape[:, 1]).all()
    assert (scenes.visible[:, :2] == 1).all()
    left = scenes.x[:, 0] < 0.5
    assert ((scenes.x[:, 1] < 0.5) == ~left).all()
    assert abs(left.double().mean().item() - 0.5) < 0.04


def test_an_example_is_the_same_alone_and_among_others():
    alone = referring(seed=0, index=[17])
    assert torch.equal(alone.image[0], TASK.image[17])
    assert alone.text[0] == TASK.text[17]
    assert not torch.equal(referring(5, seed=0, split="test").image, TASK.image[:5])


def test_a_split_that_is_none_is_refused():
    with pytest.raises(ValueError, match="split"):
        referring(3, seed=0, split="tset")
