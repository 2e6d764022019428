"""Where a ValueError is the right answer, it is a result like others; every other exception stays one."""

import pytest
import torch

from mmlearn.exercises.compare import differences
from mmlearn.exercises.refusal import REFUSED, or_refused


def root(x):
    if x < 0:
        raise ValueError("negative")
    return x**0.5


def test_a_value_error_becomes_a_result():
    assert or_refused(root, -1) is REFUSED
    assert or_refused(root, x=4) == 2
    assert differences(or_refused(root, -1), REFUSED) == []


@pytest.mark.parametrize("error", [TypeError, ZeroDivisionError, StopIteration, KeyboardInterrupt])
def test_other_exceptions_pass_through(error):
    def stop():
        raise error

    with pytest.raises(error):
        or_refused(stop)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.ones(2), "a tensor of shape (2,)"),
        (3, "the number 3"),
        ((1, 2), "a tuple"),
        ("ValueError", "the string 'ValueError'"),
        (ValueError("returned"), "a ValueError"),
    ],
)
def test_a_result_in_place_of_the_refusal_is_a_difference(value, words):
    (found,) = differences(value, REFUSED)
    assert found.text == f"your result is {words}, expected a raised ValueError"


def test_a_refusal_in_place_of_a_result_is_one_too():
    (found,) = differences(REFUSED, torch.ones(2))
    assert found.kind == "type"
