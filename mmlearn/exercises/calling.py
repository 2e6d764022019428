"""Call a student's function on a case: on copies, prints captured, within the time limit, the notebook's state left alone."""

import contextlib
import io
import random
import time
from dataclasses import dataclass

import numpy as np
import torch

from .case import Case, named_arguments, tensors
from .timeout import TimeLimit, call_within


@dataclass(frozen=True)
class Outcome:
    """What one call did: returned `value` or raised `error`, `printed` this, `changed` the inputs of these names in place."""

    value: object = None
    error: BaseException | None = None
    changed: tuple = ()
    printed: str = ""


@dataclass(frozen=True)
class Run:
    """One case, the right result, what the answer did with it, and how the two differ."""

    case: Case
    expected: object
    outcome: Outcome
    differences: tuple = ()

    @property
    def error(self):
        return self.outcome.error

    @property
    def right(self):
        return self.error is None and not self.differences and not self.outcome.changed


def plain_call(answer, *args, **kwargs):
    return answer(*args, **kwargs)


def try_case(answer, case, call, signature, seconds):
    """The `Outcome` of one call; only Ctrl-C gets through."""
    given = case.fresh()
    torch.default_generator.manual_seed(0)
    with captured() as printed:
        try:
            value = call_within(seconds, call, answer, *given.args, **given.kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit and the time limit too: a message, not a dead kernel
            return Outcome(error=error, printed=printed.shown())
    return Outcome(value, changed=_changed(case, given, signature), printed=printed.shown())


def time_out(outcome):
    return isinstance(outcome.error, TimeLimit)


class Clock:
    """Seconds left of one limit shared by several calls."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    @property
    def left(self):
        return self.end - time.monotonic()


@contextlib.contextmanager
def undisturbed():
    """Afterwards put back random generators, grad mode and default dtype, whatever the student's code did to them."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    python, numpy, dtype, grad = random.getstate(), np.random.get_state(), torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)


class Printed(io.TextIOBase):
    """A text stream that keeps the first lines and counts the rest, so that a print in a loop cannot flood the notebook."""

    def __init__(self, lines=5, characters=600):
        self.text, self.count, self.lines, self.characters = "", 0, lines, characters

    def writable(self):
        return True

    def write(self, text):
        self.count += text.count("\n")
        self.text += text[: max(0, self.characters - len(self.text))]
        return len(text)

    def shown(self):
        kept = self.text.splitlines()[: self.lines]
        left = self.count - len(kept)
        return "\n".join([*kept, f"… and {left} more line{'s' * (left != 1)}"] if left > 0 else kept)


@contextlib.contextmanager
def captured():
    """Catch what is printed meanwhile, on both streams."""
    printed = Printed()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def _changed(case, given, signature):
    before, after = named_arguments(case, signature), named_arguments(given, signature)
    return tuple(name for name in before if not _same(tensors(before[name]), tensors(after[name])))


def _same(before, after):
    return len(before) == len(after) and all(
        b.shape == a.shape and b.dtype == a.dtype and torch.allclose(b, a, rtol=0, atol=0, equal_nan=True)
        for b, a in zip(before, after, strict=True)
    )
