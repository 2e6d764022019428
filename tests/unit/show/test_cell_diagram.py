"""The picture of an LSTM's step: it is drawn with and without numbers, and says the same in words."""

import html

import numpy as np
import pytest

from mmlearn.show.cell_diagram import lstm_diagram

NUMBERS = {"i": 0.5, "f": 0.75, "g": 0.5, "o": 0.5, "c": 1.75, "h": 0.4707}


def page(bundle):
    return html.unescape(bundle["text/html"])


def test_it_says_in_words_what_it_draws(published):
    lstm_diagram()
    assert "multiplied by the forget gate f" in page(published[0])
    assert "old cell 2" not in page(published[0])


def test_the_numbers_are_in_the_picture_and_in_the_words(published, pixels):
    lstm_diagram()
    lstm_diagram(NUMBERS, before=2.0)
    assert "With the old cell 2: i = 0.50, f = 0.75, g = 0.50, o = 0.50, c = 1.75, h = 0.47." in page(published[1])
    bare, numbered = (pixels(bundle["text/html"]) for bundle in published)
    assert bare.shape == numbered.shape
    assert (bare != numbered).any(-1).mean() > 0.002


def test_the_cells_way_is_straight(published, pixels):
    lstm_diagram()
    picture = pixels(published[0]["text/html"]).astype(int)
    vermilion = (np.abs(picture - (0xC4, 0x4A, 0x00)).sum(-1) < 12).sum(1)  # in each row of dots
    assert vermilion.argmax() in range(2 * 62 - 4, 2 * 62 + 5)


@pytest.mark.parametrize(
    ("values", "before", "missing"),
    [
        ({"i": 1.0}, 2.0, "missing: f, g, o, c, h"),
        (NUMBERS, None, "missing: before"),
        (None, 2.0, "missing: i, f, g, o, c, h"),
    ],
)
def test_a_number_that_is_missing_is_named(values, before, missing):
    with pytest.raises(ValueError, match=missing):
        lstm_diagram(values, before)
