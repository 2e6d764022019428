"""The embedding: a product with one-hot rows, and a gradient that touches the words that occurred."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.embedding import embedding, embedding_backward, embedding_backward_sparse
from mmlearn.ops.gradient_table import gradcheck

TORCH = torch.nn.functional.embedding


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def lookups(draw):
    """(ids, weight, options)"""
    words, features = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    places = torch.Size(shape).numel()
    ids = torch.tensor(draw(st.lists(st.integers(0, words - 1), min_size=places, max_size=places)), dtype=torch.long).view(shape)
    ids = ids.to(draw(st.sampled_from([torch.int64, torch.int32])))
    weight = numbers(words, features, seed=draw(st.integers(0, 1000)))
    weight = weight.mT.contiguous().mT if draw(st.booleans()) else weight
    options = {
        "padding_idx": draw(st.one_of(st.none(), st.integers(-words, words - 1))),
        "scale_grad_by_freq": draw(st.booleans()),
    }
    if weight.is_contiguous() and draw(st.booleans()):
        options["max_norm"], options["norm_type"] = draw(st.sampled_from([0.5, 1.0])), draw(st.sampled_from([1.0, 2.0, 3.0]))
    return ids, weight, options


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=100)
@given(call=lookups())
def test_rows_and_gradients_are_those_of_torch(dtype, call):
    ids, weight, options = call
    ours, theirs = weight.to(dtype, copy=True).requires_grad_(), weight.to(dtype, copy=True).requires_grad_()
    output, expected = embedding(ids, ours, **options), TORCH(ids, theirs, **options)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(ours, theirs)  # max_norm shortens the rows of the table itself
    grad_output = numbers(*output.shape, seed=1).to(dtype)
    (grad,), (wanted,) = torch.autograd.grad(output, ours, grad_output), torch.autograd.grad(expected, theirs, grad_output)
    torch.testing.assert_close(grad, wanted)
    direct = embedding_backward(grad_output, ids, weight.to(dtype), **options).weight
    torch.testing.assert_close(direct, wanted)


def test_the_signature_is_that_of_torch():
    ours, theirs = (inspect.signature(function).parameters.values() for function in (embedding, TORCH))
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_it_is_the_product_of_one_hot_rows_with_the_table_and_its_gradient_is_that_of_the_product():
    ids, weight, grad_output = torch.tensor([[2, 0, 2], [3, 3, 3]]), numbers(5, 4), numbers(2, 3, 4, seed=1)
    one_hot = torch.nn.functional.one_hot(ids, 5).double()
    torch.testing.assert_close(embedding(ids, weight), one_hot @ weight)
    dense = torch.einsum("ntv,ntd->vd", one_hot, grad_output)
    torch.testing.assert_close(embedding_backward(grad_output, ids, weight).weight, dense)


@given(call=lookups())
def test_the_sparse_gradient_holds_the_rows_that_are_not_zero_each_once_and_in_order(call):
    ids, weight, options = call
    kept = {key: options[key] for key in ("padding_idx", "scale_grad_by_freq")}
    grad_output = numbers(*ids.shape, weight.shape[1], seed=1)
    rows, values = embedding_backward_sparse(grad_output, ids, weight, **kept)
    dense = embedding_backward(grad_output, ids, weight, **kept).weight
    torch.testing.assert_close(torch.zeros_like(weight).index_copy(0, rows.long(), values), dense)
    occurring = {int(i) for i in ids.flatten()}
    if options["padding_idx"] is not None:
        occurring.discard(options["padding_idx"] % len(weight))
    assert rows.tolist() == sorted(occurring)


def test_a_sparse_tensor_on_demand_which_an_optimiser_of_torch_accepts():
    ids, weight = torch.tensor([3, 1, 3]), numbers(10, 4)
    ours, theirs = weight.clone().requires_grad_(), weight.clone().requires_grad_()
    embedding(ids, ours, sparse=True).square().sum().backward()
    TORCH(ids, theirs, sparse=True).square().sum().backward()
    assert ours.grad.is_sparse
    assert ours.grad._nnz() == 2
    torch.testing.assert_close(ours.grad.to_dense(), theirs.grad.to_dense())
    for parameter in (ours, theirs):
        torch.optim.SGD([parameter], lr=0.1).step()
    torch.testing.assert_close(ours, theirs)


def test_words_that_do_not_occur_and_padding_have_no_gradient():
    weight = numbers(6, 2).requires_grad_()
    output = embedding(torch.tensor([[1, 4, 0], [4, 0, 0]]), weight, padding_idx=0)
    torch.testing.assert_close(output[0, 2], weight[0])  # padding is looked up like any other word
    output.sum().backward()
    assert weight.grad.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0], [2, 2], [0, 0]]


def test_the_gradient_is_that_of_finite_differences_once_and_twice():
    ids, weight = torch.tensor([[2, 0, 2], [3, 3, 3]]), numbers(5, 3)

    def function(weight):
        return embedding(ids, weight).square()

    assert gradcheck(function, [weight])
    assert gradcheck(embedding, [ids, weight], embedding_backward)
    assert torch.autograd.gradgradcheck(function, weight.clone().requires_grad_())
    ours = weight.clone().requires_grad_()
    with torch_gradients():
        function(ours).sum().backward()
    torch.testing.assert_close(torch.func.grad(lambda weight: function(weight).sum())(weight), ours.grad)


def test_rows_above_the_largest_norm_are_shortened_to_it_and_others_are_left_alone():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [30.0, 40.0]])
    embedding(torch.tensor([0, 1]), weight, max_norm=1.0)
    torch.testing.assert_close(weight, torch.tensor([[0.6, 0.8], [0.3, 0.4], [30.0, 40.0]]))


IDS, TABLE = torch.tensor([1, 2]), torch.ones(5, 3)
WRONG = [
    (lambda: embedding(IDS + 4, TABLE), "input", "id 5, 6", r"from 0 to 4, as weight \(5, 3\) has 5 rows; map unknown words to"),
    (lambda: embedding(IDS - 2, TABLE), "input", "id -1", "word ids from 0 to 4"),
    (lambda: embedding(torch.arange(20), TABLE), "input", "id 5, 6, 7, 8, 9 and 10 more", "word ids from 0 to 4"),
    (lambda: embedding(IDS, TABLE[:0]), "input", "id 1, 2", "has 0 rows"),
    (lambda: embedding(IDS.float(), TABLE), "input", "float32", r"int64 or int32; convert with .long\(\)"),
    (lambda: embedding(IDS > 1, TABLE), "input", "bool", "int64 or int32"),
    (lambda: embedding([1, 2], TABLE), "input", "list", "word ids, int64 or int32"),
    (lambda: embedding(IDS, TABLE[0]), "weight", r"shape \(3,\)", r"\(V, D\)"),
    (lambda: embedding(IDS, TABLE.long()), "weight", "int64", "floating-point"),
    (lambda: embedding(IDS.to("meta"), TABLE), "input", "ids on meta", "ids on cpu, as weight is"),
    (lambda: embedding(IDS, TABLE, padding_idx=5), "padding_idx", "5", "None or an id from -5 to 4"),
    (lambda: embedding(IDS, TABLE, padding_idx=-6), "padding_idx", "-6", "None or an id from -5 to 4"),
    (lambda: embedding(IDS, TABLE, padding_idx=True), "padding_idx", "True", "None or an id"),
    (lambda: embedding(IDS, TABLE, max_norm=-1.0), "max_norm", "-1.0", "a number ≥ 0 or None"),
    (lambda: embedding_backward(torch.ones(2), IDS, TABLE), "grad_output", r"shape \(2,\)", r"\(2, 3\)"),
    (lambda: embedding_backward(torch.ones(2, 3), IDS + 4, TABLE), "input", "id 5, 6", "from 0 to 4"),
    (lambda: embedding_backward_sparse(torch.ones(2), IDS, TABLE), "grad_output", r"shape \(2,\)", r"\(2, 3\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
