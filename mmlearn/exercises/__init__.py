"""Exercises: checks, hints and solutions, one module for each chapter.

    from mmlearn.exercises import ch04
    ch04.im2col.check(im2col)     # ✓ passed, ✗ with the probable mistake, ○ not attempted yet
    ch04.im2col.hint()            # staged: each call tells one step more
    ch04.im2col.solution()        # after asking twice

A chapter module declares its exercises with `Exercise` (the answer is a function or a class) and `ValueExercise` (the answer
is a number, a tensor, a word). CONTRIBUTING.md shows how; `verify` proves a declaration. Everything loads on first use.
"""

import importlib
import pkgutil
import re

_HOME = {
    "Case": "case",
    "Draw": "case",
    "Exercise": "exercise",
    "Mistake": "task",
    "Result": "result",
    "ValueExercise": "value",
    "all_exercises": "catalogue",
    "verify": "catalogue",
}

__all__ = ["Case", "Draw", "Exercise", "Mistake", "Result", "ValueExercise", "all_exercises", "chapters", "progress", "verify"]


def chapters():
    """Names of the chapter modules that exist, in order: ``["ch04", "ch05", …]``."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if re.fullmatch(r"ch\d\d", m.name))


def __getattr__(name):
    if name == "progress" or re.fullmatch(r"ch\d\d", name):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            known = ", ".join(chapters()) or "none yet"
            raise ImportError(f"chapter {name[2:]} has no exercises; chapters with exercises: {known}") from None
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*__all__, *chapters()])
