import html
import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmlearn import data, show
from mmlearn.data import world
from mmlearn.data.ceilings import additive_bounds, ceilings
from mmlearn.data.decomposition import decompose
from mmlearn.show.explore_information import OFF, _draw, dialled, noise

EPS = st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.4, 0.5])
MAYBE = st.none() | EPS


@pytest.fixture
def dial(published):
    return show.information_dial()


def alt_of(dial):
    return html.unescape(re.search(r'alt="([^"]*)"', dial.html)[1])


@settings(max_examples=12, deadline=None)
@example(0.1, 0.2, None, None)
@example(0.5, 0.5, 0.5, None)
@example(0.0, 0.0, 0.0, 0.0)
@given(EPS, EPS, MAYBE, MAYBE)
def test_the_closed_forms_agree_with_the_solvers_on_the_exact_table(eps_r, eps_s, eps_image, eps_text):
    state = dialled(eps_r, eps_s, eps_image, eps_text)
    table = world.dial.table(eps_r, eps_s, eps_image, eps_text)
    solved, reached = decompose(table, tolerance=1e-6), ceilings(table)
    for part, bits in state["parts"].items():
        assert bits == pytest.approx(getattr(solved, part), abs=1e-5), part
    for level, accuracy in state["accuracy"].items():
        assert accuracy == pytest.approx(getattr(reached, level).accuracy, abs=1e-9), level


def test_noise_is_the_binary_entropy():
    assert noise(0.0) == 0
    assert noise(0.5) == 1
    assert noise(0.11) == pytest.approx(0.49992, abs=1e-5)  # the channel that halves a bit
    assert math.copysign(1, noise(0.0)) == 1


def test_it_starts_where_adding_is_not_enough(dial):
    accuracy = dial.state["accuracy"]
    assert accuracy["majority"] < accuracy["additive"] < accuracy["both"]
    assert dial.state["total"] == 2
    assert (dial.value["eps_image"], dial.value["eps_text"]) == (OFF, OFF)


def test_the_text_alternative_holds_bits_and_ceilings(dial):
    alt = alt_of(dial)
    assert f"{1 - noise(0.1):.2f} redundant" in alt
    assert f"{1 - noise(0.2):.2f} synergistic" in alt
    assert "chance 25 %, image only 45 %, text only 45 %, additive 45 % and both 72 %" in alt
    assert "A sum trained with cross-entropy gets 45 %, both together 72 %." in html.unescape(dial.html)


@settings(max_examples=12, deadline=None)
@example(0.1, 0.2, None, None)
@given(EPS, EPS, MAYBE, MAYBE)
def test_addition_loses_exactly_the_synergy(eps_r, eps_s, eps_image, eps_text):
    bounds = additive_bounds(world.dial.table(eps_r, eps_s, eps_image, eps_text))
    synergy = dialled(eps_r, eps_s, eps_image, eps_text)["parts"]["synergy"]
    assert bounds.both - bounds.additive == pytest.approx(synergy, abs=1e-5)


@pytest.mark.parametrize(
    ("eps_s", "words"),
    [
        (0.2, "addition loses 0.28 here: all of the synergy (it can never lose more)."),
        (0.0, "addition loses 1.00 here"),
        (0.48, "addition loses less than 0.01 here"),
        (0.5, "There is no synergy: adding is all it takes."),
    ],
)
def test_what_addition_loses_is_told_in_bits(dial, eps_s, words):
    dial.set(eps_s=eps_s)
    page = html.unescape(dial.html)
    assert words in page
    assert "difference is the synergy" not in page  # percentage points are no bits


def test_no_word_calls_the_additive_accuracy_the_best_possible(dial):
    state = dial.state["accuracy"]
    best = data.best_additive_accuracy(world.dial.table(0.1, 0.2))
    assert state["additive"] + 0.1 < best < state["both"]  # a rule that adds and is right more often
    alt = alt_of(dial)
    assert "best" not in alt + html.unescape(dial.html)
    assert "additive is the sum of least cross-entropy; another sum may be right more often" in alt
    fig = _draw(**dial.state)
    words = [text.get_text() for text in fig.axes[0].texts]
    assert "Accuracy that can be reached, before any training" in words
    assert "additive*" in words
    assert any(word.startswith("* the sum of least cross-entropy; another") for word in words)
    assert "+27 points" in words
    dial.set(eps_s=0.5)  # now the sum is as good as any model, and none is right more often
    assert "another sum" not in alt_of(dial)
    assert not any("*" in text.get_text() for text in _draw(**dial.state).axes[0].texts)


def test_the_ceilings_follow_the_dials(dial):
    dial.set(eps_s=0.5)
    assert dial.state["accuracy"]["both"] == pytest.approx(dial.state["accuracy"]["additive"])
    assert "There is no synergy" in dial.html
    dial.set(eps_r=0.0, eps_s=0.0)
    assert dial.state["accuracy"]["both"] == 1
    dial.set(eps_image=0.0, eps_text=0.25)
    assert dial.state["total"] == 4
    assert dial.state["accuracy"]["a"] == pytest.approx(1 / 4)
    assert dial.state["accuracy"]["both"] == pytest.approx(0.75)
    dial.set(eps_image=OFF, eps_text=OFF)
    assert dial.state["total"] == 2


@pytest.mark.parametrize("number", [0, 3, 19])
def test_the_example_is_the_task_s_own(dial, number):
    dial.set(example=number, eps_image=0.3, eps_r=0.4)
    task = world.dial(0.4, 0.2, 0.3, None, n=1, seed=0, start=number)
    shown = dial.state["shown"]
    assert shown.text == task.text[0]
    assert ", ".join(shown.label) == task.classes[int(task.label[0])]
    thing = task.scenes.objects(0)[0]
    assert f"a {thing['size']} {thing['colour']} {thing['shape']}, the sentence “{task.text[0]}”" in alt_of(dial)


def test_bits_that_the_noise_flipped_are_marked(dial):
    dial.set(eps_r=0.5, eps_s=0.5)
    seen = []
    for number in range(20):
        dial.set(example=number)
        shown = dial.state["shown"]
        shape = shown.picture.split()[-1]
        assert shown.flipped[0] == (shown.label[0] != shape)  # the first bit is the shape
        assert ("flipped by the noise" in alt_of(dial)) == any(shown.flipped)
        seen += shown.flipped
    assert 5 < sum(seen) < 35  # forty fair coins


def test_without_noise_no_bit_is_flipped(dial):
    dial.set(eps_r=0.0, eps_s=0.0, eps_image=0.0, eps_text=0.0)
    for number in range(8):
        dial.set(example=number)
        assert not any(dial.state["shown"].flipped)


@pytest.mark.parametrize(
    "eps", [(0.0, 0.5, None, None), (0.5, 0.5, 0.5, 0.5), (0.49, 0.01, 0.45, None), (0.2, 0.0, None, 0.0), (0.0, 0.0, 0.0, 0.0)]
)
def test_no_word_leaves_the_figure(eps, published):
    from mmlearn.show.figures import drawn

    dial = show.information_dial(*eps, example=3)
    fig = _draw(**dial.state)
    height, width, _ = drawn(fig).shape
    for text in fig.axes[0].texts:
        box = text.get_window_extent()
        assert min(box.x0, width - box.x1, box.y0, height - box.y1) >= 0, text.get_text()


def test_every_control_says_what_it_is(dial):
    assert all(widget.description for widget in dial.widgets.values())


def test_all_four_dials_can_be_given(published):
    dial = show.information_dial(0.25, 0.0, 0.13, 0.5, example=2)
    assert dial.state["eps"] == {"eps_r": 0.25, "eps_s": 0.0, "eps_image": 0.13, "eps_text": 0.5}


@pytest.mark.parametrize("value", [0.6, -0.1, "off", True])
def test_an_impossible_probability_is_named(value):
    with pytest.raises(ValueError, match=r"eps_r must be the probability of a flip, from 0 to 0\.5; got"):
        show.information_dial(value)
    with pytest.raises(ValueError, match=r"eps_image must be the probability of a flip, from 0 to 0\.5, or None"):
        show.information_dial(eps_image=value)
