"""Every declared exercise keeps its promises, and `verify` notices when one does not."""

import pytest
import torch

import mmlearn.exercises
from mmlearn.exercises import Case, Exercise, Mistake, all_exercises, chapters, verify

EXERCISES = all_exercises()


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.address)
def test_the_solution_passes_and_every_mistake_is_named(exercise):
    verify(exercise)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.address)
def test_an_exercise_stands_in_its_chapter_under_its_name(exercise):
    module = getattr(mmlearn.exercises, f"ch{exercise.chapter}")
    assert getattr(module, exercise.name) is exercise
    assert exercise.minutes
    assert exercise.difficulty in (1, 2, 3)


def test_the_small_exercises_keep_their_promises(moving_average, linear_backward, edge_kernel):
    for exercise in (moving_average, linear_backward, edge_kernel):
        verify(exercise)
    verify(moving_average, also_right=[lambda signal, width, stride=1: signal.unfold(-1, width, stride).sum(-1) / width])


def test_verify_judges_without_recording(moving_average, progress_file):
    verify(moving_average)
    assert not progress_file.exists()


def identity(x):
    return x.clone()


def exercise(mistakes, hints=("a", "b"), solution=identity):
    return Exercise(
        chapter="99", name="copy", title="Copy", oracle=lambda x: x.clone(), mistakes=mistakes, hints=hints, solution=solution,
        cases=lambda draw: [Case(draw.integers(2, 3)), Case(draw.normal(4, 2))],
    )  # fmt: skip


WRONG = [Mistake(lambda x: -x, "negated"), Mistake(lambda x: 2 * x, "doubled"), Mistake(lambda x: x.mT, "transposed")]


@pytest.mark.parametrize(
    ("declaration", "complaint"),
    [
        (exercise(WRONG[:2]), "lists 2 mistakes"),
        (exercise(WRONG, hints=["a"]), "has 1 hints"),
        (exercise(WRONG, solution="copy = lambda x: x + 1"), "refuses a right answer"),
        (exercise([*WRONG, Mistake(lambda x: x + 0, "not wrong at all")]), "does not refuse the mistake 'not wrong at all'"),
        (exercise([*WRONG, Mistake(lambda x: x + x, "added to itself")]), "does not name the mistake 'added to itself'"),
    ],
)
def test_a_broken_promise_is_named(declaration, complaint):
    with pytest.raises(AssertionError, match=complaint):
        verify(declaration)


def test_a_solution_that_needs_a_private_name_of_its_module_is_refused():
    with pytest.raises(NameError):
        verify(exercise(WRONG, solution="copy = _hidden"))


def test_also_right_answers_must_pass():
    with pytest.raises(AssertionError, match="refuses a right answer"):
        verify(exercise(WRONG), also_right=[lambda x: x + 1])


def test_a_chapter_without_exercises_is_named_with_those_that_have_some():
    with pytest.raises(ImportError, match=r"chapter 77 has no exercises; chapters with exercises: .*ch04"):
        from mmlearn.exercises import ch77  # noqa: F401
    assert set(chapters()) <= set(dir(mmlearn.exercises))


def test_unknown_names_are_attribute_errors():
    assert not hasattr(mmlearn.exercises, "Exam")


def test_drawn_values_are_the_same_on_every_machine():
    draw = mmlearn.exercises.Draw("04.im2col")
    assert draw.integers(5, dtype=torch.int64).tolist() == mmlearn.exercises.Draw("04.im2col").integers(5).long().tolist()
    assert sorted(draw.distinct(2, 3).flatten().tolist()) == [0, 1, 2, 3, 4, 5]
    assert 0 <= draw.uniform(100).min() < draw.uniform(100, high=2.0).max() < 2
    assert 3 <= draw.number(3, 4) <= 4
