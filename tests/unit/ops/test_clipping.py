"""Clipping: torch's numbers, the direction that stays, and gradients that are no numbers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops.clipping import clip_grad_norm, clip_grad_value

INF, NAN = float("inf"), float("nan")


@st.composite
def gradients(draw):
    """A few gradients of various shapes, among them None."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    found = []
    for shape in draw(st.lists(st.one_of(st.none(), st.lists(st.integers(1, 4), max_size=3)), max_size=4)):
        found.append(None if shape is None else 3 * torch.randn(shape, generator=generator, dtype=torch.float64))
    return found


def clipped_by_torch(gradients, clip, *arguments, **options):
    parameters = [torch.nn.Parameter(torch.zeros(1) if g is None else torch.zeros_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else gradient.clone()
    returned = clip(parameters, *arguments, **options)
    return [parameter.grad for parameter in parameters], returned


def assert_same(actual, expected):
    for ours, theirs in zip(actual, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, equal_nan=True)


@given(given=gradients(), max_norm=st.sampled_from([0.0, 0.5, 1, 100.0]), norm_type=st.sampled_from([2.0, 1, 3.5, INF]))
def test_clipping_the_norm_gives_the_numbers_of_torch(given, max_norm, norm_type):
    before = [None if g is None else g.clone() for g in given]
    clipped, total = clip_grad_norm(given, max_norm, norm_type)
    expected, norm = clipped_by_torch(given, torch.nn.utils.clip_grad_norm_, max_norm, norm_type)
    assert_same(clipped, expected)
    torch.testing.assert_close(total.double(), norm.double())
    assert total.shape == ()
    assert_same(given, before)


@given(given=gradients().filter(lambda given: any(g is not None for g in given)), clip_value=st.sampled_from([0.0, 0.5, 100]))
def test_clipping_values_gives_the_numbers_of_torch(given, clip_value):
    before = [None if g is None else g.clone() for g in given]
    expected, _ = clipped_by_torch(given, torch.nn.utils.clip_grad_value_, clip_value)
    assert_same(clip_grad_value(given, clip_value), expected)
    assert_same(given, before)


def test_a_long_gradient_keeps_its_direction_and_a_short_one_everything():
    given = [torch.tensor([30.0, -40.0]), torch.tensor([[120.0]])]
    clipped, norm = clip_grad_norm(given, 13.0)
    assert norm == 130
    for gradient, original in zip(clipped, given, strict=True):
        torch.testing.assert_close(gradient, original / 10)
    short, _ = clip_grad_norm(given, 1000.0)
    assert all(torch.equal(a, b) for a, b in zip(short, given, strict=True))


def test_the_norm_is_that_of_all_gradients_as_one_vector():
    given = [torch.randn(3, 4), torch.randn(5), torch.randn(())]
    for norm_type in (1.0, 2.0, INF):
        _, norm = clip_grad_norm(given, 1.0, norm_type)
        together = torch.cat([g.reshape(-1) for g in given])
        torch.testing.assert_close(norm, torch.linalg.vector_norm(together, norm_type))


def test_one_tensor_and_a_generator_are_lists_too():
    gradient = torch.tensor([3.0, 4.0])
    for form in (gradient, (g for g in [gradient]), (gradient,)):
        clipped, norm = clip_grad_norm(form, 1.0)
        assert norm == 5
        torch.testing.assert_close(clipped, [gradient / 5])
    assert clip_grad_value(gradient, 3.5)[0].tolist() == [3.0, 3.5]


def test_without_any_gradient_the_norm_is_zero():
    assert clip_grad_norm([], 1.0) == ([], torch.tensor(0.0))
    assert clip_grad_norm([None, None], 1.0).total_norm == 0
    assert clip_grad_value([], 1.0) == []
    assert clip_grad_value([None], 1.0) == [None]


@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_a_gradient_that_is_no_number_spoils_the_step_as_in_torch_or_is_refused(bad):
    given = [torch.tensor([bad, 1.0]), torch.tensor([2.0])]
    expected, _ = clipped_by_torch(given, torch.nn.utils.clip_grad_norm_, 1.0)
    assert_same(clip_grad_norm(given, 1.0).gradients, expected)
    with pytest.raises(ValueError, match=r"gradients: expected .*finite.*division by zero.*; got norm (inf|nan)"):
        clip_grad_norm(given, 1.0, error_if_nonfinite=True)


def test_gradients_of_several_precisions_keep_theirs():
    clipped, norm = clip_grad_norm([torch.ones(2).double(), torch.ones(2)], 1.0)
    assert [g.dtype for g in clipped] == [torch.float64, torch.float32]
    assert norm.item() == pytest.approx(2)


ONES = [torch.ones(2)]
WRONG = [
    (lambda: clip_grad_norm(3.0, 1.0), "gradients", "float", r"a list of tensors, such as \[p.grad for p"),
    (lambda: clip_grad_norm([1.0], 1.0), r"gradients\[0\]", "float", "torch.Tensor"),
    (lambda: clip_grad_norm([None, torch.tensor([1])], 1.0), r"gradients\[1\]", "int64", "floating-point"),
    (lambda: clip_grad_norm(ONES, -1.0), "max_norm", "-1.0", "a number ≥ 0"),
    (lambda: clip_grad_norm(ONES, math.nan), "max_norm", "nan", "a number ≥ 0"),
    (lambda: clip_grad_norm(ONES, 1.0, 0), "norm_type", "0", "a number > 0"),
    (lambda: clip_grad_norm(ONES, 1.0, "euclidean"), "norm_type", "'euclidean'", "a number > 0"),
    (lambda: clip_grad_value(ONES, -1.0), "clip_value", "-1.0", "a number ≥ 0"),
    (lambda: clip_grad_value(ONES, None), "clip_value", "None", "a number ≥ 0"),
    (lambda: clip_grad_value(None, 1.0), "gradients", "NoneType", "a list of tensors"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
