import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch

from mmlearn import show
from mmlearn.show.tables import render

ROWS = [["four loops", 22700.0, 1, False], ["im2col & <b>", 2.5, 1234567, True]]
HEADER = ["form", "ratio", "runs", "passes"]


def test_a_screen_reader_finds_caption_and_headers():
    page, _ = render(ROWS, HEADER, "Time of one convolution")
    table = ET.fromstring(page)
    assert table.find("caption").text == "Time of one convolution"
    assert [cell.get("scope") for cell in table.findall("thead/tr/th")] == ["col"] * 4
    assert [row[0].tag + row[0].get("scope") for row in table.findall("tbody/tr")] == ["throw", "throw"]
    assert table.findall("tbody/tr")[1][0].text == "im2col & <b>"


def test_numbers_are_aligned_right_and_words_left():
    page, _ = render(ROWS, HEADER, "Time of one convolution")
    cells = ET.fromstring(page).findall("tbody/tr")[0]
    assert [("right" if "text-align:right" in cell.get("style") else "left") for cell in cells] == [
        "left",
        "right",
        "right",
        "left",
    ]


def test_truth_is_said_in_words_beside_its_sign():
    page, text = render(ROWS, HEADER, "Time of one convolution")
    assert "✗ no" in page
    assert "✓ yes" in page
    assert "✓ yes" in text


def test_plain_text_lines_up():
    _, text = render([["a", 1.0], ["bbb", 22.0]], ["name", "value"], "Two values", highlight=[1])
    assert text.splitlines() == ["Two values", "name  value", "────  ─────", "a      1.00", "bbb    22.0  ←"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.2345, "1.23"),
        (-0.056, "−0.0560"),
        (3e-12, "3.00e−12"),
        (22700.0, "22700"),
        (1234567, "1\u2009234\u2009567"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (None, "–"),
        (np.float32(2.5), "2.50"),
        (torch.tensor(7), "7"),
        (np.True_, "✓ yes"),
    ],
)
def test_values_are_printed_to_three_digits(value, text):
    page, _ = render([["x", value]], ["name", "value"], "One value")
    assert ET.fromstring(page).findall("tbody/tr")[0][1].text == text


def test_a_highlighted_row_is_marked(published):
    show.table(ROWS, HEADER, caption="Time of one convolution", highlight=1)
    marked = [row.get("style") is not None for row in ET.fromstring(published[0]["text/html"]).findall("tbody/tr")]
    assert marked == [False, True]
    assert set(published[0]) == {"text/html", "text/plain"}


def test_an_empty_table_is_a_header():
    assert ET.fromstring(render([], HEADER, "Nothing yet")[0]).findall("tbody/tr") == []


@pytest.mark.parametrize(
    ("rows", "caption", "message"),
    [(ROWS, "", "caption must say"), ([["a"]], "Time of one convolution", "row 0 has 1 cells and the header 4")],
)
def test_what_does_not_fit_is_named(rows, caption, message):
    with pytest.raises(ValueError, match=message):
        render(rows, HEADER, caption)
