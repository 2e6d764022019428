"""The figure of chapter 19: norms of the chosen run, accuracies at the chosen rate, and words that hold the numbers."""

import html
import re

import numpy as np
import pytest

from mmlearn.show.explore_balance import balance_explorer, smoothed

RATES = np.array([0.0, 0.5, 1.0])
NORMS = {
    "plain": {"image": np.linspace(1.0, 0.01, 40), "text": np.full(40, 0.5)},
    "dropout": {"image": np.full(40, 0.8), "text": np.full(40, 0.2)},
}
CURVES = {"plain": [0.9, 0.6, 0.3], "dropout": [0.9, 0.88, 0.86]}


def given(**changes):
    return {"norms": NORMS, "curves": CURVES, "rates": RATES, "ceiling": [0.9, 0.9, 0.9]} | changes


@pytest.fixture
def figure(published):
    return balance_explorer(**given())


def alt(figure):
    return html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])


def test_it_starts_with_the_first_run_half_missing(figure):
    assert figure.value == {"run": "plain", "rate": 0.5}
    assert figure.state["at"] == pytest.approx({"plain": 0.6, "dropout": 0.88})
    np.testing.assert_allclose(figure.state["norms"]["image"], NORMS["plain"]["image"])
    assert len(figure.state["smooth"]["image"]) == 31


def test_the_controls_choose_run_and_rate(figure):
    figure.set(run="dropout", rate=0.25)
    assert figure.state["at"]["plain"] == pytest.approx(0.75)
    np.testing.assert_allclose(figure.state["smooth"]["text"], 0.2)
    assert "dropout: in the last quarter" in figure.html


def test_the_text_alternative_holds_the_numbers(figure):
    text = alt(figure)
    assert "plain 60.0 % and dropout 88.0 %" in text
    assert "text from 0.50 to 0.50" in text
    assert "the ceiling is 90.0 %" in text
    assert "over 40 steps" in text


def test_every_control_says_what_it_is(figure):
    assert [widget.description for widget in figure.widgets.values()] == ["training", "text missing"]


def test_a_gradient_of_zero_and_a_single_step_can_be_drawn(published):
    zero = {"plain": {"image": [0.0], "text": [0.0]}}
    figure = balance_explorer(zero, {"plain": [1.0, 0.5]}, [0.0, 1.0], [1.0, 1.0])
    assert "over 1 steps" in alt(figure)


def test_smoothing_keeps_the_mean_of_a_line():
    assert smoothed(np.arange(100.0)).mean() == pytest.approx(49.5)
    assert smoothed(np.arange(5.0)).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"curves": {"plain": [1, 1, 1]}}, "the same runs; got plain, dropout and plain"),
        ({"norms": {}, "curves": {}}, "got none"),
        ({"norms": NORMS | {"dropout": {"image": [1.0]}}}, r"norms\['dropout'\] must hold image, text"),
        ({"norms": NORMS | {"dropout": {"image": [1.0], "text": []}}}, "equally many steps"),
        ({"ceiling": [0.9]}, "as long as each other"),
        ({"rates": [0.0, 0.7, 0.5]}, "rates must rise from 0 to 1"),
        ({"run": "drop"}, "run must be one of 'plain', 'dropout'"),
        ({"rate": 50}, r"rate must be a share in \[0, 1\]; got 50"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        balance_explorer(**given(**changes))


def test_more_runs_than_colours_are_refused():
    many = [str(n) for n in range(6)]
    with pytest.raises(ValueError, match="at most 5 runs"):
        balance_explorer(dict.fromkeys(many, NORMS["plain"]), {key: [1, 1, 1] for key in many}, RATES, [1, 1, 1])


def test_more_modalities_than_dashes_are_refused():
    many = {"plain": {str(n): [1.0] for n in range(5)}}
    with pytest.raises(ValueError, match="at most 4 modalities"):
        balance_explorer(many, {"plain": [1, 1, 1]}, RATES, [1, 1, 1])


def test_a_run_has_one_colour_in_both_panels(monkeypatch):
    """A colour is a run; the modalities differ in their dashes."""
    from mmlearn.show import explore_balance
    from mmlearn.show.style import COLOURS

    drawn = []
    monkeypatch.setattr(explore_balance, "_norm_panel", lambda *arguments: drawn.append(arguments[-1]))
    for run in CURVES:
        norms = NORMS[run]
        at = {name: values[0] for name, values in CURVES.items()}
        explore_balance._draw(run, 0.0, norms, norms, at, CURVES, RATES, np.ones(3), "text", NORMS)
    assert drawn == [COLOURS.blue, COLOURS.vermilion]
