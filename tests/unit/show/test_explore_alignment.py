"""The figure of chapter 18: what it says of a moment is what the loss and its gradient say."""

import html
import math
import re

import numpy as np
import pytest
import torch

from mmlearn.data import world
from mmlearn.ops.contrastive import info_nce, unit_rows
from mmlearn.show.explore_alignment import VIEWS, similarity_explorer

SCENES = world.sample(6, seed=0, size=24, objects=1)
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = unit_rows(torch.randn(3, 6, 4, generator=GENERATOR))
TEXTS = torch.stack([unit_rows(torch.randn(6, 4, generator=GENERATOR)), IMAGES[1].roll(1, 0), IMAGES[2]])
SCALES, STEPS = [10.0, 15.0, 40.0], [0, 20, 300]


def given(**changes):
    arguments = {
        "images": IMAGES,
        "texts": TEXTS,
        "scales": SCALES,
        "steps": STEPS,
        "pictures": SCENES.image,
        "captions": SCENES.captions("inventory"),
    }
    return arguments | changes


@pytest.fixture
def figure(published):
    return similarity_explorer(**given())


def test_it_starts_at_the_end_of_training_with_the_cosines(figure):
    assert figure.value == {"moment": 300, "view": VIEWS[0], "query": 1}
    np.testing.assert_allclose(figure.state["values"], (IMAGES[2].double() @ TEXTS[2].double().T), atol=1e-7)
    assert figure.state["recall"] == (1.0, 1.0)


def test_loss_and_chance_are_those_of_the_loss(figure):
    for step, a, b, scale in zip(STEPS, IMAGES, TEXTS, SCALES, strict=True):
        figure.set(moment=step)
        assert figure.state["loss"] == pytest.approx(info_nce(a.double(), b.double(), scale).item(), rel=1e-6)
        assert figure.state["chance"] == pytest.approx(math.log(6))
    figure.set(moment=20)
    assert figure.state["recall"] == (0.0, 0.0)  # each text stands beside the next picture


def test_the_views_are_shares_and_the_gradient(figure):
    figure.set(view=VIEWS[1], moment=0, query=3)
    np.testing.assert_allclose(figure.state["values"].sum(1), 1)
    np.testing.assert_allclose(figure.state["shares"], figure.state["values"][2])
    figure.set(view=VIEWS[2])
    np.testing.assert_allclose(figure.state["values"].sum(0), 1)
    figure.set(view=VIEWS[3])
    scores = (10 * IMAGES[0].double() @ TEXTS[0].double().T).requires_grad_()
    right = torch.arange(6)
    loss = (torch.nn.functional.cross_entropy(scores, right) + torch.nn.functional.cross_entropy(scores.T, right)) / 2
    loss.backward()
    np.testing.assert_allclose(figure.state["values"], 6 * scores.grad, atol=1e-6)


def test_the_text_alternative_and_the_note_hold_the_numbers(figure):
    figure.set(moment=0, query=2)
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert "After 0 training steps, cosines: 6 pictures down" in alt
    assert f"Loss {figure.state['loss']:.2f}" in alt
    assert f"gives its own text {figure.state['shares'][1]:.0%}" in alt
    for caption in SCENES.captions("inventory"):
        assert caption in alt


def test_sixteen_pairs_fit(published):
    scenes = world.sample(16, seed=1, size=24, objects=1)
    z = unit_rows(torch.randn(1, 16, 4))
    captions = ["a large and rather remarkably purple triangle, and more of it"] * 16
    figure = similarity_explorer(z, z, [10.0], [0], scenes.image, captions)
    assert figure.state["loss"] < math.log(16)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"texts": TEXTS[:, :, :3]}, r"\(S, N, D\)"),
        ({"images": IMAGES[:, :1], "texts": TEXTS[:, :1]}, "2 to 16 pairs"),
        ({"scales": [1.0]}, "3 moments"),
        ({"steps": [0, 5, 5]}, "steps rising"),
        ({"captions": ["a"]}, "a picture"),
        ({"moment": 7}, "one of the steps"),
        ({"view": "everything"}, "view must be one of"),
        ({"query": 7}, "from 1 to 6"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        similarity_explorer(**given(**changes))
