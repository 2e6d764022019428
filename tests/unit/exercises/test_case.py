"""A case is described as the call that a student could type, with what its arguments hold."""

import inspect

import torch

from mmlearn.exercises import Case
from mmlearn.exercises.case import describe


def described(function, *args, **kwargs):
    return describe(Case(*args, **kwargs), "f", inspect.signature(function))


def test_tensors_stand_below_the_call_and_numbers_in_it():
    text = described(lambda x, width, stride=1: x, torch.tensor([1.0, 2.0]), 3, stride=2)
    assert text == "f(x, 3, stride=2)\n  x: float32 (2,)\n    [1 2]"


def test_tensors_of_a_list_are_numbered():
    text = described(lambda parts: parts, [torch.tensor(1), torch.tensor(2)])
    assert text == "f(parts)\n  parts[0]: int64 () = 1\n  parts[1]: int64 () = 2"


def test_what_dicts_in_a_list_hold_stands_at_its_place_and_what_is_missing_too():
    samples = [{"image": torch.tensor([1.0]), "words": None}, {"image": None, "words": torch.tensor([4, 5])}]
    assert described(lambda samples: samples, samples).splitlines() == [
        "f(samples)",
        "  samples[0]['image']: float32 (1,) = 1",
        "  samples[0]['words']: None",
        "  samples[1]['image']: None",
        "  samples[1]['words']: int64 (2,)",
        "    [4 5]",
    ]
