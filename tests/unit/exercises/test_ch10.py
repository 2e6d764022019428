"""Chapter 10: each mistake is named, right answers in other styles pass, and the right answers are those of torch."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.exercises import ch10, verify
from mmlearn.models.transformer import MultiHeadAttention
from mmlearn.models.vit import patchify
from mmlearn.ops import rotary_positions


def query_by_query(query, key, value):
    rows = []
    for place in range(query.shape[-2]):
        scores = (key * query[..., place : place + 1, :]).sum(-1) * query.shape[-1] ** -0.5
        weights = torch.exp(scores - scores.amax(-1, keepdim=True))
        weights = weights / weights.sum(-1, keepdim=True)
        rows.append((weights[..., None] * value).sum(-2))
    return torch.stack(rows, -2)


def test_attention():
    verify(ch10.attention, also_right=[query_by_query, F.scaled_dot_product_attention])


def by_autograd(grad_output, query, key, value):
    leaves = [tensor.clone().requires_grad_() for tensor in (query, key, value)]
    return torch.autograd.grad(F.scaled_dot_product_attention(*leaves), leaves, grad_output)


def by_jacobian(grad_output, query, key, value):
    """With the Jacobian of every row written out."""
    scale = query.shape[-1] ** -0.5
    p = torch.softmax(torch.einsum("...ld,...sd->...ls", query, key) * scale, -1)
    jacobian = torch.diag_embed(p) - p[..., :, None] * p[..., None, :]
    dp = torch.einsum("...lv,...sv->...ls", grad_output, value)
    ds = torch.einsum("...lst,...lt->...ls", jacobian, dp) * scale
    return (
        torch.einsum("...ls,...sd->...ld", ds, key),
        torch.einsum("...ls,...ld->...sd", ds, query),
        torch.einsum("...ls,...lv->...sv", p, grad_output),
    )


def test_attention_gradients():
    verify(ch10.attention_gradients, also_right=[by_autograd, by_jacobian])


def with_loops(lengths, size, causal):
    mask = torch.zeros(len(lengths), size, size, dtype=torch.bool)
    for n, length in enumerate(lengths.tolist()):
        for i in range(size):
            for j in range(length):
                mask[n, i, j] = not causal or j <= i
    return mask


def with_tril(lengths, size, causal):
    mask = (torch.arange(size)[None] < lengths[:, None])[:, None].repeat(1, size, 1)
    return mask.tril() if causal else mask


def test_may_attend():
    verify(ch10.may_attend, also_right=[with_loops, with_tril])


def head_by_head(x, w_q, w_k, w_v, w_o):
    outputs = [F.scaled_dot_product_attention(x @ q, x @ k, x @ v) @ o for q, k, v, o in zip(w_q, w_k, w_v, w_o, strict=True)]
    return torch.stack(outputs).sum(0)


def concatenated(x, w_q, w_k, w_v, w_o):
    """The paper's form: heads side by side, then one matrix."""
    heads = [F.scaled_dot_product_attention(x @ q, x @ k, x @ v) for q, k, v in zip(w_q, w_k, w_v, strict=True)]
    return torch.cat(heads, -1) @ w_o.flatten(0, 1)


def test_multi_head():
    verify(ch10.multi_head, also_right=[head_by_head, concatenated])


def test_the_heads_are_those_of_the_courses_module():
    torch.manual_seed(0)
    layer = MultiHeadAttention(6, heads=2).double()
    nn.init.zeros_(layer.in_proj_bias)
    w = [part.T.unflatten(1, (2, 3)).transpose(0, 1) for part in layer.in_proj_weight.chunk(3)]  # (h, D, d)
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    ours = ch10.multi_head.oracle(x, *w, layer.out_proj.weight.T.unflatten(0, (2, 3)))
    torch.testing.assert_close(ours, layer(x))


def with_torchs_attention(x, w_q, w_k, w_v, w_o, heads, mask):
    def split(y):
        return torch.stack(y.chunk(heads, -1), 1)

    mixed = F.scaled_dot_product_attention(split(x @ w_q), split(x @ w_k), split(x @ w_v), attn_mask=mask[:, None, None])
    return torch.cat(mixed.unbind(1), -1) @ w_o


def masked_after_but_divided_again(x, w_q, w_k, w_v, w_o, heads, mask):
    """A mask after the softmax is right where every row is divided by its sum again."""

    def split(y):
        return y.unflatten(2, (heads, -1)).transpose(1, 2)

    q, k, v = split(x @ w_q), split(x @ w_k), split(x @ w_v)
    p = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) * mask[:, None, None]
    return (p / p.sum(-1, keepdim=True) @ v).transpose(1, 2).flatten(2) @ w_o


def test_repaired_attention():
    verify(ch10.repaired_attention, also_right=[with_torchs_attention, masked_after_but_divided_again])


def with_complex_numbers(x, positions, base=10000.0):
    D = x.shape[-1]
    omega = base ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)
    turn = torch.polar(torch.ones_like(positions[:, None] * omega), positions[:, None] * omega)
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turn).flatten(-2)


def test_rotate():
    verify(ch10.rotate, also_right=[with_complex_numbers, lambda x, positions, base=1e4: rotary_positions(x, positions, base)])


def patch_by_patch(images, patch):
    rows = [
        images[:, :, top : top + patch, left : left + patch].flatten(1)
        for top in range(0, images.shape[2], patch)
        for left in range(0, images.shape[3], patch)
    ]
    return torch.stack(rows, 1)


def test_patches():
    verify(ch10.patches, also_right=[patch_by_patch, patchify, lambda x, p: F.unfold(x, p, stride=p).mT])


@pytest.mark.parametrize("exercise", [ch10.attention, ch10.may_attend, ch10.patches], ids=lambda exercise: exercise.name)
def test_an_answer_that_is_not_written_yet_is_no_mistake(exercise):
    def answer(*arguments):
        raise NotImplementedError

    assert exercise.judge(answer).status == "untouched"


def test_a_half_right_mask_is_not_called_right():
    def only_without_padding(lengths, size, causal):
        mask = torch.ones(len(lengths), size, size, dtype=torch.bool)
        return mask.tril() if causal else mask

    assert ch10.may_attend.judge(only_without_padding).status == "failed"
