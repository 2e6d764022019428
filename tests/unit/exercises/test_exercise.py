"""A check says ✓ to every right answer, ○ to none at all, and ✗ with a reason to all others; it never raises."""

import random
import signal as signals
import sys

import numpy as np
import pytest
import torch

from mmlearn.exercises import Case, Exercise, Mistake


def test_a_right_answer_passes_and_earns_its_afterword(moving_average):
    result = moving_average.check(lambda signal, width, stride=1: signal.unfold(-1, width, stride).mean(-1))
    assert result.passed
    assert result.status == "passed"
    assert "5 test cases" in result.message
    assert "You have written a convolution." in str(result)


def by_loops(signal, width, stride=1):
    count = (signal.shape[-1] - width) // stride + 1
    windows = [signal[..., i * stride : i * stride + width].mean(-1) for i in range(count)]
    return torch.stack(windows, dim=-1)


def by_cumulative_sums(signal, width, stride=1):
    total = torch.nn.functional.pad(signal.cumsum(-1), (1, 0))
    return ((total[..., width:] - total[..., :-width]) / width)[..., ::stride]


def by_convolution(signal, width, stride=1):
    kernel = torch.full((1, 1, width), 1 / width, dtype=signal.dtype, requires_grad=True)
    flat = signal.reshape(-1, 1, signal.shape[-1])
    return torch.nn.functional.conv1d(flat, kernel, stride=stride).reshape(*signal.shape[:-1], -1)


class Averager:
    def __call__(self, signal, width, *, stride=1):
        return by_loops(signal, width, stride)


@pytest.mark.parametrize("answer", [by_loops, by_cumulative_sums, by_convolution, Averager()])
def test_a_right_answer_in_another_style_passes(moving_average, answer):
    assert moving_average.check(answer).passed


def unfinished(signal, width, stride=1):
    raise NotImplementedError


def only_a_docstring(signal, width, stride=1):
    """The moving average."""
    ...


def only_pass(signal, width, stride=1):
    pass


@pytest.mark.parametrize("answer", [None, ..., unfinished, only_a_docstring, only_pass])
def test_what_is_not_begun_is_not_wrong(moving_average, answer, progress_file):
    result = moving_average.check(answer)
    assert result.status == "untouched"
    assert not result.passed
    assert "hint()" in str(result)
    assert not progress_file.exists()


def test_handing_in_nothing_says_how_to_hand_in(moving_average):
    assert "ch99.moving_average.check(moving_average)" in str(moving_average.check())


def test_a_function_that_raises_not_implemented_for_some_inputs_is_begun(moving_average):
    def answer(signal, width, stride=1):
        if stride > 1:
            raise NotImplementedError("strides come later")
        return by_loops(signal, width)

    result = moving_average.check(answer)
    assert result.status == "failed"
    assert "Wrong exactly when `stride` is not 1" in str(result)
    assert "strides come later" in result.detail


@pytest.mark.parametrize("answer", [torch.ones(3), 3.0, "moving_average", [1, 2]])
def test_a_result_in_place_of_the_function_is_named(moving_average, answer):
    result = moving_average.check(answer)
    assert result.status == "failed"
    assert "not a function" in result.message
    assert "without calling it" in result.diagnosis


@pytest.mark.parametrize(
    "answer", [lambda signal: signal, lambda signal, width: signal, lambda a, b, step=1: a, lambda a, b, stride, more: a]
)
def test_a_changed_signature_is_named_before_anything_runs(moving_average, answer):
    result = moving_average.check(answer)
    assert "moving_average(signal, width, stride=1)" in result.message
    assert "the arguments do not fit" in result.diagnosis


def test_a_function_right_in_one_dtype_only_is_refused(moving_average):
    def answer(signal, width, stride=1):
        return by_loops(signal, width, stride).double()

    result = moving_average.check(answer)
    assert "float64, expected float32" in result.message
    assert "the input is float32" in result.diagnosis


def test_a_result_in_the_wrong_dtype_is_named_with_its_usual_reason(moving_average):
    def answer(signal, width, stride=1):
        out = torch.zeros(averaged_shape(signal, width, stride))
        out[...] = by_loops(signal, width, stride)
        return out

    def averaged_shape(signal, width, stride):
        return (*signal.shape[:-1], (signal.shape[-1] - width) // stride + 1)

    assert "here float32; `x.new_zeros(…)`" in moving_average.check(answer).diagnosis


def test_an_input_changed_in_place_is_named(moving_average):
    def answer(signal, width, stride=1):
        right = by_loops(signal, width, stride)
        signal -= signal.mean()
        return right

    result = moving_average.check(answer)
    assert result.status == "failed"
    assert "`signal` in place" in result.diagnosis


def test_an_exercise_may_allow_changes_in_place():
    def step(parameter, gradient):
        return parameter.sub_(gradient)

    exercise = Exercise(
        chapter="99", name="step", title="A step", oracle=lambda parameter, gradient: parameter - gradient, in_place=True,
        cases=lambda draw: [Case(draw.normal(3), draw.normal(3))], mistakes=[], hints=[],
    )  # fmt: skip
    assert exercise.check(step).passed


def test_the_student_gets_inputs_with_the_strides_and_the_grad_of_the_case():
    seen = []

    def answer(x):
        seen.append((x.stride(), x.requires_grad))
        return x * 2

    exercise = Exercise(
        chapter="99", name="twice", title="Twice", oracle=lambda x: x * 2, float32=False, mistakes=[], hints=[],
        cases=lambda draw: [Case(draw.normal(4, 6).T), Case(draw.normal(4, 6)[:, ::2]), Case(draw.normal(2).requires_grad_())],
    )  # fmt: skip
    assert exercise.check(answer).passed
    assert seen == [((1, 6), False), ((6, 2), False), ((1,), True)]


def test_every_check_draws_the_same_cases(moving_average):
    def seen():
        cases = []
        moving_average.check(lambda signal, width, stride=1: cases.append(signal.tolist()))
        return cases

    assert seen() == seen()


def test_the_notebooks_random_state_is_left_alone(moving_average):
    def answer(signal, width, stride=1):
        torch.manual_seed(7)
        random.seed(7)
        np.random.seed(7)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return by_loops(signal, width, stride) + torch.rand(1).item() * 0

    def state():
        return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()

    before = state()
    assert moving_average.check(answer).passed
    assert state() == before
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_prints_are_shown_once_and_only_the_first_lines(moving_average, capsys):
    def answer(signal, width, stride=1):
        for i in range(10_000):
            print("step", i)
        print("to the other stream", file=sys.stderr)
        return signal

    result = moving_average.check(answer)
    assert result.printed.splitlines() == [*(f"step {i}" for i in range(5)), "… and 9996 more lines"]
    assert capsys.readouterr() == ("", "")


def test_an_endless_loop_ends_with_the_line_it_was_in(moving_average, cell):
    moving_average.time_limit = 0.3
    endless = cell("def moving_average(signal, width, stride=1):\n    while True:\n        width = width + 0\n")["moving_average"]
    result = moving_average.check(endless)
    assert "did not finish within 0.3 seconds" in result.message
    assert "loop that never ends" in result.diagnosis
    assert "of the cell, in moving_average" in result.detail


def test_an_endless_loop_that_swallows_every_exception_ends_too(moving_average):
    def answer(signal, width, stride=1):
        while True:
            try:  # noqa: SIM105
                signal.sum()
            except:  # noqa: E722
                pass

    moving_average.time_limit = 0.3
    assert "did not finish" in moving_average.check(answer).message


def test_the_time_limit_holds_for_all_cases_together(moving_average):
    calls = []

    def answer(signal, width, stride=1):
        calls.append(signal)
        return by_loops(signal, width, stride)

    moving_average.time_limit = 0
    assert "did not finish" in moving_average.check(answer).message
    assert calls == []


def test_exit_does_not_end_the_notebook(moving_average):
    def answer(signal, width, stride=1):
        sys.exit(1)

    result = moving_average.check(answer)
    assert "ended the program" in result.message
    assert "use `return`" in result.diagnosis


def test_ctrl_c_gets_through_and_leaves_nothing_behind(moving_average, ctrl_c):
    def answer(signal, width, stride=1):
        print("about to be interrupted")
        signals.raise_signal(signals.SIGINT)

    stdout, handler = sys.stdout, signals.getsignal(signals.SIGALRM)
    with pytest.raises(KeyboardInterrupt):
        moving_average.check(answer)
    assert sys.stdout is stdout
    assert signals.getsignal(signals.SIGALRM) is handler


def test_a_fault_of_the_course_is_not_blamed_on_the_student(moving_average):
    moving_average.cases = lambda draw: 1 / 0
    result = moving_average.check(by_loops)
    assert result.status == "broken"
    assert "fault of the course" in result.message
    assert "ZeroDivisionError" in result.detail


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor


class Shift(Scale):
    def __call__(self, x):
        return x + self.factor


def test_the_answer_may_be_a_class():
    exercise = Exercise(
        chapter="99", name="Scale", title="A layer", oracle=Scale, call=lambda Layer, factor, x: Layer(factor)(x),
        cases=lambda draw: [Case(draw.number(2, 4), draw.integers(3)), Case(draw.number(2, 4), draw.integers(4))],
        mistakes=[Mistake(Shift, "added, not multiplied")], hints=[],
    )  # fmt: skip
    assert exercise.check(Scale).passed
    assert exercise.check(Shift).diagnosis == "added, not multiplied"
    result = exercise.check(object)
    assert "TypeError" in result.message
    assert "Scale(" in result.detail


def test_results_that_are_rounding_errors_count_as_zero():
    exercise = Exercise(
        chapter="99", name="gap", title="A gap", oracle=lambda x: (x.sum() - x.flip(0).sum()).item(), float32=False,
        cases=lambda draw: [Case(draw.normal(50))], noise=1e-12, mistakes=[], hints=[],
    )  # fmt: skip
    assert exercise.check(lambda x: 3e-14).passed
    assert not exercise.check(lambda x: 3e-10).passed
