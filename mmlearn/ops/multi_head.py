"""Several attentions side by side, each in its own projection of queries, keys and values."""

import functools

import torch

from mmlearn.ops.arguments import check_alike, check_floating, check_whole, require, shape
from mmlearn.ops.attention import check_attention, drop_weights, mix, weigh
from mmlearn.ops.linear import linear


def multi_head_attention(
    query,
    key,
    value,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    out_proj_weight,
    out_proj_bias,
    key_padding_mask=None,
    attn_mask=None,
    dropout_p=0.0,
    training=True,
    is_causal=False,
    need_weights=True,
    average_attn_weights=True,
    batch_first=False,
):
    """Σ_i head_i W_Oiᵀ + b_O with head_i = attention(Q W_Qiᵀ, K W_Kiᵀ, V W_Viᵀ) — Eq. 10.7 (Vaswani et al. 2017).

    W_Oi are the columns of W_O that meet head i, so that the sum is the paper's Concat(head_1, …, head_h) W_Oᵀ + b_O.

    The numbers of torch.nn.MultiheadAttention, and its masks: there True means **may not** attend, the opposite of what it means
    in scaled_dot_product_attention. Floats are added to the scores in both.
    query: (L, N, E)   key, value: (S, N, E); with batch_first (N, L, E) and (N, S, E); or (L, E) and (S, E) without a batch
    in_proj_weight: W_Q, W_K, W_V one below the other (3E, E)   out_proj_weight: (E, E)   biases: (3E,), (E,) or None
    key_padding_mask: (N, S), True where a key is padding   attn_mask: (L, S) or (N·num_heads, L, S)
    is_causal: query l attends to the keys 0 … l alone, whatever else the masks allow   dropout_p: on the weights, while training
    returns: output of query's shape, and the weights (N, L, S), averaged over the heads, (N, num_heads, L, S) with
    average_attn_weights=False, None with need_weights=False; without N where query has none.
    A query that may attend to nothing has weights of zero, and its output is out_proj_bias; torch.nn.MultiheadAttention says NaN.
    """
    batched = _check_multi_head(
        query, key, value, num_heads, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias, batch_first
    )
    if not batched:
        query, key, value = (tensor[None] for tensor in (query, key, value))
    elif not batch_first:
        query, key, value = (tensor.transpose(0, 1) for tensor in (query, key, value))
    mask = _check_masks(key_padding_mask, attn_mask, is_causal, query, key.shape[1], num_heads, batched)

    biases = [None] * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
    heads = [
        linear(tensor, weight, bias).to(query.dtype).unflatten(2, (num_heads, -1)).transpose(1, 2)  # (N, h, L or S, E/h)
        for tensor, weight, bias in zip((query, key, value), in_proj_weight.chunk(3), biases, strict=True)
    ]
    mask, scale = check_attention(*heads, mask, dropout_p, False, None)
    weights = drop_weights(weigh(*heads[:2], mask, scale), dropout_p if training else 0.0)  # (N, h, L, S)
    found = mix(weights, heads[2]).transpose(1, 2).flatten(2)  # (N, L, E)
    output = linear(found, out_proj_weight, out_proj_bias)
    output = output.transpose(0, 1) if batched and not batch_first else output
    output = output if batched else output[0]
    if not need_weights:
        return output, None
    weights = weights.mean(1) if average_attn_weights else weights
    return output, weights if batched else weights[0]


def _check_multi_head(query, key, value, num_heads, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias, batch_first):
    """Is there a batch? Raises ValueError where the arguments do not fit."""
    layout = "(N, {0}, E) or ({0}, E)" if batch_first else "({0}, N, E) or ({0}, E)"
    check_floating(query, "query", (2, 3), layout.format("L"))
    E, dims = query.shape[-1], query.dim()
    for name, tensor in {"key": key, "value": value}.items():
        check_floating(tensor, name, (dims,), layout.format("S") + f", as query is {tuple(query.shape)}")
        expected = f"{E} features, as query is {tuple(query.shape)}: bring others to {E} with linear first"
        require(tensor.shape[-1] == E, name, shape(tensor), expected)
        batch = 0 if batch_first else 1
        good = dims == 2 or tensor.shape[batch] == query.shape[batch]
        require(good, name, shape(tensor), f"the batch of query {tuple(query.shape)}, which is axis {batch}")
    sequences = (key.shape[:-1], value.shape[:-1])
    require(sequences[0] == sequences[1], "value", shape(value), f"one value for each key, as key is {tuple(key.shape)}")
    check_whole(num_heads, "num_heads")
    require(E >= 1 and E % num_heads == 0, "num_heads", num_heads, f"a divisor of the {E} features of query")
    parameters = {
        "in_proj_weight": (in_proj_weight, (3 * E, E)),
        "in_proj_bias": (in_proj_bias, (3 * E,)),
        "out_proj_weight": (out_proj_weight, (E, E)),
        "out_proj_bias": (out_proj_bias, (E,)),
    }
    for name, (tensor, size) in parameters.items():
        if tensor is not None or name.endswith("weight"):
            expected = f"{size}, as query has {E} features"
            check_floating(tensor, name, (len(size),), expected)
            require(tuple(tensor.shape) == size, name, shape(tensor), expected)
    check_alike("query", query, key=key, value=value, **{name: tensor for name, (tensor, _) in parameters.items()})
    return dims == 3


def _check_masks(key_padding_mask, attn_mask, is_causal, query, S, num_heads, batched):
    """All masks as one of scaled_dot_product_attention's, which broadcasts to (N, num_heads, L, S), or None."""
    N, L, _ = query.shape
    masks = []
    if key_padding_mask is not None:
        size = (N, S) if batched else (S,)
        _check_mask_of(key_padding_mask, "key_padding_mask", [size], query)
        masks.append(key_padding_mask.view(N, 1, 1, S))
    if attn_mask is not None:
        _check_mask_of(attn_mask, "attn_mask", [(L, S), (N * num_heads, L, S)], query)
        masks.append(attn_mask.reshape(-1, num_heads, L, S) if attn_mask.dim() == 3 else attn_mask)
    require(isinstance(is_causal, bool), "is_causal", repr(is_causal), "True or False")
    if is_causal:
        masks.append(torch.ones(L, S, dtype=torch.bool, device=query.device).triu(1))
    if all(mask.dtype == torch.bool for mask in masks):
        return ~functools.reduce(torch.logical_or, masks) if masks else None
    zero = query.new_zeros(())
    return sum(zero.masked_fill(mask, -torch.inf) if mask.dtype == torch.bool else mask for mask in masks)


def _check_mask_of(mask, argument, sizes, like):
    """bool, or floats of like's dtype, on its device, of one of these sizes."""
    expected = f"bool or {str(like.dtype).removeprefix('torch.')} of shape {' or '.join(map(str, sizes))}"
    require(isinstance(mask, torch.Tensor), argument, type(mask).__name__, expected)
    got = f"{str(mask.dtype).removeprefix('torch.')} of {shape(mask)}"
    require(mask.dtype in (torch.bool, like.dtype) and tuple(mask.shape) in sizes, argument, got, expected)
    require(mask.device == like.device, argument, mask.device, f"{like.device}, as query is")
