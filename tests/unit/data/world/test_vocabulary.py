"""No sentence of the world has a word that its vocabulary does not know, and each comes back as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.data import world
from mmlearn.data.text import joined, tokens
from mmlearn.data.world.captions import TEMPLATES
from mmlearn.data.world.vocabulary import vocabulary


@pytest.fixture(scope="module")
def sentences():
    """Thousands of captions in every template, questions and answers, of scenes with none to six objects."""
    scenes = world.sample(1500, seed=1, size=24, objects=(0, 6), overlap=0.5)
    asked = scenes.questions(per_scene=3)
    return [text for template in TEMPLATES for text in scenes.captions(template)] + asked.text + [*asked.answers]


def test_decode_undoes_encode_on_every_caption_question_and_answer(sentences):
    some = vocabulary()
    assert len(set(sentences)) > 5000
    ids, mask = some.encode(sentences)
    assert some.decode(ids) == sentences
    assert not (ids == some["<unk>"]).any()
    assert mask.sum().item() == sum(len(tokens(text)) for text in sentences)


def test_decode_undoes_encode_on_clips_and_tasks():
    some = vocabulary()
    texts = [*world.sample(100, seed=2, size=24, objects=(0, 6)).clip(2).captions, *world.dial(0.1, 0.2, n=100, seed=0).text]
    for task in [world.matching, world.selection, world.redundant, world.unique_image, world.unique_text]:
        texts += task(100, seed=0).text
    assert some.decode(some.encode(texts).ids) == texts
    assert not (some.encode(texts).ids == some["<unk>"]).any()


def test_words_that_no_sample_may_happen_to_hold_are_known():
    some = vocabulary()
    of_scenes = [
        *world.SHAPES,
        *world.COLOURS,
        *world.SIZES,
        "six",
        "crosses",
        "an",
        "nothing",
        "behind",
        "corner",
        "ones",
        ",",
        "?",
    ]
    of_clips = ["moves", "left", "right", "up", "down", "stays", "still", "and", "slowly", "quickly", "sixth"]
    of_tasks = ["what", "colour", "is", "the", "object", "card", "says", "in", "morning", "evening", "yes", "no"]
    assert [word for word in of_scenes + of_clips + of_tasks if word not in some] == []


def test_the_numbers_of_the_words_never_change_from_one_call_to_the_next():
    assert vocabulary() == vocabulary()
    words = vocabulary().words[4:]
    assert list(words) == sorted(words)
    assert not [word for word in words if tokens(word) != [word]]


@given(st.lists(st.sampled_from(vocabulary().words[4:]), min_size=1, max_size=20))
def test_any_words_of_the_world_in_any_order_come_back(words):
    text = joined(words)
    assert vocabulary().decode(vocabulary().encode([text]).ids) == [text]
