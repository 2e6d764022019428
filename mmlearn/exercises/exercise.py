"""`Exercise`: the answer is a function or a class, tried on random cases against an oracle."""

from dataclasses import replace

import torch

from .calling import Clock, Run, plain_call, time_out, try_case, undisturbed
from .case import Draw, signature_of, to_dtype
from .compare import differences, kind_of
from .diagnose import diagnose
from .failure import raised_by_student
from .task import Task, is_empty


class Exercise(Task):
    """An exercise whose answer is called.

    oracle      the right answer; its signature is the exercise's, its parameter names appear in the messages
    cases       function of a `Draw` that yields `Case`s, the easy and small ones first, in float64
    mistakes    `Mistake`s whose `wrong` has the oracle's signature
    call        how an answer is called: `call(answer, *args, **kwargs)`; for a class, say
                ``call=lambda Layer, x, weight: Layer(weight)(x)``. Oracle and mistakes are called the same way
    returns     names of the results when the oracle returns a plain tuple; a NamedTuple brings its own
    shapes      {"input": "N C H W"}: letters for dimensions, for messages like "wrong exactly when N of `input` is more than 1"
    float32     also try the last case in float32, and ask for a float32 result
    in_place    whether the answer may change its inputs
    tolerance   relative error allowed, in place of 1e-8 (float64), 1e-4 (float32) and 1e-6 (Python numbers)
    noise       absolute error allowed, for results that are rounding errors about 0, such as a gradient check's
    time_limit  seconds for all cases together
    """

    def __init__(
        self, *, oracle, cases, mistakes, call=plain_call, returns=(), shapes=None, float32=True, in_place=False,
        tolerance=None, noise=0.0, time_limit=10.0, solution=None, **about,
    ):  # fmt: skip
        super().__init__(solution=solution or oracle, **about)
        self.oracle, self.cases, self.mistakes, self.call = oracle, cases, tuple(mistakes), call
        self.returns, self.shapes, self.float32, self.in_place = tuple(returns), shapes or {}, float32, in_place
        self.tolerance, self.noise, self.time_limit = tolerance, noise, time_limit
        self.signature = signature_of(oracle) if call is plain_call else signature_of(call, skip=1)

    def judge(self, answer):
        early = self._not_a_function(answer)
        if early is not None:
            return early
        with undisturbed():
            examples = self._examples()
            early = self._wrong_signature(answer, [case for case, _ in examples])
            if early is not None:
                return early
            runs = self._run(answer, examples)
            if _not_attempted(runs[0].error):
                return self.untouched(f"`{self.name}` still raises NotImplementedError.")
            if all(run.outcome.value is None and run.error is None for run in runs) and is_empty(answer):
                return self.untouched(f"The body of `{self.name}` is still empty.")
            if all(run.right for run in runs):
                kinds = "in float64 and float32" if self.float32 else "on random inputs"
                agree = f"All {len(runs)} test cases agree" if len(runs) > 1 else "The test case agrees"
                return self.passed(f"{agree}, {kinds}", runs[0].outcome.printed)
            found = diagnose(self, runs)
        return self.failed(
            found.message, found.reason, detail=found.detail, more=found.more, printed=found.printed, mistake=found.mistake
        )

    def _examples(self):
        """(case, right result) pairs, the same on every call."""
        cases = list(self.cases(Draw(f"{self.chapter}.{self.name}")))
        examples = [(case, self._right(case)) for case in cases]
        if self.float32:
            single = cases[-1].map(lambda value: to_dtype(value, torch.float32))
            single.label = "in float32"
            double = single.map(lambda value: to_dtype(value, torch.float64))
            examples.append((single, to_dtype(self._right(double), torch.float32)))
        return examples

    def _right(self, case):
        given = case.fresh()
        return self.call(self.oracle, *given.args, **given.kwargs)

    def _run(self, answer, examples):
        clock, runs = Clock(self.time_limit), []
        for case, expected in examples:
            outcome = try_case(answer, case, self.call, self.signature, clock.left)
            outcome = replace(outcome, changed=()) if self.in_place else outcome
            found = () if outcome.error else differences(outcome.value, expected, self.returns, self.tolerance, self.noise)
            runs.append(Run(case, expected, outcome, tuple(found)))
            if time_out(outcome) or _not_attempted(runs[0].error):
                break
        return runs

    def _not_a_function(self, answer):
        if answer is None or answer is ...:
            return self.untouched(f"Write `{self.name}`, then hand it in: `{self.address}.check({self.name})`.")
        if callable(answer):
            return None
        fix = f"hand in the function itself, without calling it: `check({self.name})`, not `check({self.name}(…))`"
        return self.failed(f"This is {kind_of(answer)}, not a function", fix)

    def _wrong_signature(self, answer, cases):
        own = signature_of(answer)
        if self.call is not plain_call or own is None:
            return None
        try:
            for case in cases:
                own.bind(*case.args, **case.kwargs)
        except TypeError as error:
            name = getattr(answer, "__name__", type(answer).__name__)
            return self.failed(
                f"The check calls `{self.name}{self.signature}`, and yours is `{name}{own}`: {error}",
                "the arguments do not fit: put the first line of the function back as it was given",
            )
        return None


def _not_attempted(error):
    return isinstance(error, NotImplementedError) and raised_by_student(error)
