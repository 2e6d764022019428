import html
import re

import numpy as np
import pytest
import torch

from mmlearn import show
from mmlearn.data import world
from mmlearn.show.scene_grids import describe, edges


@pytest.fixture(scope="module")
def scenes():
    return world.sample(8, seed=3, objects=(1, 5))


def alt_of(bundle):
    return html.unescape(re.search(r'alt="([^"]*)"', bundle["text/html"])[1])


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_scenes_of_any_number_are_shown_no_wider_than_asked(count, scenes, published, pixels):
    show.scenes(scenes[:count], boxes=True, masks=True, depth=True, captions=True)
    assert pixels(published[0]["text/html"]).shape[1] <= 2 * 700


def test_the_text_alternative_names_every_object_and_where_it_is(scenes, published):
    show.scenes(scenes[:3])
    alt = alt_of(published[0])
    for sentence in scenes[:3].captions("position"):
        assert sentence in alt


def test_the_boxes_in_the_text_alternative_are_those_of_the_scene(scenes, published):
    show.scenes(scenes[0], boxes=True)
    alt = alt_of(published[0])
    for thing in scenes.objects(0):
        if scenes.mask[0, thing["slot"]].any():
            numbers = ", ".join(f"{value:.0f}" for value in scenes.box[0, thing["slot"]].tolist())
            assert f"{thing['colour']} {thing['shape']} {numbers}" in alt


def test_the_text_alternative_counts_the_outlined_pixels_and_orders_by_depth(scenes):
    alt = describe(scenes[0], masks=True, depth=True)
    things = scenes.objects(0)
    for thing in things:
        assert f"{thing['shape']} {int(scenes.mask[0, thing['slot']].sum())}" in alt
    nearest, farthest = (f"{things[place]['colour']} {things[place]['shape']}" for place in (0, -1))
    order = alt.split("From near to far: ")[1]
    assert order.startswith(nearest)
    assert order.endswith(f"and {farthest}.")


def test_captions_are_written_out_and_of_own_choice(scenes, published):
    show.scenes(scenes[:2], captions=["first of all", "second"])
    assert "“first of all”" in alt_of(published[0])


def test_many_scenes_are_told_up_to_a_dozen_and_counted(published):
    show.scenes(world.sample(15, seed=0))
    assert "And 3 more scenes." in alt_of(published[0])


def test_a_hidden_object_is_said_to_be_hidden():
    above = {"x": torch.tensor([[0.5, 0.5]]), "y": torch.tensor([[0.5, 0.5]]), "depth": torch.tensor([[0, 1]])}
    names = {"shape": torch.tensor([[1, 0]]), "colour": torch.tensor([[0, 5]]), "size": torch.tensor([[1, 0]])}
    scenes = world.compose(seed=0, index=[0], **names, **above)
    assert not scenes.mask[0, 1].any()
    assert "Wholly hidden: blue circle." in describe(scenes, boxes=True)


def test_a_picture_shows_its_scene(published, pixels):
    scene = world.sample(1, seed=0, objects=1, colours=["red"], texture=0.0, noise=0.0)
    show.scenes(scene)
    picture = pixels(published[0]["text/html"])
    red = np.array(world.COLOURS["red"]) * 255
    close = (np.abs(picture - red) < 6).all(-1).sum()
    drawn = int((scene.mask[0, 0]).sum()) * 10 * 10  # ten dots a pixel each way: 64 pixels on 320 CSS pixels
    assert close == pytest.approx(drawn, rel=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_the_edges_of_a_mask_are_as_long_as_its_border(seed):
    mask = np.random.default_rng(seed).random((9, 7)) < 0.5
    padded = np.pad(mask, 1).astype(int)
    border = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    assert sum(np.abs(line[1] - line[0]).sum() for line in edges(mask)) == border


def test_the_edges_of_one_pixel_are_its_four_sides():
    mask = np.zeros((4, 5), dtype=bool)
    mask[1, 2] = True
    sides = {tuple(map(tuple, line)) for line in edges(mask)}
    assert sides == {((2, 1), (3, 1)), ((2, 2), (3, 2)), ((2, 1), (2, 2)), ((3, 1), (3, 2))}


def test_figures_are_forgotten_by_pyplot(scenes, published):
    import matplotlib.pyplot as plt

    show.scenes(scenes)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"titles": ["one"]}, "1 titles for 8 scenes"),
        ({"captions": ["one", "two"]}, "2 captions for 8 scenes"),
        ({"captions": "one"}, "one string for 8 scenes"),
        ({"alt": "picture"}, "alt must say"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message, scenes):
    with pytest.raises(ValueError, match=message):
        show.scenes(scenes, **arguments)


def test_what_is_no_scene_is_named(scenes):
    with pytest.raises(ValueError, match=r"show\.images"):
        show.scenes(scenes.image)
    with pytest.raises(ValueError, match="at least one scene"):
        show.scenes(scenes[:0])


def test_questions_stand_beside_their_picture_with_their_answers(scenes, published):
    asked = scenes.questions(per_scene=2)
    show.questions(scenes, asked, limit=3)
    page = html.unescape(published[0]["text/html"])
    assert page.count("<img") == 3
    for place, scene in enumerate(asked.scene.tolist()):
        row = f">{asked.text[place]}</td>"
        assert (row in page) or scene not in asked.scene.unique()[:3]
    first = page.index(asked.text[0])
    assert page.index("<img") < first
    assert f">{asked.answer[0]}</td>" in page[first:]
    assert scenes[:1].captions("position")[0][1:] in page


def test_questions_that_are_left_out_are_counted(scenes, published):
    asked = scenes.questions(per_scene=2)
    show.questions(scenes, asked, limit=2)
    shown = sum(row in asked.scene.unique()[:2] for row in asked.scene)
    text = published[0]["text/plain"]
    assert text.startswith(f"{shown} questions about 2 pictures")
    assert f"not shown: {len(asked) - shown} questions about {len(asked.scene.unique()) - 2} pictures" in text


def test_questions_of_other_scenes_are_refused(scenes):
    asked = scenes.questions()
    with pytest.raises(ValueError, match="about scene 7, and there are 2 scenes"):
        show.questions(scenes[:2], asked)
    with pytest.raises(ValueError, match="at least one question"):
        show.questions(scenes, asked[:0])
    with pytest.raises(ValueError, match="limit must be a whole number of pictures, at least 1; got 0"):
        show.questions(scenes, asked, limit=0)
