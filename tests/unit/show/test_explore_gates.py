"""The figure of chapter 08: what it shows is what torch's LSTM computes, and its last row adds up to the last cell."""

import html
import re

import numpy as np
import pytest
import torch

from mmlearn.data import Vocabulary
from mmlearn.models import TextRNN
from mmlearn.show.explore_gates import LONGEST, ROWS, gate_explorer

SENTENCES = ["a red circle is left of a blue square", "a blue star"]
CLASSES = ("red", "blue", "green")


@pytest.fixture
def vocabulary():
    return Vocabulary.from_texts(SENTENCES)


@pytest.fixture
def model(vocabulary):
    torch.manual_seed(0)
    return TextRNN(len(vocabulary), len(CLASSES), features=4, hidden=6)


@pytest.fixture
def figure(published, model, vocabulary):
    return gate_explorer(model, vocabulary, SENTENCES, CLASSES, unit=2)


def test_the_states_and_answers_are_those_of_the_model(figure, model, vocabulary):
    for number, text in enumerate(SENTENCES):
        figure.set(sentence=number)
        ids, mask = vocabulary.encode([text])
        with torch.no_grad():
            outputs = model.sequence(ids, mask)[0]  # (T, H)
            chances = model.fc(outputs).softmax(1)
        for unit in range(6):
            figure.set(unit=unit)
            np.testing.assert_allclose(figure.state["h"], outputs[:, unit].numpy(), atol=1e-6)
        assert figure.state["answers"] == [CLASSES[n] for n in chances.argmax(1)]
        np.testing.assert_allclose(figure.state["chances"], chances.max(1).values.numpy(), atol=1e-6)


def test_what_is_left_of_every_word_adds_up_to_the_last_cell(figure):
    for unit in range(6):
        figure.set(unit=unit)
        state = figure.state
        assert state["left"].sum() == pytest.approx(state["c"][-1], abs=1e-6)
        np.testing.assert_allclose(state["written"], state["i"] * state["g"], atol=1e-7)
        assert state["left"][-1] == pytest.approx(state["written"][-1])


def test_it_begins_with_the_unit_that_tells_the_sentences_apart(published, model, vocabulary):
    figure = gate_explorer(model, vocabulary, SENTENCES, CLASSES)
    chosen = figure.state["unit"]
    apart = []
    for unit in range(6):
        last = [figure.set(sentence=number, unit=unit).state["c"][-1] for number in (0, 1)]
        apart.append(abs(last[0] - last[1]))
    assert int(np.argmax(apart)) == chosen


def test_the_text_alternative_holds_the_numbers(figure):
    alt = html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])
    assert "Unit 2 (of 0 to 5) of an LSTM along the sentence “a red circle is left of a blue square”" in alt
    f = figure.state["f"][1]
    assert f"red: forget gate f {f:.2f}" in alt
    assert alt.count("forget gate f") == 9
    assert all(label in alt for label in ROWS.values())


def test_the_note_names_the_word_that_counts(figure):
    state = figure.state
    word = state["words"][int(np.abs(state["left"]).argmax())]
    assert f"was written at “{word}”" in html.unescape(figure.html)


def test_the_longest_sentence_fits(published, model, vocabulary):
    long = " ".join(["triangle"] * LONGEST)
    figure = gate_explorer(model, vocabulary, [long], CLASSES)
    assert len(figure.state["words"]) == LONGEST


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": 6}, "unit must be a whole number from 0 to 5; got 6"),
        ({"unit": -1}, "unit must be"),
        ({"sentence": 2}, "sentence must be a whole number from 0 to 1; got 2"),
        ({"sentences": []}, "one or more strings"),
        ({"sentences": ["a", ""]}, r"got \[1, 0\] words"),
        ({"sentences": ["a " * 15]}, r"got \[15\] words"),
        ({"classes": ("red", "blue")}, "must name the 3 logits of the model; got 2"),
    ],
)
def test_what_cannot_be_shown_is_refused(model, vocabulary, options, words):
    given = {"sentences": SENTENCES, "classes": CLASSES} | options
    with pytest.raises(ValueError, match=words):
        gate_explorer(model, vocabulary, given.pop("sentences"), given.pop("classes"), **given)


@pytest.mark.parametrize("options", [{"cell": "gru"}, {"bidirectional": True}, {"layers": 2}])
def test_a_network_with_other_gates_is_refused(vocabulary, options):
    with pytest.raises(ValueError, match=r"model\.layer must be an nn\.LSTM with one layer in one direction"):
        gate_explorer(TextRNN(len(vocabulary), 3, hidden=4, **options), vocabulary, SENTENCES, CLASSES)
