"""The figure of chapter 10: what it says of a query is what the maps say, in the words and in the patches."""

import html
import re

import numpy as np
import pytest
import torch

from mmlearn.data.text import tokens
from mmlearn.data.world.one_circle import one_circle
from mmlearn.show.explore_attention import ALL, attention_explorer

SCENES = one_circle(3, seed=0)
SENTENCES = [["<start>", *tokens(caption)] for caption in SCENES.captions("inventory")]
T = max(map(len, SENTENCES))


def maps():
    generator = torch.Generator().manual_seed(0)
    word = torch.randn(2, 3, 2, T, T, generator=generator)
    for n, sentence in enumerate(SENTENCES):
        word[:, n, ..., len(sentence) :] = -torch.inf  # padding
    patch = 2 * torch.randn(2, 3, 2, 37, 37, generator=generator)
    return word.softmax(-1), patch.softmax(-1)


WORD_MAPS, PATCH_MAPS = maps()


def given(**changes):
    arguments = {
        "pictures": SCENES.image,
        "mask": SCENES.mask[:, 0],
        "sentences": SENTENCES,
        "word_maps": WORD_MAPS,
        "patch_maps": PATCH_MAPS,
        "marked": [words.index("circle") - 1 for words in SENTENCES],
    }
    return arguments | changes


@pytest.fixture
def figure(published):
    return attention_explorer(**given())


def test_it_starts_with_the_class_tokens_look_in_the_last_layer(figure):
    assert figure.value == {"example": 0, "layer": 2, "head": 1, "query_word": 0, "query_patch": 0}
    np.testing.assert_allclose(figure.state["weights"], WORD_MAPS[1, 0, 0, 0, : len(SENTENCES[0])])
    np.testing.assert_allclose(figure.state["grid"].ravel(), PATCH_MAPS[1, 0, 0, 0, 1:])
    assert figure.state["weights"].sum() == pytest.approx(1)
    assert figure.state["grid"].sum() + figure.state["class_weight"] == pytest.approx(1)


def test_the_controls_choose_the_row_of_the_maps(figure):
    figure.set(example=1, layer=1, head=2, query_word=3, query_patch=8)
    np.testing.assert_allclose(figure.state["weights"], WORD_MAPS[0, 1, 1, 3, : len(SENTENCES[1])])
    np.testing.assert_allclose(figure.state["grid"].ravel(), PATCH_MAPS[0, 1, 1, 8, 1:])
    figure.set(head=ALL)
    np.testing.assert_allclose(figure.state["grid"].ravel(), PATCH_MAPS[0, 1, :, 8, 1:].mean(0), rtol=1e-6)
    assert "mean of the heads" in figure.html


def test_the_objects_patches_and_their_mass_are_those_of_the_mask(figure):
    for example in range(3):
        figure.set(example=example)
        share = SCENES.mask[example, 0].double().view(6, 4, 6, 4).mean((1, 3))
        np.testing.assert_array_equal(figure.state["covered"], share > 0.25)
        assert figure.state["area"] == pytest.approx((share > 0.25).double().mean().item())
        mass = PATCH_MAPS[1, example, 0, 0, 1:][(share > 0.25).flatten()].sum().item()
        assert figure.state["on_object"] == pytest.approx(mass)


def test_the_query_stays_within_a_shorter_sentence(figure):
    longest = max(range(3), key=lambda n: len(SENTENCES[n]))
    shortest = min(range(3), key=lambda n: len(SENTENCES[n]))
    assert len(SENTENCES[shortest]) < len(SENTENCES[longest])
    figure.set(example=longest)
    figure.set(query_word=len(SENTENCES[longest]) - 1)
    figure.set(example=shortest)
    assert figure.value["query_word"] == len(SENTENCES[shortest]) - 1 == figure.state["query_word"]


def test_the_text_alternative_holds_the_numbers(figure):
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert "Layer 2, head 1." in alt
    for word, weight in zip(SENTENCES[0], figure.state["weights"], strict=True):
        assert f"{word} {weight:.0%}" in alt
    assert f"{figure.state['on_object']:.0%} to the object's patches" in alt
    assert f"{100 * figure.state['grid'][0, 0]:.0f} {100 * figure.state['grid'][0, 1]:.0f}" in alt


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


def test_an_object_that_is_hidden_and_sentences_without_a_mark(published):
    hidden = torch.zeros_like(SCENES.mask[:, 0])
    figure = attention_explorer(**given(mask=hidden, marked=None))
    assert figure.state["on_object"] == figure.state["area"] == 0
    assert "covers no patch" in figure.html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sentences": []}, "at least one sentence"),
        ({"sentences": [["a"], [], ["b"]]}, "at least one word"),
        ({"word_maps": WORD_MAPS[..., :4, :4]}, "word_maps must be"),
        ({"word_maps": WORD_MAPS[:, :2]}, "word_maps must be"),
        ({"patch_maps": PATCH_MAPS[..., :36, :36]}, "P a square number"),
        ({"patch_maps": PATCH_MAPS[:1]}, "patch_maps must be"),
        ({"pictures": SCENES.image[..., :20, :20]}, "a multiple of 6 patches"),
        ({"mask": SCENES.mask}, "mask must be"),
        ({"marked": [1]}, "marked must name"),
        ({"example": 3}, "example must be a whole number from 0 to 2"),
        ({"layer": 0}, "layer must be a whole number from 1 to 2"),
        ({"head": 3}, "head must be one of 1, 2"),
        ({"query_patch": 37}, "query_patch must be"),
        ({"query_word": 40}, "query_word must be"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        attention_explorer(**given(**changes))
