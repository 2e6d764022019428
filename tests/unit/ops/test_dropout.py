"""Dropout: who is dropped, what happens to those that stay, and where the gradient goes."""

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.dropout import dropout, dropout_backward
from mmlearn.ops.gradient_table import gradcheck

TORCH = torch.nn.functional.dropout


def seeded(function, *arguments, **options):
    torch.manual_seed(7)
    return function(*arguments, **options)


def numbers(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@given(shape=st.lists(st.integers(0, 5), max_size=4), p=st.sampled_from([0, 0.1, 0.5, 0.9, 1.0, 1]), training=st.booleans())
def test_after_the_same_seed_it_drops_what_torch_drops(shape, p, training):
    for x in (numbers(*shape), numbers(*shape).float(), numbers(*shape, 2)[..., 0]):
        ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
        output, expected = seeded(dropout, ours, p, training), seeded(TORCH, theirs, p, training)
        torch.testing.assert_close(output, expected)
        grad_output = torch.arange(1.0, 1 + x.numel(), dtype=x.dtype).view(x.shape)
        torch.testing.assert_close(
            torch.autograd.grad(output, ours, grad_output), torch.autograd.grad(expected, theirs, grad_output)
        )


def test_the_signature_is_that_of_torch():
    ours, theirs = (inspect.signature(function).parameters.values() for function in (dropout, TORCH))
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_part_p_is_dropped_and_the_expected_value_stays(p):
    output = seeded(dropout, torch.ones(200_000, dtype=torch.float64), p)
    spread = (p * (1 - p) / 200_000) ** 0.5
    assert abs((output == 0).double().mean().item() - p) < 5 * spread
    assert abs(output.mean().item() - 1) < 5 * spread / (1 - p)
    assert set(output.unique().tolist()) == {0.0, 1 / (1 - p)}


def test_each_call_draws_anew_and_each_place_on_its_own():
    x = torch.ones(100, 50)
    first, second = dropout(x), dropout(x)
    assert not torch.equal(first, second)
    agreement = ((first == 0) == (second == 0)).float().mean().item()
    assert abs(agreement - 0.5) < 0.05


def test_without_training_or_with_p_of_zero_the_input_comes_back_itself():
    x = numbers(3, 4)
    assert dropout(x, 0.9, training=False) is x
    assert dropout(x, 0.0) is x


def test_where_all_are_dropped_output_and_gradient_are_zero():
    x = numbers(3, 4).requires_grad_()
    output = dropout(x, 1.0)
    output.sum().backward()
    assert not output.any()
    assert not x.grad.any()


def test_the_gradient_passes_where_the_number_passed():
    x = numbers(20, 5).requires_grad_()
    output = dropout(x, 0.4)
    output.sum().backward()
    kept = (output != 0).double()
    torch.testing.assert_close(x.grad, kept / 0.6)
    torch.testing.assert_close(dropout_backward(torch.ones_like(output), kept, 1 / 0.6), x.grad)
    theirs = torch.ops.aten.native_dropout_backward(torch.ones_like(output), kept.bool(), 1 / 0.6)
    torch.testing.assert_close(dropout_backward(torch.ones_like(output), kept.bool(), 1 / 0.6), theirs)


def test_the_gradient_is_that_of_finite_differences_once_and_twice():
    def function(x):
        return seeded(dropout, x, 0.3)

    assert gradcheck(function, [numbers(3, 4)])
    assert torch.autograd.gradgradcheck(function, numbers(3, 4).requires_grad_())
    ours, theirs = numbers(3, 4).requires_grad_(), numbers(3, 4).requires_grad_()
    function(ours).square().sum().backward()
    with torch_gradients():
        function(theirs).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_in_place_it_writes_into_its_input():
    x = torch.ones(50)
    expected = seeded(TORCH, x, 0.5)
    assert seeded(dropout, x, 0.5, inplace=True) is x
    assert torch.equal(x, expected)


ONES = torch.ones(3)
WRONG = [
    (lambda: dropout(ONES, -0.1), "p", "-0.1", "a probability from 0 to 1"),
    (lambda: dropout(ONES, 1.1), "p", "1.1", "a probability from 0 to 1"),
    (lambda: dropout(ONES, float("nan")), "p", "nan", "a probability from 0 to 1"),
    (lambda: dropout(ONES, "half"), "p", "'half'", "a probability"),
    (lambda: dropout(ONES, -0.1, training=False), "p", "-0.1", "a probability"),
    (lambda: dropout(ONES.long()), "input", "int64", "floating-point"),
    (lambda: dropout([1.0]), "input", "list", "torch.Tensor"),
    (lambda: dropout_backward(ONES, torch.ones(2), 2.0), "grad_output", r"shape \(3,\)", r"\(2,\)"),
    (lambda: dropout_backward(ONES, None, 2.0), "mask", "NoneType", "a torch.Tensor of zeros and ones"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
