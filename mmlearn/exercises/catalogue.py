"""All exercises of the course, and the proof that a declaration keeps its promises."""

import importlib
import math
import sys

import torch

from . import chapters
from .task import Task
from .value import ValueExercise


def all_exercises():
    """Every exercise of every chapter module, in the order of the book."""
    found = []
    for chapter in chapters():
        module = importlib.import_module(f"{__package__}.{chapter}")
        found += [value for value in vars(module).values() if isinstance(value, Task)]
    return list(dict.fromkeys(found))  # an exercise with two names counts once


def verify(exercise, also_right=()):
    """Assert that an exercise does what it declares; for the tests.

    The oracle, the solution as it is shown, and every answer in `also_right` pass. There are at least three mistakes and two
    hints. Every catalogued mistake is refused with its own diagnosis, not another's.
    """
    who = exercise.address
    assert len(exercise.mistakes) >= 3, f"{who} lists {len(exercise.mistakes)} mistakes; at least 3 are needed"
    assert len(exercise.hints) >= 2, f"{who} has {len(exercise.hints)} hints; at least 2 are needed"
    for answer in (exercise.oracle, shown_solution(exercise), *also_right):
        result = exercise.judge(answer)
        assert result.passed, f"{who} refuses a right answer, {getattr(answer, '__name__', answer)!r}:\n{result}"
    for mistake in exercise.mistakes:
        predicate = isinstance(exercise, ValueExercise) and callable(mistake.wrong)
        result = exercise.judge(mistake.example if predicate else mistake.wrong)
        assert result.status == "failed", f"{who} does not refuse the mistake {mistake.diagnosis!r}:\n{result}"
        assert result.mistake is mistake, f"{who} does not name the mistake {mistake.diagnosis!r} but says:\n{result}"


def shown_solution(exercise):
    """The answer that a student gets by copying the shown solution into a notebook that imports what the chapter module imports.

    Private names of the module are left out, since the student has not got them.
    """
    module = sys.modules.get(getattr(exercise._solution, "__module__", None))
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")} if module else {}
    namespace = {"math": math, "torch": torch, "F": torch.nn.functional, **public}
    exec(exercise.source(), namespace)
    return namespace[exercise.name]
