"""Attention: every query looks at all keys, and takes from the values in proportion to how well they match."""

import math
from numbers import Real
from typing import NamedTuple

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_floating, check_grad_output, require, shape
from mmlearn.ops.by_hand import differentiated_by


class AttentionGradients(NamedTuple):
    """∂L/∂query (…, L, E), ∂L/∂key (…, S, E), ∂L/∂value (…, S, V), and ∂L/∂attn_mask where that is a float mask, else None."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    attn_mask: torch.Tensor | None


class WeightGradients(NamedTuple):
    """∂L/∂query (…, L, E), ∂L/∂key (…, S, E), and ∂L/∂attn_mask where that is a float mask, else None."""

    query: torch.Tensor
    key: torch.Tensor
    attn_mask: torch.Tensor | None


class MixtureGradients(NamedTuple):
    """∂L/∂weights (…, L, S) and ∂L/∂value (…, S, V)."""

    weights: torch.Tensor
    value: torch.Tensor


def _weigh_backward(grad_output, query, key, attn_mask=None, scale=1.0, output=None):
    """dS = P ⊙ dP − P ⊙ rowsum(P ⊙ dP),  dQ = s·dS·K,  dK = s·dSᵀ·Q; whatever was broadcast receives the sum."""
    weights = weigh(query, key, attn_mask, scale) if output is None else output
    product = grad_output * weights  # (…, L, S)
    grad_scores = torch.addcmul(product, weights, product.sum(-1, keepdim=True), value=-1)
    added = attn_mask is not None and attn_mask.is_floating_point()
    return WeightGradients(
        (grad_scores @ key * scale).sum_to_size(query.shape),
        (grad_scores.mT @ query * scale).sum_to_size(key.shape),
        grad_scores.sum_to_size(attn_mask.shape) if added else None,
    )


@differentiated_by(_weigh_backward)
def weigh(query, key, attn_mask, scale):
    """``attention_weights`` of checked arguments. Where the mask leaves a query nothing, 0/0 is read as 0."""
    scores = query * scale @ key.mT  # (…, L, S)
    if attn_mask is None:
        return torch.softmax(scores, -1).to(query.dtype)
    boolean = attn_mask.dtype == torch.bool
    scores = torch.where(attn_mask, scores, -torch.inf) if boolean else scores + attn_mask
    nothing = ~(attn_mask if boolean else attn_mask != -torch.inf).any(-1, keepdim=True)
    return torch.softmax(scores.masked_fill(nothing, 0), -1).masked_fill(nothing, 0).to(query.dtype)


def _mix_backward(grad_output, weights, value):
    """dP = dO·Vᵀ,  dV = Pᵀ·dO."""
    return MixtureGradients(
        (grad_output @ value.mT).sum_to_size(weights.shape),
        (weights.mT @ grad_output).sum_to_size(value.shape),
    )


@differentiated_by(_mix_backward)
def mix(weights, value):
    """P·V: for each query the mean of the values under its weights. weights: (…, L, S)   value: (…, S, V)   returns: (…, L, V)"""
    return (weights @ value).to(value.dtype)


def attention_weights(query, key, attn_mask=None, is_causal=False, scale=None):
    """p_ij = m_ij e^(s_ij) / Σ_k m_ik e^(s_ik), with s = QKᵀ/√E and m_ij = 1 where i may attend to j, else 0 — Eq. 10.6.

    How much of each value every query takes: rows sum to one, but those that may attend to nothing are zero.

    query: (…, L, E)   key: (…, S, E)   the rest: as in scaled_dot_product_attention   returns: (…, L, S)

    >>> attention_weights(torch.zeros(2, 4), torch.zeros(2, 4), is_causal=True)
    tensor([[1.0000, 0.0000],
            [0.5000, 0.5000]])
    """
    mask, scale = check_attention(query, key, None, attn_mask, 0.0, is_causal, scale)
    return weigh(query, key, mask, scale)


def scaled_dot_product_attention_backward(
    grad_output,
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    enable_gqa=False,
):
    """dV = Pᵀ·dO,  dP = dO·Vᵀ,  dS = P ⊙ (dP − rowsum(dP ⊙ P)),  dQ = dS·K/√E,  dK = dSᵀ·Q/√E — Eq. 10.5.

    P are the weights; a scale that is given replaces 1/√E. dS is the Jacobian of the softmax, diag(p) − p pᵀ, applied to each row
    of dP; a float mask, added to the scores, receives dS.
    grad_output: dO (…, L, V)   the rest: as given to scaled_dot_product_attention, without dropout, whose draw nobody here knows
    returns: AttentionGradients(query, key, value, attn_mask)
    """
    expected = "0: a gradient belongs to one draw; within autograd it gets the draw of the forward pass"
    require(dropout_p == 0, "dropout_p", repr(dropout_p), expected)
    mask, scale = check_attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    weights = weigh(query, key, mask, scale)  # P (…, L, S)
    front = torch.broadcast_shapes(weights.shape[:-2], value.shape[:-2])
    check_grad_output(grad_output, (*front, query.shape[-2], value.shape[-1]))
    mixture = _mix_backward(grad_output, weights, value)
    scores = _weigh_backward(mixture.weights, query, key, mask, scale, weights)
    return AttentionGradients(scores.query, scores.key, mixture.value, scores.attn_mask)


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    enable_gqa=False,
):
    """softmax(QKᵀ/√E) V — Eq. 10.1 (Vaswani et al. 2017).

    A drop-in for torch.nn.functional.scaled_dot_product_attention.

    query: (…, L, E)   key: (…, S, E)   value: (…, S, V)   the leading axes broadcast
    attn_mask: broadcasts to (…, L, S); bool, True = may attend, or floats that are added to the scores
    is_causal: query l may attend to the keys 0 … l alone   scale: in place of 1/√E
    dropout_p: the share of weights set to zero, always: give 0 when the network does not train
    enable_gqa: False; repeat the heads of key and value before the call instead   returns: (…, L, V)

    A query that may attend to nothing, as its row of the mask is all False or −∞, returns zeros and sends no gradient; there a
    plain softmax, and some of torch's own ways to compute this, would say NaN.

    >>> scaled_dot_product_attention(torch.zeros(1, 2), torch.zeros(2, 2), torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
    tensor([[2., 1.]])
    """
    mask, scale = check_attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    weights = drop_weights(weigh(query, key, mask, scale), dropout_p)  # (…, L, S)
    return mix(weights, value)  # (…, L, V)


def drop_weights(weights, dropout_p):
    """Each weight is set to zero with probability p, and multiplied with 1/(1−p) otherwise: the draw of torch's own dropout."""
    return torch.nn.functional.dropout(weights, dropout_p) if dropout_p > 0 else weights


def check_attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa=False):
    """The mask, in which is_causal is contained, and the scale; value may be None."""
    tensors = {"query": (query, "(…, L, E)"), "key": (key, "(…, S, E)"), "value": (value, "(…, S, V)")}
    tensors = {name: pair for name, pair in tensors.items() if name != "value" or value is not None}
    for name, (tensor, layout) in tensors.items():
        check_floating(tensor, name, ANY_DIMS[2:], layout)
    check_alike("query", query, **{name: tensor for name, (tensor, _) in tensors.items() if name != "query"})
    (L, E), S = query.shape[-2:], key.shape[-2]
    require(E >= 1, "query", shape(query), "(…, L, E) with at least one feature")
    require(key.shape[-1] == E, "key", shape(key), f"(…, S, {E}), as query is {tuple(query.shape)}")
    if value is not None:
        require(value.shape[-2] == S, "value", shape(value), f"(…, {S}, V), as key is {tuple(key.shape)}")
    require(enable_gqa is False, "enable_gqa", repr(enable_gqa), "False: repeat the heads with key.repeat_interleave(…, dim=-3)")
    front = query.shape[:-2]
    for name, (tensor, _) in list(tensors.items())[1:]:
        together = _together(front, tensor.shape[:-2])
        expected = f"leading axes that broadcast with those of query {tuple(query.shape)}"
        require(together is not None, name, shape(tensor), expected)
        front = together
    require(isinstance(dropout_p, Real) and 0 <= dropout_p <= 1, "dropout_p", repr(dropout_p), "a number between 0 and 1")
    require(isinstance(is_causal, bool), "is_causal", repr(is_causal), "True or False")
    good = scale is None or (isinstance(scale, Real) and math.isfinite(scale))
    require(good, "scale", repr(scale), "a number, or None for 1/√E")
    require(attn_mask is None or not is_causal, "attn_mask", "a mask and is_causal=True", "one of the two, as in torch")
    if attn_mask is not None:
        _check_mask(attn_mask, "attn_mask", (*front, L, S), query)
    if is_causal:
        attn_mask = torch.ones(L, S, dtype=torch.bool, device=query.device).tril()
    return attn_mask, 1 / math.sqrt(E) if scale is None else float(scale)


def _check_mask(mask, argument, size, like):
    """bool, or floats of like's dtype, on its device, that broadcast to this size."""
    expected = f"bool or {str(like.dtype).removeprefix('torch.')} that broadcasts to {tuple(size)}"
    require(isinstance(mask, torch.Tensor), argument, type(mask).__name__, expected)
    got = f"{str(mask.dtype).removeprefix('torch.')} of {shape(mask)}"
    require(mask.dtype in (torch.bool, like.dtype), argument, got, expected)
    require(mask.device == like.device, argument, mask.device, f"{like.device}, as query is")
    fits = mask.dim() >= 1 and _together(mask.shape, size) == torch.Size(size)
    require(fits, argument, got, expected)


def _together(first, second):
    """The shape that both broadcast to, or None."""
    try:
        return torch.broadcast_shapes(first, second)
    except RuntimeError:
        return None
