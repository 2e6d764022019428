"""A result reads well as plain text, and as HTML is accessible, safe, and readable on white and on black."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from mmlearn.exercises.result import LOOK, Note, Result


class Page(HTMLParser):
    """Tags and text of a piece of HTML; fails on tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def result(status="failed", **parts):
    return Result(status, **{"message": "it is wrong", "title": "Moving average", **parts})


@pytest.mark.parametrize("status", list(LOOK))
def test_symbol_and_word_say_the_status_without_colour(status):
    symbol, word, _ = LOOK[status]
    assert str(result(status)).startswith(f"{symbol} {word} · Moving average\n  It is wrong.")
    assert repr(result(status)) == str(result(status))
    page = Page(result(status)._repr_html_())
    assert word in page.text
    assert page.tags[0][1]["role"] == "status"
    assert ("span", "true") in [(tag, attributes.get("aria-hidden")) for tag, attributes in page.tags]


def test_only_passed_counts_as_passed():
    assert [status for status in LOOK if result(status).passed] == ["passed"]
    assert [status for status in LOOK if result(status)] == ["passed"]


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", ["#ffffff", "#111111"])
def test_the_bar_stands_out_on_white_and_on_black(background):
    """WCAG 2.2, 1.4.11: at least 3 : 1."""
    for _, _, colour in LOOK.values():
        low, high = sorted([luminance(colour), luminance(background)])
        assert (high + 0.05) / (low + 0.05) >= 3


def test_text_takes_the_colour_of_the_page():
    colours = re.findall(r"(?<![-\w])color:(\w+)", result(detail="x")._repr_html_())
    assert set(colours) == {"inherit"}


@pytest.mark.parametrize("part", ["message", "diagnosis", "more", "detail", "printed", "title", "next_step"])
def test_the_students_text_is_shown_not_run(part):
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)> `</code><b>` \"'&amp;"
    page = Page(result(**{part: attack})._repr_html_())
    assert {tag for tag, _ in page.tags} <= {"div", "p", "span", "strong", "code", "details", "summary", "pre"}
    assert "<script>alert(1)</script>" in page.text
    assert "&amp;" in page.text


def test_an_exception_with_markup_in_it_is_shown_not_run(moving_average):
    def answer(signal, width, stride=1):
        raise ValueError("<script>alert(1)</script>")

    text = moving_average.check(answer)._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_code_is_marked_and_dollars_are_left_for_mathjax():
    text = result(diagnosis="use `x.mT`, since $A^T$ is meant")._repr_html_()
    assert "<code>x.mT</code>" in text
    assert "$A^T$" in text


def test_wide_evidence_scrolls_and_can_be_reached_by_keyboard():
    page = Page(result(detail="x" * 500)._repr_html_())
    (attributes,) = [attributes for tag, attributes in page.tags if tag == "pre"]
    assert attributes["tabindex"] == "0"
    assert "overflow-x:auto" in attributes["style"]


def test_sentences_get_a_capital_and_a_full_stop_once():
    assert "It is wrong.\n" in str(result(diagnosis="is it?"))
    assert str(result(diagnosis="is it?")).endswith("Is it?")
    assert "`x` is wrong." in str(result(message="`x` is wrong"))
    assert str(Result("passed", "")) == "✓ Passed"


@pytest.mark.parametrize(
    "text",
    ["σ is too large", "u is not squared", "x-edges are moved", "n_d is 1", "k² weights", "$u$ is an offset", "`u` is an offset",
     "im2col is", "torch.zeros is float32", "f(x) is", "x = 1 is", "σ² is", "σ"],
)  # fmt: skip
def test_a_symbol_at_the_front_stays_as_it_is(text):
    assert f"  {text}.\n" in str(result(message=text, more="x")) + "\n"
    assert f">{text.replace('`u`', '<code>u</code>')}.<" in result(message=text)._repr_html_()


@pytest.mark.parametrize("text", ["a length", "is it", "doubled, then halved", "one-hot codes", "torch. Then"])
def test_a_word_at_the_front_gets_its_capital(text):
    assert f"  {text[0].upper()}{text[1:]}." in str(result(message=text))


def test_a_note_is_markdown_in_a_notebook_and_text_elsewhere():
    note = Note("**Hint 1 of 2**\n\n$x$")
    assert note._repr_markdown_() == str(note) == repr(note)


def test_ipython_shows_the_html(moving_average):
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, _ = formatters.DisplayFormatter().format(result())
    assert shown["text/html"].startswith('<div role="status"')
    shown, _ = formatters.DisplayFormatter().format(moving_average.hint())
    assert shown["text/markdown"].startswith("**Hint 1 of 2**")
    shown, _ = formatters.DisplayFormatter().format(moving_average)
    assert "about 5 minutes" in shown["text/markdown"]


def test_a_check_needs_no_ipython():
    code = """
import sys
sys.modules["IPython"] = None
from mmlearn.exercises import Case, Exercise
exercise = Exercise(chapter="99", name="twice", title="Twice", oracle=lambda x: 2 * x, solution="twice = 2",
                    cases=lambda draw: [Case(draw.normal(3))], mistakes=[], hints=["add"])
print(exercise.check(lambda x: x + x), exercise.check(lambda x: x), exercise.hint(), exercise.solution())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "✓ Passed" in done.stdout
    assert "✗ Not yet" in done.stdout


def test_stars_emphasise_words_and_leave_code_and_formulas_alone():
    text = result(message="they tell the *same thing*: `a * b * c`, $w^*x^*$, 2 * 3 * 4")._repr_html_()
    assert "the <em>same thing</em>: <code>a * b * c</code>, $w^*x^*$, 2 * 3 * 4" in text
