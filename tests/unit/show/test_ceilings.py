import html
import re

import numpy as np
import pytest
import torch

from mmlearn import show
from mmlearn.data import world
from mmlearn.data.ceilings import ceilings
from mmlearn.data.decomposition import decompose
from mmlearn.show.ceilings import PARTS, group, names_of, percent

XOR = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4


def alt_of(bundle):
    return html.unescape(re.search(r'alt="([^"]*)"', bundle["text/html"])[1])


def test_tables_decompositions_and_tasks_are_shown_alike(published):
    task = world.matching(2, seed=0)
    show.decomposition({"it": task})
    show.decomposition({"it": task.decomposition})
    show.decomposition({"it": world.matching.table()})
    assert len({alt_of(bundle) for bundle in published}) == 1
    assert alt_of(published[0]).endswith("it: 1.00 bits in all, of them 1.00 synergistic.")


def test_the_text_alternative_holds_the_bits_of_every_part(published):
    table = world.dial.table(0.1, 0.2, 0.05, 0.3)
    parts = decompose(table)
    show.decomposition({"dial": table}, inputs=("picture", "words"))
    alt = alt_of(published[0])
    names, _ = names_of(("picture", "words"))
    for part in PARTS:
        assert f"{getattr(parts, part):.2f} {names[part]}" in alt


def test_the_bars_are_as_long_as_their_bits(published, pixels):
    """XOR has one bit of synergy, a copy has one of redundancy: equally many dots of either colour."""
    copy = torch.zeros(2, 2, 2)
    copy[0, 0, 0] = copy[1, 1, 1] = 0.5
    show.decomposition({"XOR": XOR, "copy": copy})
    picture = pixels(published[0]["text/html"]).astype(int)
    found = {}
    for part in ("synergy", "redundancy"):
        colour = [int(PARTS[part][at : at + 2], 16) for at in (1, 3, 5)]
        found[part] = (np.abs(picture - colour).max(-1) < 4).sum()
    assert found["synergy"] == pytest.approx(found["redundancy"], rel=0.02)
    assert found["synergy"] > 10_000


def test_a_label_that_nothing_tells_about_has_no_bar(published):
    show.decomposition({"noise": torch.full((2, 2, 2), 1 / 8)})
    assert "noise: 0.00 bits in all." in alt_of(published[0])


@pytest.mark.parametrize(
    ("tasks", "message"),
    [({}, "at least one task"), ([XOR], "tasks must be"), ({"a": 3.0}, "a must be a Task, a Decomposition or a table")],
)
def test_what_has_no_decomposition_is_named(tasks, message):
    with pytest.raises(ValueError, match=message):
        show.decomposition(tasks)


MEASURED = {"xor": {"additive": [0.51, 0.49, 0.50], "multiplicative": [0.97, 0.99, 1.0]}}


def test_measured_accuracies_stand_beside_those_of_theory(published):
    show.measured_against_ceilings(MEASURED, {"xor": ceilings(XOR)})
    alt = alt_of(published[0])
    assert "theory gives chance = image only = text only = additive 50 %, both 100 %" in alt
    assert "allows" not in alt  # an additive rule that training does not seek is right on three quarters of XOR
    assert "additive 50.0 ± 1.0 % over 3 seeds" in alt
    assert "multiplicative 98.7 ± 1.5 % over 3 seeds" in alt


def test_a_task_brings_its_ceilings(published):
    task = world.selection(2, seed=0)
    show.measured_against_ceilings({"selection": {"additive": 0.6}}, {"selection": task})
    alt = alt_of(published[0])
    assert f"image only = additive {percent(task.ceilings.additive.accuracy)}" in alt
    assert "measured additive 60.0 %." in alt


def test_many_tasks_and_models_fit_beside_one_another(published, pixels):
    generator = np.random.default_rng(0)
    tables = {name: getattr(world, name).table() for name in ("redundant", "matching", "selection", "unique_image")}
    tables["a dial with a name that is far too long for its place"] = world.dial.table(0.2, 0.2, 0.1, 0.1)
    known = {name: ceilings(table) for name, table in tables.items()}
    models = ("concat", "sum", "product", "gated", "low-rank", "cross-attention")
    measured = {name: {model: generator.random(5) for model in models} for name in tables}
    show.measured_against_ceilings(measured, known)
    assert pixels(published[0]["text/html"]).shape[1] == 2 * 720


def test_ceilings_that_coincide_are_told_together_from_low_to_high():
    _, names = names_of(("a", "b"))
    levels = {"majority": 0.25, "a": 0.9, "b": 0.25, "additive": 0.90001, "both": 1.0}
    found = group(levels, names)
    assert [name for *_, name in found] == ["chance = b only", "a only = additive", "both"]
    assert [field for _, fields, _ in found for field in fields] == ["majority", "b", "a", "additive", "both"]


@pytest.mark.parametrize(
    ("measured", "known", "message"),
    [
        ({}, {}, "at least one task"),
        ({"and": {"sum": [0.5]}}, {"xor": 0}, "no ceilings for and; there are ceilings for xor"),
        ({"xor": {"sum": [50.0, 51.0]}}, {"xor": 0}, "divide percentages by 100"),
        ({"xor": {"sum": [-0.1]}}, {"xor": 0}, r"accuracies lie in \[0, 1\]; sum on xor has -0.1"),
        ({"xor": {"sum": []}}, {"xor": 0}, "one a seed"),
        ({"xor": {"sum": [float("nan")]}}, {"xor": 0}, "must be finite"),
        ({"xor": [0.5]}, {"xor": 0}, r"measured\['xor'\] must be"),
        ({"xor": {"sum": [0.5]}}, {"xor": 0.5}, "the ceilings of xor must be a Task or a Ceilings; got float"),
    ],
)
def test_measurements_that_do_not_fit_are_named(measured, known, message):
    with pytest.raises(ValueError, match=message):
        show.measured_against_ceilings(measured, known)
