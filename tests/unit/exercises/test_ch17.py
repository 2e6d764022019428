"""Chapter 17: each mistake is named, right answers in other styles pass, and the right answers are those of the package."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmlearn.exercises import ch17, verify
from mmlearn.models.fusion.attention import CoAttention, CrossAttention, GatedCrossAttention, QueryPooling
from mmlearn.models.transformer import attention_mask
from mmlearn.ops import attention_weights, scaled_dot_product_attention
from mmlearn.ops.gated_residual import gated_residual, gated_residual_backward
from mmlearn.ops.region_mass import region_mass


def with_ops(query, memory, mask, w_q, w_k, w_v):
    return query + scaled_dot_product_attention(query @ w_q, memory @ w_k, memory @ w_v, attn_mask=mask[:, None])


def with_nan_to_num(query, memory, mask, w_q, w_k, w_v):
    scores = torch.einsum("nle,nse->nls", query @ w_q, memory @ w_k) * w_q.shape[1] ** -0.5
    weights = torch.where(mask[:, None], scores, -torch.inf).softmax(-1).nan_to_num()
    return query + torch.einsum("nls,nsd->nld", weights, memory @ w_v)


def example_by_example(query, memory, mask, w_q, w_k, w_v):
    rows = []
    for q, m, seen in zip(query, memory, mask, strict=True):
        m = m[seen]
        taken = F.softmax((q @ w_q) @ (m @ w_k).T / w_q.shape[1] ** 0.5, -1) @ (m @ w_v) if len(m) else 0
        rows.append(q + taken)
    return torch.stack(rows)


def with_a_large_negative_score(query, memory, mask, w_q, w_k, w_v):
    scores = (query @ w_q) @ (memory @ w_k).mT / w_q.shape[1] ** 0.5
    weights = scores.masked_fill(~mask[:, None], -1e9).softmax(-1) * mask.any(1)[:, None, None]
    return query + weights @ (memory @ w_v)


def test_cross_attention():
    verify(ch17.cross_attention, also_right=[with_ops, with_nan_to_num, example_by_example, with_a_large_negative_score])


def test_mass_on_region():
    def with_einsum(weights, share):
        return torch.einsum("...p,...p->...", weights, share), share.sum(-1) / share.shape[-1], share.max(-1).values

    verify(ch17.mass_on_region, also_right=[with_einsum, lambda weights, share: tuple(region_mass(weights, share))])


def test_only_add():
    right = sorted(ch17.only_add.oracle)
    forms = [
        right,
        right[::-1],
        set(right),
        tuple(right),
        "".join(right),
        ", ".join(right),
        [x.lower() for x in right],
        np.array(right),
    ]
    verify(ch17.only_add, also_right=forms)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["A"], "those that you name do only add, and 4 more do"),
        (["A", "B", "D", "H"], "G is missing"),
        (["A", "Z"], "there is no design 'Z'"),
        (3, "a list of letters from A to I"),
        (["A", "C", "E"], "in C the softmax runs over 36 keys"),
    ],
)
def test_other_lists_of_designs_get_a_sentence(answer, words):
    result = ch17.only_add.check(answer)
    assert result.status == "failed"
    assert words in result.diagnosis


def interaction(design):
    """How far the result for two words and two pictures is from a sum."""
    torch.manual_seed(0)
    dims, options = {"image": 6, "text": 6}, {"features": 16, "heads": 2}
    word, image = torch.randn(2, 2, 5, 6), torch.randn(2, 2, 36, 6)
    words, patches = {"B": (5, 1), "C": (1, 36)}.get(design, (1, 1))
    make = {
        "D": lambda: CrossAttention(dims, 4, features=16, heads=8),
        "E": lambda: CrossAttention(dims, 4, hidden=32, **options),
        "G": lambda: CoAttention(dims, 4, **options),
        "H": lambda: GatedCrossAttention(dims, 4, hidden=0, gate=0.7, **options),
        "I": lambda: QueryPooling(dims, 4, queries=4, **options),
    }.get(design, lambda: CrossAttention(dims, 4, **options))
    fusion = make()
    end = torch.nn.LayerNorm(4) if design == "F" else torch.nn.Identity()
    with torch.no_grad():
        z = [[end(fusion({"image": image[0, [a], :patches], "text": word[0, [b], :words]})) for b in (0, 1)] for a in (0, 1)]
    return (z[0][0] + z[1][1] - z[0][1] - z[1][0]).abs().max().item()


@pytest.mark.parametrize("design", "ABCDEFGHI")
def test_the_designs_that_only_add_do_so_in_the_package(design):
    found = interaction(design)
    assert found < 1e-5 if design in ch17.only_add.oracle else found > 1e-4


def test_query_pooling():
    def with_sdpa(queries, tokens, mask, w_k, w_v):
        q = queries.expand(len(tokens), -1, -1)
        return F.scaled_dot_product_attention(q, tokens @ w_k, tokens @ w_v, attn_mask=mask[:, None]).flatten(1)

    def with_loops(queries, tokens, mask, w_k, w_v):
        rows = []
        for x, seen in zip(tokens, mask, strict=True):
            looks = [((x[seen] @ w_k @ q) / len(q) ** 0.5).softmax(0) @ x[seen] @ w_v for q in queries]
            rows.append(torch.cat(looks))
        return torch.stack(rows)

    def with_weights(queries, tokens, mask, w_k, w_v):
        q = queries.expand(len(tokens), -1, -1)
        return (attention_weights(q, tokens @ w_k, mask[:, None]) @ (tokens @ w_v)).reshape(len(tokens), -1)

    verify(ch17.query_pooling, also_right=[with_sdpa, with_loops, with_weights])


def test_gate_gradients():
    def by_autograd(grad_output, part, gate):
        part, gate = part.clone().requires_grad_(), gate.clone().requires_grad_()
        return torch.autograd.grad(gated_residual(torch.zeros_like(part), part, gate), (part, gate), grad_output)

    def by_the_package(grad_output, part, gate):
        found = gated_residual_backward(grad_output, torch.zeros_like(part), part, gate)
        return found.part, found.gate

    def with_cosh(grad_output, part, gate):
        return torch.tanh(gate) * grad_output, torch.einsum("i,i->", grad_output.flatten(), part.flatten()) / gate.cosh() ** 2

    verify(ch17.gate_gradients, also_right=[by_autograd, by_the_package, with_cosh])


def test_absent_keys():
    def with_loops(has_image, is_word, has_text, patches):
        rows = []
        for image, words, text in zip(has_image.tolist(), is_word.tolist(), has_text.tolist(), strict=True):
            rows.append([image] * patches + [word and text for word in words])
        return torch.tensor(rows)

    def with_products(has_image, is_word, has_text, patches):
        seen = torch.ones(len(has_image), patches + is_word.shape[1], dtype=torch.bool)
        seen[:, :patches] = has_image[:, None]
        seen[:, patches:] = (is_word.int() * has_text.int()[:, None]).bool()
        return seen

    verify(ch17.absent_keys, also_right=[with_loops, with_products])


def test_repaired_look():
    def with_sdpa(words, image, sound, has_image, has_sound, w_k, w_v):
        memory = torch.cat([image, sound], 1)
        there = torch.cat([has_image[:, None].repeat(1, image.shape[1]), has_sound[:, None].repeat(1, sound.shape[1])], 1)
        return F.scaled_dot_product_attention(words, memory @ w_k, memory @ w_v, attn_mask=attention_mask(there, 1)[:, 0])

    def sound_first(words, image, sound, has_image, has_sound, w_k, w_v):
        memory = torch.cat([sound, image], 1)
        there = torch.cat([has_sound[:, None].expand(sound.shape[:2]), has_image[:, None].expand(image.shape[:2])], 1)
        scores = words @ (memory @ w_k).mT / w_k.shape[1] ** 0.5
        weights = scores.exp() * there[:, None]
        return weights / weights.sum(-1, keepdim=True) @ (memory @ w_v)

    verify(ch17.repaired_look, also_right=[with_sdpa, sound_first])
