"""What every kind of exercise shares: its name, staged hints, a solution shown after asking twice, and the check's frame."""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

from . import progress
from .result import Note, Result


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer and what to say when a student's answer equals it.

    wrong      for an `Exercise`: a function with the exercise's signature; for a `ValueExercise`: the wrong value, or a predicate
    diagnosis  one sentence that names the mistake ("the kernel is flipped: that is convolution, not cross-correlation")
    why_more   further sentences, shown below it: why it happens, where to look
    example    when `wrong` is a predicate: an answer that it holds for, so that `verify` can try it
    partly     for an `Exercise`: also named when an answer makes this mistake on some cases only, and no other mistake on those
               that `wrong` does not refuse with an exception. The evidence is then a case on which it does
    """

    wrong: object
    diagnosis: str
    why_more: str = ""
    example: object = None
    partly: bool = False


class Task:
    """The frame of an exercise; `Exercise` and `ValueExercise` say what an answer is and judge it.

    chapter     "04"
    name        the name the student's answer has in the notebook
    hints       staged, each one step further; Markdown with `code` and $LaTeX$
    solution    a function or class, whose source is shown under the exercise's name; or the source itself as a string
    equation    "Eq. 4.3", when the exercise computes a numbered equation
    afterword   a sentence or two for who has passed: what to notice, where it returns
    """

    def __init__(self, *, chapter, name, title, hints, solution, minutes=None, difficulty=None, equation="", afterword=""):
        self.chapter, self.name, self.title, self.equation = chapter, name, title, equation
        self.minutes, self.difficulty, self.afterword = minutes, difficulty, afterword
        self.hints, self._solution = tuple(hints), solution
        self._hints_shown, self._asked = 0, False

    def judge(self, answer):
        """The `Result` for an answer, without keeping it in the progress file."""
        raise NotImplementedError

    def check(self, answer=None):
        """Try an answer: ✓ passed, ✗ with the probable mistake, ○ not attempted yet. Never raises, except on Ctrl-C."""
        try:
            result = self.judge(answer)
            if result.status == "failed" and callable(self.oracle) and not callable(answer):
                used_again = "or was the name used again further down? Run your answer cell again"
                result = replace(result, diagnosis=f"{result.diagnosis}; {used_again}")
        except Exception as error:
            where = inspect.getinnerframes(error.__traceback__)[-1]
            result = Result(
                "broken",
                "This is a fault of the course, not of your answer. Please report it with the line below.",
                detail=f"{self.address}: {type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})",
                title=self.heading,
            )
        if result.status in ("passed", "failed"):
            progress.record(self.chapter, self.name, status=result.status)
        return result

    def hint(self):
        """The next hint."""
        total, way_out = len(self.hints), f"`{self.address}.solution()` shows the solution."
        if not total:
            return Note(f"`{self.name}` has no hints. {way_out}")
        if self._hints_shown >= total:
            return Note(f"That was the last of {total} hints:\n\n{self.hints[-1]}\n\n{way_out}")
        self._hints_shown += 1
        progress.record(self.chapter, self.name, hints=self._hints_shown)
        last = " (the last one)" if self._hints_shown == total else ""
        return Note(f"**Hint {self._hints_shown} of {total}**{last}\n\n{self.hints[self._hints_shown - 1]}")

    def solution(self):
        """The solution, after asking twice."""
        if not self._asked:
            self._asked = True
            left = len(self.hints) - self._hints_shown
            hints = f" `{self.address}.hint()` has {left} more hint{'s' * (left != 1)} for you." if left > 0 else ""
            return Note(f"Do you really want to see the solution?{hints} If so, call `{self.address}.solution()` again.")
        progress.record(self.chapter, self.name, solution=True)
        try:
            return Note(f"```python\n{self.source()}\n```")
        except (OSError, TypeError):
            return Note(f"The source of this solution cannot be read here; look for `{self.name}` in the folder `solutions/`.")

    def source(self):
        """The solution's source, with the name the exercise gives it."""
        if isinstance(self._solution, str):
            return textwrap.dedent(self._solution).strip()
        text = textwrap.dedent(inspect.getsource(self._solution)).strip()
        return re.sub(rf"\b{re.escape(self._solution.__name__)}\b", self.name, text)

    @property
    def address(self):
        return f"ch{self.chapter}.{self.name}"

    @property
    def heading(self):
        return f"{self.title} ({self.equation})" if self.equation else self.title

    def passed(self, message, printed=""):
        return Result("passed", message, more=self.afterword, printed=printed, title=self.heading)

    def untouched(self, message):
        return Result("untouched", message, title=self.heading, next_step=f"Lost? `{self.address}.hint()` helps to begin.")

    def failed(self, message, diagnosis="", *, detail="", more="", printed="", mistake=None):
        left = len(self.hints) - self._hints_shown
        step = f"`{self.address}.hint()` tells one step more." if left > 0 else ""
        return Result("failed", message, diagnosis, detail, self.heading, more, printed, step, mistake)

    def __repr__(self):
        return f"{self.address}: {self._facts()}"

    def _repr_markdown_(self):
        calls = (f"check({self.name})", "hint()", "solution()")
        return f"**{self._facts()}**\n\n" + " · ".join(f"`{self.address}.{call}`" for call in calls)

    def _facts(self):
        facts = [self.heading]
        facts += [f"about {self.minutes} minutes"] if self.minutes else []
        facts += [f"difficulty {'●' * self.difficulty}{'○' * (3 - self.difficulty)}"] if self.difficulty else []
        return " · ".join(facts)


def is_empty(function):
    """Whether a function's body is still only a docstring, ``pass`` or ``…``."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return False
    if not isinstance(tree, ast.FunctionDef):
        return False
    lines = [line.value if isinstance(line, ast.Expr) else line for line in tree.body]
    return all(isinstance(line, (ast.Pass, ast.Constant)) for line in lines)
