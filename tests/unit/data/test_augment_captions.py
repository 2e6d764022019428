import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.data import world
from mmlearn.data.augment_captions import BREAKS, breaks, mirror_words


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("a red circle is left of a blue square", "a red circle is right of a blue square"),
        ("in the top right corner", "in the top left corner"),
        ("Left, LEFT and left", "Right, RIGHT and right"),
        ("the leftmost of the right-hand doors turns rightwards", "the rightmost of the left-hand doors turns leftwards"),
        ("an upright, bright alright leftover", "an upright, bright alright leftover"),
        ("it turns clockwise", "it turns anticlockwise"),
        ("it turns counter-clockwise", "it turns clockwise"),
        ("a dog above a cat", "a dog above a cat"),
    ],
)
def test_left_and_right_change_places_and_nothing_else_does(text, mirrored):
    assert mirror_words(text) == mirrored


@given(
    st.lists(st.sampled_from(["left", "Right", "leftmost", "of", "clockwise", "anticlockwise", "bright,", "RIGHT"])).map(" ".join)
)
def test_mirrored_twice_is_the_text_again(text):
    assert mirror_words(mirror_words(text)) == text


def parts(caption):
    return sorted(re.split(r", | and ", caption))


def test_mirrored_captions_of_the_world_are_the_captions_of_the_mirrored_scenes():
    scenes = world.sample(200, seed=0)
    mirrored = replace(scenes, x=1 - scenes.x)
    captions = [mirror_words(caption) for caption in scenes.captions("position")]
    assert [parts(caption) for caption in captions] == [parts(caption) for caption in mirrored.captions("position")]
    assert captions != scenes.captions("position")


@pytest.mark.parametrize(
    ("caption", "broken"),
    [
        ("a red circle", {"saturation": ["red"], "hue": ["red"]}),
        ("a circle in the top left corner", {"crop": ["corner", "left", "top"], "rotation": ["corner", "left", "top"]}),
        ("a dog is right of a cat", {"rotation": ["right"]}),
        ("a cup on top of a plate", {"rotation": ["top"]}),
        ("a large square", {"large rotation": ["square"]}),
        ("a street at night", {"brightness": ["night"], "contrast": ["night"]}),
        ("Two DOGS play", {}),
    ],
)
def test_an_augmentation_breaks_the_words_that_speak_of_what_it_changes(caption, broken):
    assert breaks(caption) == broken


def test_every_colour_and_direction_of_the_world_is_known_to_break():
    for colour in world.COLOURS:
        assert colour in BREAKS["hue"]
    captions = world.sample(300, seed=0).captions("position")
    assert sum("crop" in breaks(caption) for caption in captions) == len(captions)
    relations = [caption for caption in world.sample(300, seed=0, objects=2).captions("relation") if " is " in caption]
    assert len(relations) > 200
    assert all("rotation" in breaks(caption) and "crop" not in breaks(caption) for caption in relations)


def test_an_unknown_augmentation_is_named():
    with pytest.raises(ValueError, match="no augmentation is called 'shear'; there are crop, rotation"):
        breaks("a cat", ["shear"])
