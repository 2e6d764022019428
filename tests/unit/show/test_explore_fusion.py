"""The figure of chapter 15: what it says of an operator is what was measured, beside what theory allows."""

import numpy as np
import pytest

from mmlearn.data import world
from mmlearn.data.ceilings import ceilings
from mmlearn.show.explore_fusion import fusion_explorer

MATCHING, SELECTION = ceilings(world.matching.table()), ceilings(world.selection.table())
COLOURS = ("orange", "cyan", "blue", "white")
PAIRS = tuple(f"{a}, {b}" for a in COLOURS for b in COLOURS)
SYMBOLS = {"matching": (COLOURS, COLOURS), "selection": (PAIRS, ("left", "right"))}
CURVE = np.array([[0.4, 0.5, 0.5], [0.5, 0.52, 0.56]])
RIGHT = np.full((4, 4), 0.5)
RIGHT[2, 1] = 0.125  # blue picture, text cyan
RUNS = {
    "matching": {"Concat": (CURVE, RIGHT), "Hadamard": (CURVE + 0.4, np.ones((4, 4)))},
    "selection": {"Concat": (CURVE, np.full((16, 2), 0.6)), "Hadamard": (CURVE + 0.4, np.ones((16, 2)))},
}
CEILINGS = {"matching": MATCHING, "selection": SELECTION}


def given(**changes):
    return {"runs": RUNS, "ceilings": CEILINGS, "symbols": SYMBOLS} | changes


@pytest.fixture
def figure(published):
    return fusion_explorer(**given(formulas={"Concat": "W [f₁; f₂] + b"}))


def test_it_starts_with_the_first_operator_on_the_first_task(figure):
    assert figure.value == {"task": "matching", "operator": "Concat", "beside": "nothing"}
    np.testing.assert_array_equal(figure.state["curve"], CURVE)
    np.testing.assert_array_equal(figure.state["right"], RIGHT)
    assert figure.state["other"] is None
    assert figure.state["levels"] == pytest.approx({"a": 0.5, "b": 0.5, "additive": 0.5, "both": 1.0})


def test_the_note_holds_the_last_epochs_mean_and_sample_spread(figure, note_of):
    assert "Concat ends at 53.0 ± 4.2 % (2 seeds)" in note_of(figure)
    assert "the additive ceiling is 50.0 %, that of both 100.0 %" in note_of(figure)
    assert "Worst pair: “blue” with “cyan”, 12% right" in note_of(figure)


def test_the_controls_swap_operator_task_and_comparison(figure, note_of, alt_of):
    figure.set(operator="Hadamard", task="selection", beside="Concat")
    np.testing.assert_array_equal(figure.state["curve"], CURVE + 0.4)
    np.testing.assert_array_equal(figure.state["other"], CURVE)
    assert "Concat, dotted, ends at 53.0 ± 4.2 %" in note_of(figure)
    assert "the additive ceiling is 62.5 %" in note_of(figure)
    assert alt_of(figure).startswith("Hadamard on selection.")


def test_an_operator_is_not_compared_with_itself(figure):
    figure.set(beside="Concat")
    assert figure.state["other"] is None


def test_a_comparison_that_lies_on_a_ceiling_is_seen(published, pixels):
    """Both lines at 100 %: the dotted one is not hidden by the ceiling of both."""
    perfect = np.ones((2, 3)), np.ones((4, 4))
    runs = {"matching": {"Concat": (CURVE, RIGHT), "Hadamard": perfect}}
    figure = fusion_explorer(runs, {"matching": MATCHING}, {"matching": SYMBOLS["matching"]})
    alone = pixels(figure.html).astype(int)
    figure.set(beside="Hadamard")
    changed = (pixels(figure.html).astype(int) != alone).any(-1)
    ceiling = changed.sum(1).argmax()  # the row of pixels that changed most: a line, not only its dot and its name
    assert changed[ceiling].sum() > 0.2 * changed.shape[1]


def test_the_text_alternative_holds_every_number(figure, alt_of):
    alt = alt_of(figure)
    assert "W [f₁; f₂] + b" in alt
    assert "Mean accuracy by epoch, %: 45, 51, 53" in alt
    assert "picture only 50.0, text only 50.0, additive 50.0, both 100.0" in alt
    assert "cyan: 50 50 12 50; blue: 50 50 50 50" in alt


def test_pairs_that_never_occur_stay_empty(published, alt_of):
    right = np.where(np.eye(4, dtype=bool), 0.9, np.nan)
    figure = fusion_explorer({"matching": {"Concat": (CURVE[:1], right)}}, CEILINGS, SYMBOLS)
    assert "orange: 90 – – –" in alt_of(figure)
    assert "53.0" not in alt_of(figure)
    assert "50.0 ± 0.0 % (1 seed)" in alt_of(figure)


def test_it_draws_something_else_for_each_setting(figure, pixels):
    first = pixels(figure.html)
    figure.set(operator="Hadamard")
    assert (pixels(figure.html) != first).any()


def test_every_control_says_what_it_is(figure):
    assert all(widget.description for widget in figure.widgets.values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runs": {}}, "at least one task"),
        ({"runs": {"matching": {}}}, "at least one operator"),
        ({"runs": RUNS | {"selection": {"Concat": RUNS["selection"]["Concat"]}}}, "every task needs the same operators"),
        ({"ceilings": {"matching": MATCHING}}, "ceilings lacks 'selection'"),
        ({"symbols": {"selection": SYMBOLS["selection"]}}, "symbols lacks 'matching'"),
        ({"runs": {"matching": {"Concat": (CURVE[0], RIGHT)}}}, r"must be \(seeds, epochs\); got \(3,\)"),
        ({"runs": {"matching": {"Concat": (CURVE, RIGHT[:3])}}}, r"must be \(4, 4\), as its symbols; got \(3, 4\)"),
        ({"task": "counting"}, "task must be one of 'matching', 'selection'; got 'counting'"),
        ({"operator": "Sum"}, "operator must be one of 'Concat', 'Hadamard'"),
        ({"beside": "Sum"}, "beside must be one of 'nothing', 'Concat', 'Hadamard'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        fusion_explorer(**given(**changes))
