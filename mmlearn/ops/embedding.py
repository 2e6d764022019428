"""The embedding: each word's row of a table, and the gradient that touches the rows of the words alone."""

from numbers import Real
from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_floating, check_grad_output, is_whole, require
from mmlearn.ops.by_hand import differentiated_by


class EmbeddingGradients(NamedTuple):
    """∂L/∂weight (V, D), dense or, with sparse=True, a torch sparse tensor. The ids have no gradient."""

    weight: torch.Tensor


class SparseRows(NamedTuple):
    """The rows of a (V, D) gradient that are not zero: their numbers in rising order, rows (n,), and values (n, D)."""

    rows: torch.Tensor
    values: torch.Tensor


def _padding_row(padding_idx, words):
    """padding_idx counted from the start, checked; None stays None."""
    if padding_idx is None:
        return None
    good = is_whole(padding_idx) and -words <= padding_idx < words
    require(good, "padding_idx", repr(padding_idx), f"None or an id from {-words} to {words - 1}, as weight has {words} rows")
    return padding_idx % words


def _check_embedding(input, weight):
    check_floating(weight, "weight", (2,), "(V, D)")
    require(isinstance(input, torch.Tensor), "input", type(input).__name__, "a torch.Tensor of word ids, int64 or int32")
    got, expected = str(input.dtype).removeprefix("torch."), "word ids as int64 or int32; convert with .long()"
    require(input.dtype in (torch.int64, torch.int32), "input", got, expected)
    require(input.device == weight.device, "input", f"ids on {input.device}", f"ids on {weight.device}, as weight is")
    if input.numel() and (input.min() < 0 or input.max() >= len(weight)):
        outside = input[(input < 0) | (input >= len(weight))].unique()
        listed = ", ".join(map(str, outside[:5].tolist())) + (f" and {len(outside) - 5} more" if len(outside) > 5 else "")
        expected = f"word ids from 0 to {len(weight) - 1}, as weight {tuple(weight.shape)} has {len(weight)} rows"
        require(False, "input", f"id {listed}", f"{expected}; map unknown words to one id or enlarge the vocabulary")


def _grad_rows(grad_output, input, weight, padding_idx, scale_grad_by_freq):
    """(ids, their gradients) of every place that is not padding: (L,) and (L, D)."""
    _check_embedding(input, weight)
    check_grad_output(grad_output, (*input.shape, weight.shape[1]))
    ids, grads = input.reshape(-1), grad_output.reshape(-1, weight.shape[1])
    padding_idx = _padding_row(padding_idx, len(weight))
    if padding_idx is not None:
        kept = ids != padding_idx
        ids, grads = ids[kept], grads[kept]
    if scale_grad_by_freq:
        grads = grads / torch.bincount(ids, minlength=1)[ids].unsqueeze(1)
    return ids, grads


def embedding_backward_sparse(grad_output, input, weight, padding_idx=None, scale_grad_by_freq=False):
    """dE_v = Σ_{i: w_i = v} dY_i for the words that occur; every other row is zero and is left out — Eq. 9.3.

    grad_output: (…, D)   input: (…) ids   weight: (V, D)   returns: SparseRows(rows (n,), values (n, D))

    >>> weight, grad_output = torch.zeros(1000, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> embedding_backward_sparse(grad_output, torch.tensor([7, 3, 7]), weight)
    SparseRows(rows=tensor([3, 7]), values=tensor([[0., 1.],
            [2., 1.]]))
    """
    ids, grads = _grad_rows(grad_output, input, weight, padding_idx, scale_grad_by_freq)
    rows, place = ids.unique(return_inverse=True)
    return SparseRows(rows, grads.new_zeros(len(rows), weight.shape[1]).index_add(0, place, grads))


def embedding_backward(
    grad_output, input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """dE = Oᵀ·dY with O the one-hot matrix of the ids: each place adds its gradient to the row of its word — Eq. 9.2.

    grad_output: (…, D)   input: (…) ids   weight: (V, D)   the rest: as given to embedding
    returns: EmbeddingGradients(weight)
    """
    if sparse:
        rows, values = embedding_backward_sparse(grad_output, input, weight, padding_idx, scale_grad_by_freq)
        grad = torch.sparse_coo_tensor(rows.unsqueeze(0), values, weight.shape, is_coalesced=True, check_invariants=False)
        return EmbeddingGradients(grad)
    ids, grads = _grad_rows(grad_output, input, weight, padding_idx, scale_grad_by_freq)
    return EmbeddingGradients(grads.new_zeros(weight.shape).index_add(0, ids, grads))


@differentiated_by(embedding_backward)
def _embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse):
    return weight.index_select(0, input.reshape(-1)).view(*input.shape, weight.shape[1])


def _shorten_rows(weight, rows, max_norm, norm_type):
    """Scales, in place, the rows whose norm is above max_norm down to it."""
    with torch.no_grad():
        norm = torch.linalg.vector_norm(weight[rows], norm_type, dim=1, keepdim=True)
        weight[rows] = torch.where(norm > max_norm, weight[rows] * (max_norm / (norm + 1e-7)), weight[rows])


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Y = O·E, row i of O the one-hot vector of word w_i; it only picks rows, so it is a lookup — Eq. 9.1 (Bengio et al. 2003).

    A drop-in for torch.nn.functional.embedding.
    input: word ids (…)   weight E: (V, D)   returns: (…, D)
    padding_idx: a word whose row receives no gradient   max_norm: rows looked up are first shortened to this norm, in place
    scale_grad_by_freq: a word's gradient is divided by how often it occurs   sparse: the gradient is a torch sparse tensor
    Raises ValueError naming the ids that weight has no row for.

    >>> embedding(torch.tensor([2, 0]), torch.tensor([[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]]))
    tensor([[2.0000, 2.1000],
            [0.0000, 0.1000]])
    """
    _check_embedding(input, weight)
    padding_idx = _padding_row(padding_idx, len(weight))
    if max_norm is not None:
        require(isinstance(max_norm, Real) and max_norm >= 0, "max_norm", repr(max_norm), "a number ≥ 0 or None")
        _shorten_rows(weight, input.unique(), max_norm, norm_type)
    return _embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
