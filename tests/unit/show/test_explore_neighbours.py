"""The figure of chapter 13: the neighbours are those of the features, and what is said of them is counted."""

import html
import re

import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from mmlearn.data import world
from mmlearn.show.explore_neighbours import NEAREST, neighbours_explorer

SCENES = world.sample(30, seed=0, size=16, objects=1)
NAMES = {"colour": tuple(world.COLOURS), "shape": world.SHAPES}
WORDS = {name: [names[number] for number in getattr(SCENES, name)[:, 0]] for name, names in NAMES.items()}
DRAW = torch.Generator().manual_seed(0)
COLOUR = torch.nn.functional.one_hot(SCENES.colour[:, 0], 8) + 0.01 * torch.rand(30, 8, generator=DRAW)
FEATURES = {"early": torch.rand(30, 5, generator=DRAW), "late": COLOUR}


def given(**changes):
    return {"pictures": SCENES.image, "features": FEATURES, "attributes": WORDS} | changes


@pytest.fixture
def figure(published):
    return neighbours_explorer(**given())


def test_it_starts_with_the_last_layer_and_the_first_scene(figure):
    assert figure.value == {"scene": 0, "layer": "late"}


@pytest.mark.parametrize("layer", FEATURES)
def test_the_neighbours_are_those_of_scikit_learn(figure, layer):
    scaled = StandardScaler().fit_transform(FEATURES[layer].numpy())
    distances, rows = NearestNeighbors(n_neighbors=NEAREST + 1, metric="cosine").fit(scaled).kneighbors(scaled)
    for scene in (0, 7, 29):
        figure.set(scene=scene, layer=layer)
        assert figure.state["rows"].tolist() == [row for row in rows[scene].tolist() if row != scene]
        assert figure.state["cosines"] == pytest.approx(1 - distances[scene][1:], abs=1e-5)


def test_what_they_share_is_counted_and_chance_is_that_of_the_other_scenes(figure):
    figure.set(scene=4, layer="late")
    state = figure.state
    for name in NAMES:
        of_each = WORDS[name]
        assert state["shared"][name] == sum(of_each[row] == of_each[4] for row in state["rows"])
        assert state["expected"][name] == pytest.approx(NEAREST * (of_each.count(of_each[4]) - 1) / 29)
    assert state["shared"]["colour"] == min(NEAREST, WORDS["colour"].count(WORDS["colour"][4]) - 1)


def test_the_text_alternative_names_the_neighbours_and_the_counts(figure):
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert f"Scene 0, {WORDS['colour'][0]} {WORDS['shape'][0]}" in alt
    for row in figure.state["rows"]:
        assert f"{WORDS['colour'][row]} {WORDS['shape'][row]}" in alt
    assert f"{figure.state['shared']['colour']} have its colour" in alt


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pictures": SCENES.image[:5]}, "N ≥ 8"),
        ({"features": {"late": COLOUR[:9]}}, r"must be \(30, D\)"),
        ({"attributes": {"colour": ["red"]}}, "must hold 30 words"),
        ({"attributes": {}}, "at least one entry"),
        ({"scene": 30}, "scene must be a whole number from 0 to 29"),
        ({"layer": "middle"}, "layer must be one of 'early', 'late'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, words, published):
    with pytest.raises(ValueError, match=words):
        neighbours_explorer(**given(**changes))
