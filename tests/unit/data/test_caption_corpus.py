"""The corpus: habits that can be counted, no habits where none were asked for, and words that the world knows."""

from collections import Counter
from itertools import pairwise

import pytest

from mmlearn.data import world
from mmlearn.data.caption_corpus import FAVOURITES, caption_corpus
from mmlearn.data.text import tokens
from mmlearn.data.world.grammar import PLURALS


def colour_and_shape(captions):
    """Each colour that is followed by a shape, singular or plural."""
    singular = {plural: shape for shape, plural in PLURALS.items()}
    for caption in captions:
        words = tokens(caption)
        for colour, noun in pairwise(words):
            shape = singular.get(noun, noun)
            if colour in world.COLOURS and shape in world.SHAPES:
                yield colour, shape


def share_of_favourites(preference, n=3000):
    found = Counter(
        FAVOURITES[shape] == colour for colour, shape in colour_and_shape(caption_corpus(n, seed=1, preference=preference))
    )
    return found[True] / found.total()


@pytest.mark.parametrize("preference", [0.0, 0.5, 1.0])
def test_a_shape_has_its_favourite_colour_as_often_as_was_asked_for(preference):
    assert share_of_favourites(preference) == pytest.approx(preference + (1 - preference) / 8, abs=0.03)


def test_each_shape_has_a_favourite_of_its_own():
    assert set(FAVOURITES) == set(world.SHAPES)
    assert sorted(FAVOURITES.values()) == sorted(world.COLOURS)


def test_repeats_make_plurals_and_without_them_they_are_rare():
    def plurals(repeats):
        words = Counter(word for caption in caption_corpus(2000, seed=0, repeats=repeats) for word in tokens(caption))
        return sum(words[PLURALS[shape]] for shape in world.SHAPES) / sum(words[shape] for shape in world.SHAPES)

    assert plurals(0.4) > 10 * plurals(0.0)


def test_a_caption_depends_on_its_number_alone_and_seeds_and_splits_differ():
    some, more = caption_corpus(20, seed=4), caption_corpus(50, seed=4)
    assert more[:20] == some
    assert caption_corpus(20, seed=5) != some
    assert caption_corpus(20, seed=4, split="test") != some


def test_every_word_is_one_of_the_world():
    known = set(world.vocabulary().words)
    assert {word for caption in caption_corpus(500, seed=2) for word in tokens(caption)} <= known


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n must be a whole number of captions, at least 1; got 0"),
        ({"n": 2.5}, "n must be a whole number"),
        ({"n": 3, "preference": 1.5}, "preference must be a probability from 0 to 1; got 1.5"),
        ({"n": 3, "repeats": "often"}, "repeats must be a probability from 0 to 1; got 'often'"),
        ({"n": 3, "split": "dev"}, "split must be one of train, validation, test; got 'dev'"),
    ],
)
def test_what_is_out_of_range_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        caption_corpus(**({"seed": 0} | arguments))
