"""How a notebook begins: seeds, device, threads, figure style, and the size of everything.

run = begin("04", profile)
epochs = run.pick(smoke=1, laptop=8, gpu=30)
"""

import os
import random
import sys
from dataclasses import dataclass

import numpy as np
import torch

import mmlearn
from mmlearn import show
from mmlearn.course import contents
from mmlearn.course.errors import CourseError
from mmlearn.course.settings import PROFILES, check_profile


@dataclass(frozen=True)
class Run:
    """What a notebook knows about this run of it."""

    chapter: str
    profile: str
    seed: int
    device: torch.device
    threads: int
    on_colab: bool

    def pick(self, **values):
        """The value for this run's profile; where it has none, that of the nearest smaller profile.

        >>> run = Run("04", "gpu", 0, torch.device("cpu"), 1, False)
        >>> run.pick(smoke=1, laptop=8)
        8
        """
        for name in values:
            check_profile(name)
        upwards = PROFILES[: PROFILES.index(self.profile) + 1]
        for profile in reversed(upwards):
            if profile in values:
                return values[profile]
        given = ", ".join(f"{name}={value!r}" for name, value in values.items()) or "nothing"
        raise CourseError(
            f"run.pick() got {given}, which has no value for profile {self.profile!r} or a smaller one: give smoke=…"
        )


def begin(chapter, profile="laptop", *, seed=0):
    """Set the stage for a chapter's notebook and say in one line what was set.

    chapter: "04", "convolution" or "04-convolution"   profile: "smoke", "laptop" or "gpu"; MMLEARN_PROFILE overrides it
    returns: Run

    Seeds Python, NumPy and torch; sets the figure style. The profiles smoke and laptop compute on the CPU, so that they print the
    same numbers on every machine, on one thread unless MMLEARN_THREADS says otherwise: the course's small batches are fastest so.
    The gpu profile takes the GPU when there is one and says so when there is none.
    Raises CourseError with the nearest valid names for an unknown chapter or profile.
    """
    number = contents.find(chapter).number
    profile = check_profile(os.environ.get("MMLEARN_PROFILE") or profile)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    threads = _set_threads(profile)
    device = torch.device("cuda" if profile == "gpu" and torch.cuda.is_available() else "cpu")
    show.set_style()
    run = Run(number, profile, seed, device, threads, on_colab="google.colab" in sys.modules)
    print(_describe(run))
    for line in _warnings(run):
        print(line)
    return run


def _set_threads(profile):
    asked = os.environ.get("MMLEARN_THREADS", "")
    if asked:
        if not asked.isdigit() or int(asked) < 1:
            raise CourseError(f"MMLEARN_THREADS must be a whole number of threads, 1 or more; got {asked!r}")
        torch.set_num_threads(int(asked))
    elif profile != "gpu":
        torch.set_num_threads(1)
    return torch.get_num_threads()


def _describe(run):
    device = f"cuda ({torch.cuda.get_device_name()})" if run.device.type == "cuda" else run.device.type
    threads = f"{run.threads} thread{'s' if run.threads > 1 else ''}"
    torch_version = ".".join(torch.__version__.split(".")[:2])
    return (
        f"mmlearn {mmlearn.__version__} · chapter {run.chapter} · profile {run.profile} · {device}, {threads} · "
        f"torch {torch_version} · seed {run.seed}"
    )


def _warnings(run):
    from mmlearn.course.doctor import foreign_mmlearn

    if run.profile == "gpu" and run.device.type == "cpu":
        yield (
            "The gpu profile was asked for, but torch finds no CUDA device: going on on the CPU, which can take hours. "
            'profile = "laptop" takes a minute.'
        )
    if foreign_mmlearn():
        yield (
            "Another project's package named mmlearn is installed beside the course's and may hide parts of it: "
            "run  pip uninstall mmlearn  and then install mmlearn-course again (mmlearn doctor says more)."
        )
