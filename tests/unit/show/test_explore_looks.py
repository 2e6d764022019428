"""The figure of chapter 17: what it says of a word's look is what the maps and the masks say."""

import html
import re

import numpy as np
import pytest
import torch

from mmlearn.data.world.referring import referring
from mmlearn.ops.region_mass import region_mass
from mmlearn.show.explore_looks import ALL, look_explorer

TASK = referring(6, seed=0)
PHRASES = [text.split() for text in TASK.text]
MAPS = torch.randn(6, 2, 3, 36, generator=torch.Generator().manual_seed(0)).mul(2).softmax(-1)
SHARE = torch.nn.functional.adaptive_avg_pool2d(TASK.scenes.mask[:, :2].float(), 6).flatten(2)


def given(**changes):
    arguments = {"pictures": TASK.image, "mask": TASK.scenes.mask[:, :2], "phrases": PHRASES, "maps": MAPS}
    return arguments | changes


@pytest.fixture
def figure(published):
    return look_explorer(**given())


def test_it_starts_with_the_naming_word_and_the_mean_of_the_heads(figure):
    assert figure.value == {"example": 0, "word": 1, "head": ALL}
    np.testing.assert_allclose(figure.state["grid"].ravel(), MAPS[0].mean(0)[1], rtol=1e-6)
    assert figure.state["grid"].sum() == pytest.approx(1)


def test_masses_and_areas_are_those_of_the_masks(figure):
    for example in range(6):
        figure.set(example=example)
        for head in (1, 2, ALL):
            figure.set(head=head)
            weights = MAPS[example].mean(0)[1] if head == ALL else MAPS[example, head - 1, 1]
            expected = region_mass(weights, SHARE[example])
            np.testing.assert_allclose(figure.state["masses"], expected.mass, rtol=1e-5)
            np.testing.assert_allclose(figure.state["areas"], expected.area, rtol=1e-5)


def test_the_word_stays_within_a_shorter_phrase(figure):
    lengths = [len(phrase) for phrase in PHRASES]
    assert set(lengths) == {2, 3}
    figure.set(example=lengths.index(3))
    figure.set(word=2)
    figure.set(example=lengths.index(2))
    assert figure.value["word"] == 1 == figure.state["word"]


def test_the_text_alternative_holds_the_numbers(figure):
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert f"“{TASK.text[0]}”" in alt
    mass, area = figure.state["masses"][1], figure.state["areas"][1]
    assert f"{mass:.0%} of its weight to the other thing, which covers {area:.0%} of the picture" in alt
    assert f"{100 * figure.state['grid'][0, 0]:.0f} {100 * figure.state['grid'][0, 1]:.0f}" in alt


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


def test_one_thing_and_a_thing_that_is_hidden(published):
    figure = look_explorer(**given(mask=torch.zeros(6, 1, 24, 24, dtype=torch.bool), things=("thing",)))
    assert figure.state["masses"] == figure.state["areas"] == [0.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phrases": []}, "at least one phrase"),
        ({"phrases": [*PHRASES[:5], []]}, "at least one word"),
        ({"maps": MAPS[:, :, :1]}, "maps must be"),
        ({"maps": MAPS[..., :35]}, "P a square number"),
        ({"maps": MAPS[0]}, "maps must be"),
        ({"pictures": TASK.image[..., :20, :20]}, "a multiple of 6 patches"),
        ({"mask": TASK.scenes.mask[:, :1]}, r"mask must be \(6, 2, 24, 24\)"),
        ({"example": 6}, "example must be a whole number from 0 to 5"),
        ({"word": 9}, "word must be"),
        ({"head": 3}, "head must be one of 'mean of the heads', 1, 2"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        look_explorer(**given(**changes))
