"""From the runs of a wrong answer to the most helpful words: a catalogued mistake, else the exception, else the difference."""

from dataclasses import dataclass

import torch

from .calling import plain_call, time_out, try_case
from .case import describe, named_arguments
from .compare import differences
from .failure import headline, students_line, usual_meaning, what_it_says
from .patterns import pattern, size_factor
from .properties import shared_property


@dataclass(frozen=True)
class Diagnosis:
    """What happened, the probable reason, the evidence, further words, the prints; and the catalogued mistake, if it is one."""

    message: str
    reason: str = ""
    detail: str = ""
    more: str = ""
    printed: str = ""
    mistake: object = None


def diagnose(exercise, runs):
    """The `Diagnosis` of an answer that is wrong in at least one run; the smallest wrong case is the evidence."""
    wrong = [run for run in runs if not run.right]
    endless = any(time_out(run.outcome) for run in runs)
    mistake, seen = (None, wrong) if endless else catalogued(exercise, runs)
    shown = min(seen, key=lambda run: run.case.size)
    count = f"in {len(wrong)} of {len(runs)} test cases" if len(wrong) < len(runs) else f"in all {len(runs)} test cases"
    when = shared_property([run.case for run in runs], [not run.right for run in runs], exercise.signature, exercise.shapes)
    when = f"wrong exactly when {when}" if when else ""
    if mistake:
        words = f"Wrong {count}", mistake.diagnosis, _evidence(exercise, shown), mistake.why_more
    elif endless:
        words = _endless(exercise, runs[-1])
    elif shown.error is not None:
        words = _stopped(exercise, shown, count, when)
    elif shown.differences:
        words = _differs(exercise, [run for run in wrong if run.differences], shown, count, when)
    else:
        words = _changed(exercise, shown)
    return Diagnosis(*words, printed=shown.outcome.printed, mistake=mistake)


def catalogued(exercise, runs):
    """The first catalogued mistake that does on every case what the student's answer did, or None; and the runs that show it.

    First the dtype must agree too; then only shapes and values, so that a mistake made in float32 is still named; last those
    mistakes that may show in a part of the cases.
    """
    wrong = [run for run in runs if not run.right]
    tried = {mistake: [] for mistake in exercise.mistakes}
    for strict in (True, False):
        for mistake, outcomes in tried.items():
            if _does_the_same(exercise, mistake, runs, outcomes, strict):
                return mistake, wrong
    for mistake in exercise.mistakes:
        seen = _seen_in(exercise, mistake, wrong) if mistake.partly else []
        if seen:
            return mistake, seen
    return None, wrong


def _seen_in(exercise, mistake, wrong):
    """The wrong runs with the mistake's result; [] when a result is wrong in another way."""
    seen = []
    for run in wrong:
        if run.error is not None:
            continue
        outcome = try_case(mistake.wrong, run.case, exercise.call, exercise.signature, exercise.time_limit)
        if outcome.error is not None:
            continue
        gap = differences(run.outcome.value, outcome.value, exercise.returns, exercise.tolerance, exercise.noise)
        if any(d.kind != "dtype" for d in gap):
            return []
        if any(d.kind != "dtype" for d in run.differences):  # not one that is wrong in its dtype, or in what it overwrites
            seen.append(run)
    return seen


def _does_the_same(exercise, mistake, runs, outcomes, strict):
    """Fills `outcomes` with what the mistake does, case by case, only as far as it agrees."""
    both_wrong = False
    for i, run in enumerate(runs):
        if len(outcomes) == i:
            outcomes.append(try_case(mistake.wrong, run.case, exercise.call, exercise.signature, exercise.time_limit))
        if type(outcomes[i].error) is not type(run.error):
            return False
        if run.error is None:
            gap = differences(run.outcome.value, outcomes[i].value, exercise.returns, exercise.tolerance, exercise.noise)
            if any(strict or d.kind != "dtype" for d in gap):
                return False
            both_wrong = both_wrong or not run.right
    raised = [(ours.error, run.error) for ours, run in zip(outcomes, runs, strict=True) if run.error is not None]
    if len(raised) < len(runs):
        return both_wrong or bool(raised)
    # Both raise everywhere: the same type says little, so ask for the same words.
    return all(str(ours) == str(theirs) for ours, theirs in raised)


def _endless(exercise, run):
    where = students_line(run.error)
    case = describe(run.case, exercise.name, exercise.signature)
    detail = f"It was at {where}\n\nin the call\n{case}" if where else case
    reason = "is there a loop that never ends, such as a `while` whose condition stays true?"
    return headline(run.error, exercise.time_limit), reason, detail


def _stopped(exercise, run, count, when):
    case = describe(run.case, exercise.name, exercise.signature)
    detail = "\n\n".join(filter(None, [what_it_says(run.error), students_line(run.error), f"in the call\n{case}"]))
    return f"{headline(run.error)}, {count}", usual_meaning(run.error), detail, when and f"{when[0].upper()}{when[1:]}."


def _changed(exercise, run):
    names = ", ".join(f"`{name}`" for name in run.outcome.changed)
    reason = f"your function changes its input {names} in place: work on `.clone()`, or write `x = x + …` for `x += …`"
    case = describe(run.case, exercise.name, exercise.signature)
    return "The results are right, but the caller's data is overwritten", reason, case


def _differs(exercise, wrong, shown, count, when):
    difference = shown.differences[0]
    relation = _relation(exercise, wrong, difference.part) if difference.kind in ("value", "shape") else ""
    relation += f" (`{difference.part}`)" if difference.part and relation else ""
    reason = "; ".join(filter(None, [relation or difference.hint, when]))
    text = difference.text
    if difference.kind == "nothing" and not difference.part and exercise.call is not plain_call:
        text = "your function returned None"  # the results that the text lists are those of `call`, not the function's own
    return f"{text}, {count}", reason, _evidence(exercise, shown), _right_parts(exercise, wrong)


def _relation(exercise, wrong, part):
    """The one relation between got and expected that holds in every wrong case, or ""."""
    found = [(run, d) for run in wrong for d in run.differences if d.part == part]
    if len(found) < len(wrong) or not all(d.comparable and d.kind in ("value", "shape") for _, d in found):
        return ""
    pairs = [(torch.as_tensor(d.got), torch.as_tensor(d.expected)) for _, d in found]
    words = pattern(pairs)
    factor = size_factor(pairs, [named_arguments(run.case, exercise.signature, defaults=True) for run, _ in found])
    if factor and not words.startswith("your result is all zeros"):
        name, large = factor
        return f"too {'large' if large else 'small'} by a factor that equals {name}: is a mean a sum, or a sum a mean?"
    return words


def _right_parts(exercise, wrong):
    """Which of several results are right already."""
    expected = wrong[0].expected
    names = [str(name) for name in getattr(expected, "_fields", exercise.returns)]
    bad = {d.part for run in wrong for d in run.differences}
    right = [name for name in names if not any(part == name or part.startswith(f"{name}.") for part in bad)]
    if not isinstance(expected, tuple) or not right or "" in bad:
        return ""
    return f"Right already: {', '.join(f'`{name}`' for name in right)}."


def _evidence(exercise, run):
    """The case, then what was expected and what came."""
    lines = [describe(run.case, exercise.name, exercise.signature)]
    if run.error is not None:
        lines += ["", what_it_says(run.error), students_line(run.error)]
    for difference in run.differences[:2]:
        if difference.got is None and difference.expected is None:
            continue  # None in place of several results: there are no two values to compare
        lines += ["", difference.detail()]
    return "\n".join(lines).rstrip()
