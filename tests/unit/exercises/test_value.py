"""A value is judged, its usual mistakes are named, and the message never gives the right one away."""

import numpy as np
import pytest
import torch

from mmlearn.exercises import Mistake, ValueExercise


def exercise(oracle, mistakes=(), **options):
    return ValueExercise(chapter="99", name="answer", title="A question", oracle=oracle, mistakes=mistakes, hints=[], **options)


@pytest.mark.parametrize(
    ("oracle", "answers"),
    [
        (12, [12, 12.0, torch.tensor(12), np.int64(12)]),
        (0.333, [0.333, 1 / 3, torch.tensor(1 / 3), np.float32(0.333)]),
        ((2, 3, 4), [(2, 3, 4), [2, 3, 4], torch.Size((2, 3, 4))]),
        ("same", ["same", "Same ", "SAME"]),
        (True, [True, np.True_, torch.tensor(True)]),
        (torch.tensor([1.0, 2.0]), [torch.tensor([1, 2]), torch.tensor([1.0, 2.0], dtype=torch.float64)]),
    ],
)
def test_right_values_pass_in_every_usual_form(oracle, answers):
    for answer in answers:
        assert exercise(oracle).check(answer).passed, answer


@pytest.mark.parametrize("answer", [None, ..., "", "…", "?", " ... "])
def test_a_placeholder_is_not_an_attempt(answer):
    assert exercise("yes").check(answer).status == "untouched"


def test_what_the_notebook_assigned_is_not_an_attempt(edge_kernel):
    edge_kernel.placeholder = torch.zeros(3)
    assert edge_kernel.check(torch.zeros(3)).status == "untouched"
    assert edge_kernel.check(torch.tensor([0.0, 0.0, 1.0])).status == "failed"


@pytest.mark.parametrize(
    ("oracle", "answer", "words"),
    [
        (12, "12", "should be a number; it is the string '12'"),
        (12, True, "should be a number; it is True"),
        (12, [12], "should be a number; it is a list"),
        (12, float("nan"), "is NaN"),
        (12, torch.ones(2), "should be a number; it is a tensor of shape (2,)"),
        (True, 1, "should be True or False; it is the number 1"),
        ("same", 3, "should be a string; it is the number 3"),
        ((2, 3), 6, "You gave the number 6, expected a tuple of 2 results"),
        ((2, 3), (2, 3, 4), "You gave 3 results, expected 2"),
        (torch.ones(2), [1, 1], "is a list, expected a tensor"),
        (torch.ones(2), np.ones(2), "is a numpy array of shape (2,), expected a tensor"),
        (torch.ones(2, 3), torch.ones(3, 2), "has shape (3, 2), expected (2, 3)"),
        (torch.ones(2), torch.ones(2) * torch.nan, "contains NaN"),
        (3, lambda: 3, "a function or a class"),
    ],
)
def test_a_wrong_kind_of_value_is_named(oracle, answer, words):
    result = exercise(oracle).check(answer)
    assert result.status == "failed"
    assert words in str(result)


@pytest.mark.parametrize(
    ("oracle", "answer", "words"),
    [
        (12, -12, "the sign is flipped"),
        (12, 13, "one too large"),
        (12, 11, "one too small"),
        (12, 24, "2× too large"),
        (12, 1.5, "8× too small"),
        (12, 700, "too large"),
        (12.5, -80, "too small"),
        ((2, 3, 4), (2, 4, 3), "wrong at positions 1, 2"),
        (torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[1.0, 3], [2, 4]]), "2 of 4 values are right"),
        (torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[1.0, 3], [2, 4]]), "transposed"),
    ],
)
def test_a_wrong_value_gets_a_direction_and_not_the_answer(oracle, answer, words):
    result = exercise(oracle).check(answer)
    assert words in result.diagnosis
    assert result.detail == ""
    if isinstance(oracle, (int, float)):
        assert str(oracle) not in str(result).replace(str(answer), "")


def test_catalogued_values_and_predicates_are_named(edge_kernel):
    assert edge_kernel.check(torch.tensor([1.0, 0.0, -1.0])).diagnosis == "the kernel is flipped"
    assert edge_kernel.check(torch.tensor([1.0, 2.0, 1.0])).diagnosis == "this kernel blurs"
    assert edge_kernel.check("no tensor").mistake is None


def test_what_can_be_read_is_judged_as_what_it_says():
    def read(answer):
        if isinstance(answer, str):
            raise ValueError("two numbers, not a word")
        return torch.as_tensor(answer)

    question = exercise(torch.tensor([1.0, 2.0]), [Mistake(torch.tensor([2.0, 1.0]), "turned round")], read=read)
    for right in ([1, 2], (1.0, 2.0), np.array([1, 2]), torch.tensor([1.0, 2.0])):
        assert question.check(right).passed
    assert question.check([2, 1]).diagnosis == "turned round"
    assert "has shape (3,), expected (2,)" in question.check([1, 2, 3]).message
    assert question.check("1, 2").diagnosis == "two numbers, not a word"
    assert question.check(None).status == "untouched"


def test_accepts_decides_when_there_are_many_right_answers():
    def accepts(kernel):
        return None if abs(kernel.sum()) < 1e-6 else f"on an even image it gives {kernel.sum():g}"

    question = exercise(torch.tensor([-1.0, 1.0]), accepts=accepts, mistakes=[Mistake(torch.zeros(2), "it sees nothing")])
    assert question.check(torch.tensor([-3.0, 3.0])).passed
    assert question.check(torch.tensor([-3.0, 4.0])).diagnosis == "on an even image it gives 1"
    assert question.check(torch.zeros(2)).diagnosis == "it sees nothing"
    assert "shape" in question.check(torch.zeros(3)).message
