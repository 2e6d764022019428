import html
import re

import numpy as np
import pytest
import torch

from mmlearn import show
from mmlearn.data import world
from mmlearn.data.audio import log_mel
from mmlearn.show.explore_senses import draw, sensed, telling_patch, weight


@pytest.fixture(scope="module")
def scenes():
    return world.sample(3, seed=3, objects=(1, 4))


@pytest.fixture
def explorer(published):
    return show.senses_explorer()


def alt_in(page):
    return html.unescape(re.search(r'alt="([^"]*)"', page)[1])


def test_the_four_tensors_are_those_of_the_scene(scenes):
    parts = sensed(scenes, 1)
    torch.testing.assert_close(parts["image"], scenes.image[1])
    torch.testing.assert_close(parts["sound"], scenes.sound()[1])
    torch.testing.assert_close(parts["spectrogram"], log_mel(scenes.sound()[1].mean(0)))
    torch.testing.assert_close(parts["distance"], scenes.scan().distance[1])
    assert world.vocabulary().decode(parts["ids"][None]) == [parts["sentence"]]
    assert [world.vocabulary()[word] for word in parts["words"]] == parts["ids"].tolist()


def test_the_text_alternative_holds_words_numbers_and_weights_of_all_four(scenes, published):
    show.senses(scenes, 1)
    alt, parts = alt_in(published[0]["text/html"]), sensed(scenes, 1)
    for name in ("image", "ids", "sound", "spectrogram", "distance"):
        assert weight(parts[name]) in alt
    assert f"“{parts['sentence']}”" in alt
    row, column = parts["patch"]
    assert " ".join(f"{value:.2f}" for value in scenes.image[1, 0, row, column : column + 5].tolist()) in alt
    assert f"{int(parts['distance'].isfinite().sum())} of 64 rays" in alt
    for thing in scenes.objects(1):
        assert f"{thing['colour']} {thing['shape']} at x = {thing['x']:.2f}" in alt


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (torch.zeros(3, 64, 64), "(3, 64, 64)  float32  49,152 bytes"),
        (torch.zeros(7, dtype=torch.int64), "(7,)  int64  56 bytes"),
        (torch.zeros(2, 3, dtype=torch.float16), "(2, 3)  float16  12 bytes"),
        (torch.zeros(9, dtype=torch.bool), "(9,)  bool  9 bytes"),
    ],
)
def test_a_tensor_weighs_its_elements_times_their_bytes(tensor, expected):
    assert weight(tensor) == expected
    assert tensor.untyped_storage().nbytes() == int(expected.split("  ")[2].split()[0].replace(",", ""))


def test_the_patch_lies_on_an_edge():
    red = np.full((32, 40), 0.4)
    red[:, 21:] = 0.9
    row, column = telling_patch(red)
    assert column < 21 < column + 5
    assert 0 <= row <= 27


@pytest.mark.parametrize("size", [24, 64, 100, 200])
@pytest.mark.parametrize("objects", [1, 6])
def test_scenes_of_any_size_and_number_of_objects_are_shown(size, objects, published, pixels):
    show.senses(world.sample(1, seed=0, objects=objects, size=size), rays=16)
    assert pixels(published[0]["text/html"]).shape[1] == 2 * 720


@pytest.mark.parametrize("objects", [1, 6])
def test_no_word_leaves_the_figure(objects):
    from mmlearn.show.figures import drawn

    fig = draw(**sensed(world.sample(1, seed=1, objects=objects)))
    height, width, _ = drawn(fig).shape
    for text in fig.axes[0].texts:
        box = text.get_window_extent()
        assert min(box.x0, width - box.x1, box.y0, height - box.y1) >= 0, text.get_text()


def test_an_empty_scene_is_shown(published):
    some = world.sample(20, seed=0, objects=(0, 1))
    show.senses(some[some.count == 0])
    alt = alt_in(published[0]["text/html"])
    assert "“there is nothing”" in alt
    assert "from left to right: none" in alt
    assert "0 of 64 rays" in alt


def test_one_figure_with_its_text_fits_into_a_notebook(scenes, published):
    show.senses(scenes)
    assert len(published[0]["text/html"]) < 500_000


def test_it_starts_with_several_objects_and_says_what_they_cost(explorer):
    assert explorer.value == {"scene": 7, "objects": 3, "noise": 0.03, "size": 64}
    assert "The same 3 objects: 49,152 bytes as pixels" in explorer.html


def test_noise_changes_the_pixels_alone(explorer):
    before = explorer.state
    explorer.set(noise=0.2)
    assert not torch.equal(explorer.state["image"], before["image"])
    for name in ("ids", "sound", "distance"):
        assert torch.equal(explorer.state[name], before[name])


def test_a_larger_picture_costs_four_times_the_pixels_and_nothing_else(explorer):
    before = explorer.state
    explorer.set(size=128)
    assert explorer.state["image"].numel() == 4 * before["image"].numel()
    for name in ("ids", "sound", "distance"):
        assert torch.equal(explorer.state[name], before[name])


@pytest.mark.parametrize("objects", [1, 6])
def test_the_number_of_objects_is_that_of_the_slider(explorer, objects):
    explorer.set(objects=objects)
    assert len(explorer.state["things"]) == objects
    assert f"The same {objects} object" in explorer.html
    assert explorer.state["sound"].shape == (2, 32000)


def test_the_text_alternative_follows_the_scene(explorer):
    before = explorer.state["sentence"]
    explorer.set(scene=8)
    after = explorer.state["sentence"]
    assert after != before
    assert f"“{after}”" in alt_in(explorer.html)


def test_every_control_says_what_it_is(explorer):
    assert all(widget.description for widget in explorer.widgets.values())


@pytest.mark.parametrize("n", [3, -4, "0", 0.0, True])
def test_a_scene_that_is_not_there_is_named(n, scenes):
    with pytest.raises(ValueError, match=r"n must be one of the 3 scenes, 0 to 2; got"):
        show.senses(scenes, n)


def test_what_is_no_scene_is_named(scenes):
    with pytest.raises(ValueError, match="must be a Scenes"):
        show.senses(scenes.image)
