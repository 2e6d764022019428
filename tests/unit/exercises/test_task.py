"""Hints come one at a time; the solution comes after asking twice, under the exercise's name."""

import pytest
import torch

from mmlearn.exercises import Exercise


def test_each_call_tells_one_hint_more_and_the_last_says_so(moving_average):
    first, second, third = (str(moving_average.hint()) for _ in range(3))
    assert first.startswith("**Hint 1 of 2**\n\nHow many windows")
    assert second.startswith("**Hint 2 of 2** (the last one)\n\nThe mean of a window is $")
    assert third.startswith("That was the last of 2 hints")
    assert "ch99.moving_average.solution()" in third


def test_without_hints_the_solution_is_named(moving_average):
    moving_average.hints = ()
    assert "has no hints" in str(moving_average.hint())


def test_the_solution_is_shown_on_the_second_call_under_its_own_name(moving_average):
    first, second = moving_average.solution(), moving_average.solution()
    assert "Do you really want" in str(first)
    assert "`ch99.moving_average.hint()` has 2 more hints" in str(first)
    assert str(second) == (
        "```python\ndef moving_average(signal, width, stride=1):\n    return signal.unfold(-1, width, stride).mean(-1)\n```"
    )


def test_a_solution_may_be_given_as_source(edge_kernel):
    edge_kernel.solution()
    assert "edge_kernel = torch.tensor([-1.0, 0.0, 1.0])" in str(edge_kernel.solution())


def test_a_solution_without_source_does_not_raise():
    names = {}
    exec("def _secret(x):\n    return x", names)
    exercise = Exercise(chapter="99", name="f", title="F", oracle=names["_secret"], cases=lambda draw: [], mistakes=[], hints=[])
    exercise.solution()
    assert "cannot be read here" in str(exercise.solution())


@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_an_exercise_introduces_itself(moving_average, difficulty):
    moving_average.difficulty = difficulty
    stars = "●" * difficulty + "○" * (3 - difficulty)
    assert repr(moving_average) == f"ch99.moving_average: A moving average (Eq. 99.1) · about 5 minutes · difficulty {stars}"


@pytest.mark.parametrize("answer", [{"as they are": []}, [0.5], 3, "moving_average", torch.ones(2)])
def test_a_name_that_may_have_been_used_again_is_told(moving_average, answer):
    result = moving_average.check(answer)
    assert result.status == "failed"
    assert "without calling it" in result.diagnosis
    assert "or was the name used again further down? Run your answer cell again." in str(result)


def test_a_function_or_a_value_is_not_told_that_its_name_was_used_again(moving_average, edge_kernel):
    for result in (moving_average.check(lambda signal, width, stride=1: signal), edge_kernel.check(2.5), edge_kernel.check(len)):
        assert result.status == "failed"
        assert "used again" not in str(result)


def test_after_the_last_hint_a_failure_offers_none(moving_average):
    def wrong(signal, width, stride=1):
        return signal

    assert "hint()" in str(moving_average.check(wrong))
    moving_average.hint(), moving_average.hint()
    assert "hint()" not in str(moving_average.check(wrong))
