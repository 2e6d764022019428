"""How a notebook begins."""

import random

import numpy as np
import pytest
import torch

from mmlearn.course import Run, begin, start
from mmlearn.course.errors import CourseError


@pytest.fixture(autouse=True)
def keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_one_line_says_what_was_set(capsys, monkeypatch):
    monkeypatch.setattr(start, "_warnings", lambda run: [])
    run = begin("04", "smoke")
    (line,) = capsys.readouterr().out.splitlines()
    version = ".".join(torch.__version__.split(".")[:2])
    assert line.startswith("mmlearn ")
    assert line.endswith(f"· chapter 04 · profile smoke · cpu, 1 thread · torch {version} · seed 0")
    assert (run.chapter, run.profile, run.seed, run.threads, run.on_colab) == ("04", "smoke", 0, 1, False)


def draws():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_the_same_seed_draws_the_same_numbers_everywhere_and_another_seed_others():
    begin("04")
    first = draws()
    begin("convolution")
    assert draws() == first
    begin("04", seed=1)
    assert not set(draws()) & set(first)


def test_the_environment_overrides_the_notebooks_profile(monkeypatch):
    monkeypatch.setenv("MMLEARN_PROFILE", "smoke")
    assert begin("04", "laptop").profile == "smoke"


def test_small_profiles_use_one_thread_unless_told_otherwise(monkeypatch):
    torch.set_num_threads(2)
    assert begin("04", "laptop").threads == torch.get_num_threads() == 1
    monkeypatch.setenv("MMLEARN_THREADS", "3")
    assert begin("04", "laptop").threads == torch.get_num_threads() == 3


def test_the_gpu_profile_leaves_torchs_threads(monkeypatch):
    torch.set_num_threads(2)
    assert begin("04", "gpu").threads == 2


@pytest.mark.parametrize("threads", ["0", "many", "-1"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, threads):
    monkeypatch.setenv("MMLEARN_THREADS", threads)
    with pytest.raises(CourseError, match=f"MMLEARN_THREADS must be a whole number.*{threads}"):
        begin("04")


def test_without_a_gpu_the_gpu_profile_says_so_and_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = begin("04", "gpu")
    assert run.device == torch.device("cpu")
    assert "no CUDA device: going on on the CPU" in capsys.readouterr().out


def test_small_profiles_stay_on_the_cpu_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert begin("04", "laptop").device == torch.device("cpu")


def test_another_projects_mmlearn_is_reported(monkeypatch, capsys):
    monkeypatch.setattr("mmlearn.course.doctor.foreign_mmlearn", lambda: "0.3")
    begin("04")
    assert "pip uninstall mmlearn" in capsys.readouterr().out


@pytest.mark.parametrize(("chapter", "profile", "meant"), [("4", "labtop", "laptop"), ("convolutoin", "smoke", "04-convolution")])
def test_unknown_names_get_the_nearest_valid_ones(chapter, profile, meant):
    with pytest.raises(CourseError, match=meant):
        begin(chapter, profile)


def run_of(profile):
    return Run("04", profile, 0, torch.device("cpu"), 1, False)


@pytest.mark.parametrize(("profile", "picked"), [("smoke", 1), ("laptop", 8), ("gpu", 30)])
def test_pick_takes_the_profiles_own_value(profile, picked):
    assert run_of(profile).pick(smoke=1, laptop=8, gpu=30) == picked


def test_pick_falls_back_to_the_nearest_smaller_profile():
    assert run_of("gpu").pick(smoke=1, laptop=8) == 8
    assert run_of("gpu").pick(smoke=1) == run_of("laptop").pick(smoke=1) == 1


def test_pick_can_pick_none():
    assert run_of("laptop").pick(smoke=1, laptop=None) is None


def test_pick_never_takes_a_larger_profiles_value():
    with pytest.raises(CourseError, match=r"got laptop=8, which has no value for profile 'smoke'"):
        run_of("smoke").pick(laptop=8)
    with pytest.raises(CourseError, match="got nothing"):
        run_of("gpu").pick()


def test_pick_refuses_a_misspelt_profile():
    with pytest.raises(CourseError, match="did you mean laptop"):
        run_of("gpu").pick(labtop=1)
