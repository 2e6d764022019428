"""The benchmarks measure what they say: the rivals compute the same, and the ratio is ours over theirs for one unit of work."""

import runpy
import sys
import time
from pathlib import Path

import pytest
import torch

import mmlearn.ops as F
from mmlearn.data.world import sample

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A program of benchmarks/ as a dict of its names, loaded as `make bench` loads it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield lambda name: runpy.run_path(str(FOLDER / name))
    for module in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[module], "__file__", None)):
            del sys.modules[module]


def test_the_ratio_is_ours_over_the_rivals_for_one_unit_of_work(load, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def takes(seconds):
        def run():
            clock[0] += seconds

        return run

    found = load("side_by_side.py")["side_by_side"]("work", takes(6.0), takes(8.0), parts=1, rival_parts=4, goal=5)
    assert (found.ours, found.rival, found.ratio, found.goal) == (6, 2, 3, 5)


def test_the_textbook_loops_are_a_convolution(load):
    images, weight, bias = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 3, 3), torch.randn(2)
    expected = F.conv2d(images, weight, bias, padding=1)
    torch.testing.assert_close(load("convolution.py")["textbook_loops"](images, weight, bias), expected)


def test_each_layer_and_its_rival_compute_the_same(load):
    layers = load("layers.py")
    for name, shapes, options in layers["CASES"].values():
        ours, theirs = (layers["_runs"](getattr(library, name), shapes, options) for library in (F, torch.nn.functional))
        torch.testing.assert_close(ours["forward"](), theirs["forward"]())


def test_pillow_draws_the_same_scenes(load):
    world = load("world.py")
    scenes = sample(60, seed=3, objects=(0, 6), noise=0)
    image, mask, box = (torch.from_numpy(found) for found in world["pillow"](scenes, world["backgrounds"](scenes), None))
    assert (image - scenes.image).abs().mean() < 0.01
    assert (mask & scenes.mask).sum() > 0.9 * (mask | scenes.mask).sum()
    assert (box - scenes.box).abs().max() <= 1


def test_each_sequence_and_each_attention_and_its_rival_compute_the_same(load):
    recurrent = load("recurrent.py")
    for ours, theirs, layer, states, *_ in recurrent["SEQUENCES"].values():
        mine, rival = (recurrent["_sequence"](operation, layer, states) for operation in (ours, theirs))
        torch.testing.assert_close(mine["forward"](), rival["forward"](), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mine["forward + backward"](), rival["forward + backward"](), rtol=1e-3, atol=1e-3)
    rival = torch.nn.functional.scaled_dot_product_attention
    for size in recurrent["HEADS"].values():
        mine, rivals = (recurrent["_attention"](f, size) for f in (recurrent["scaled_dot_product_attention"], rival))
        torch.testing.assert_close(mine["forward"](), rivals["forward"](), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mine["forward + backward"](), rivals["forward + backward"](), rtol=1e-3, atol=1e-4)


def test_the_report_has_a_row_for_each_measurement_and_no_date(load):
    run = load("run.py")
    comparison = load("side_by_side.py")["Comparison"]("conv2d", 0.0123, 0.01, 1.234, 1.8)
    text = run["report"]({"Convolution": [run["row"](comparison)]})
    assert "| conv2d | 12.3 ms | 10.0 ms | 1.23 | ≤ 1.8 |" in text
    assert time.strftime("%Y") not in text
    assert [run["seconds"](value) for value in (0.00123, 2.5, 1.2e-5)] == ["1.23 ms", "2.50 s", "12.0 µs"]
