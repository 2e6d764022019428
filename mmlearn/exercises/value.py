"""`ValueExercise`: the answer is a number, a tensor, a word or a tuple, and the message never gives the right one away."""

import torch

from .compare import close, differences
from .patterns import pattern
from .task import Task


class ValueExercise(Task):
    """An exercise whose answer is a value.

    oracle       the right value (or one of them, when `accepts` decides); its type is the type asked for
    accepts      function of the answer: None when it is right, else what is wrong with it, as a sentence
    mistakes     `Mistake`s whose `wrong` is a value, or a predicate of the answer (then give an `example` that it holds for)
    placeholder  what the notebook assigns at first; handing it in counts as not attempted (None and ... always do)
    tolerance    relative error allowed for floats
    read         function of the answer: the same in the form that the oracle has, say a tensor of nested lists; it raises a
                 ValueError, whose sentence the student sees, where the answer cannot be read
    """

    def __init__(self, *, oracle, mistakes, accepts=None, placeholder=None, tolerance=1e-3, read=None, solution=None, **about):
        super().__init__(solution=solution or f"{about['name']} = {oracle!r}", **about)
        self.oracle, self.accepts, self.mistakes, self.read = oracle, accepts, tuple(mistakes), read
        self.placeholder, self.tolerance = placeholder, tolerance

    def judge(self, answer):
        if self._not_attempted(answer):
            return self.untouched(f"Put your answer into `{self.name}`, then run this cell again.")
        if callable(answer) and not isinstance(answer, torch.Tensor):
            return self.failed(
                "This is a function or a class.", f"hand in its value: `check({self.name})` with the result of a call"
            )
        if self.read:
            try:
                answer = self.read(answer)
            except ValueError as error:
                return self.failed("This is not the answer", str(error))
        found = differences(_folded(answer), _folded(self.oracle), tolerance=self.tolerance)
        unusable = [d for d in found if d.kind in ("nothing", "type", "count", "shape", "nan")]
        mistake = self._catalogued(answer, usable=not unusable)
        if mistake and (found or self.accepts):
            return self.failed("This is not the answer", mistake.diagnosis, more=mistake.why_more, mistake=mistake)
        if unusable:
            text = unusable[0].text.replace("your result", "your answer").replace("your function returned", "you gave")
            return self.failed(text, unusable[0].hint if unusable[0].kind == "type" else "")
        complaint = self.accepts(answer) if self.accepts else None
        if complaint or (not self.accepts and any(d.kind == "value" for d in found)):
            return self.failed("This is not the answer", complaint or self._hunch(answer))
        return self.passed("That is right")

    def _not_attempted(self, answer):
        if answer is None or answer is ... or (isinstance(answer, str) and answer.strip() in ("", "...", "…", "?")):
            return True
        return self.placeholder is not None and _equal(answer, self.placeholder, 0.0)

    def _catalogued(self, answer, usable):
        """The first mistake whose value the answer equals, or whose predicate holds for an answer of the right kind."""
        for mistake in self.mistakes:
            if callable(mistake.wrong):
                found = usable and bool(mistake.wrong(answer))
            else:
                found = _equal(answer, mistake.wrong, self.tolerance)
            if found:
                return mistake
        return None

    def _hunch(self, answer):
        """How the answer differs, in words that do not tell the right one."""
        if isinstance(self.oracle, torch.Tensor):
            right = int(torch.isclose(answer.double(), self.oracle.double(), rtol=self.tolerance, atol=1e-6).sum())
            share = f"{right} of {self.oracle.numel()} values are right"
            return "; ".join(filter(None, [pattern([(answer, self.oracle)]), share]))
        if isinstance(self.oracle, (tuple, list)):
            wrong = [i for i, (a, b) in enumerate(zip(answer, self.oracle, strict=True)) if not _equal(a, b, self.tolerance)]
            return f"wrong at position{'s' * (len(wrong) > 1)} {', '.join(map(str, wrong))}, counted from 0"
        if isinstance(self.oracle, (int, float)) and not isinstance(self.oracle, bool):
            return _number_hunch(float(answer), float(self.oracle))
        return ""


def _number_hunch(answer, right):
    if answer == -right:
        return "the sign is flipped"
    if abs(answer - right) == 1:
        return f"off by one: your answer is one too {'large' if answer > right else 'small'}"
    for factor in (2, 3, 4, 8, 10, 100):
        if close(torch.tensor(answer), torch.tensor(factor * right)):
            return f"your answer is {factor}× too large"
        if close(torch.tensor(answer * factor), torch.tensor(right)):
            return f"your answer is {factor}× too small"
    return f"your answer is too {'large' if answer > right else 'small'}"


def _equal(answer, value, tolerance):
    return not [d for d in differences(_folded(answer), _folded(value), tolerance=tolerance) if d.kind != "dtype"]


def _folded(value):
    """Words without regard to case and outer spaces."""
    return value.strip().lower() if isinstance(value, str) else value
