"""Fusion by attention, against torch's and open_clip's, and what theory says of one key, of gates and of missing modalities."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmlearn.models.fusion.attention import CoAttention, CrossAttention, GatedCrossAttention, QueryPooling, one_key

DIMS = {"image": 5, "text": 3}
THREE = {"image": 5, "sound": 4, "text": 3}
OPERATORS = (CrossAttention, CoAttention, QueryPooling, GatedCrossAttention)


def build(make, dims=DIMS, seed=0, **options):
    """In float64, with no parameter at zero or one."""
    torch.manual_seed(seed)
    model = make(dims, 6, features=8, heads=2, **options).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def inputs(n=4, dims=DIMS, seed=0, **lengths):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(n, lengths.get(name, 7), d, generator=generator, dtype=torch.float64) for name, d in dims.items()}


def masks(n=4, **lengths):
    """Lengths from 1 up for each modality."""
    return {name: torch.arange(length) <= torch.arange(n)[:, None] % length for name, length in lengths.items()}


def padded(**lengths):
    """Inputs and masks, zeros on padding, as every fusion reads it."""
    mask = masks(**lengths)
    return {name: x * mask[name][..., None] for name, x in inputs(**lengths).items()}, mask


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-11, rtol=1e-11)


def torchs(attention):
    """torch's layer with the weights of ours."""
    theirs = nn.MultiheadAttention(attention.features, attention.heads, batch_first=True).double()
    theirs.load_state_dict(attention.state_dict())
    return theirs


def entered(model, name, x):
    return model.tokens.maps[name](model.tokens.norms[name](x)) + model.tokens.marks[name]


def mean(x, mask):
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def test_cross_attention_is_torchs_attention_and_a_residual():
    model = build(CrossAttention)
    x, mask = padded(image=7, text=4)
    query, memory = entered(model, "text", x["text"]), entered(model, "image", x["image"])
    taken, weights = torchs(model.attention)(query, memory, memory, key_padding_mask=~mask["image"], average_attn_weights=False)
    close(model(x, masks=mask), model.out(mean(query + taken, mask["text"])))
    close(model.weights(x, masks=mask)["image"], weights)


def test_the_query_can_be_any_modality_and_is_the_last_one_unless_named():
    assert CrossAttention(THREE, 6).query == "text"
    model = build(CrossAttention, THREE, query="sound")
    assert set(model.weights(inputs(dims=THREE))) == {"image", "text"}
    with pytest.raises(ValueError, match=r"query: expected modalities out of .*did you mean 'sound'"):
        CrossAttention(THREE, 6, query="sounds")


def test_co_attention_is_two_cross_attentions_side_by_side():
    model = build(CoAttention)
    x, mask = padded(image=7, text=4)
    tokens, fused = {name: entered(model, name, x[name]) for name in DIMS}, []
    for name, other in (("image", "text"), ("text", "image")):
        taken, weights = torchs(model.attention[name])(
            tokens[name], tokens[other], tokens[other], key_padding_mask=~mask[other], average_attn_weights=False
        )
        fused.append(mean(tokens[name] + taken, mask[name]))
        close(model.weights(x, masks=mask)[name][other], weights)
    close(model(x, masks=mask), model.out(torch.cat(fused, 1)))


def test_query_pooling_is_open_clips_pooler_and_a_residual():
    from open_clip.transformer import AttentionalPooler

    torch.manual_seed(0)
    theirs = AttentionalPooler(d_model=8, context_dim=8, n_head=2, n_queries=3).double()
    model = build(QueryPooling, {"image": 8}, queries=3)
    theirs.attn.load_state_dict(model.attention.state_dict())
    with torch.no_grad():
        model.tokens.maps["image"].weight.copy_(torch.eye(8))
        model.tokens.marks["image"].zero_()
        theirs.ln_k.load_state_dict(model.tokens.norms["image"].state_dict())
        model.queries.copy_(theirs.ln_q(theirs.query))
    x = inputs(dims={"image": 8})
    pooled = theirs(x["image"])  # (N, 3, 8)
    close(model(x), model.out((model.queries + pooled).flatten(1)))


@pytest.mark.parametrize("make", [CrossAttention, CoAttention, QueryPooling, GatedCrossAttention])
def test_the_weights_of_all_modalities_together_add_up_to_one(make):
    model = build(make, THREE)
    x, mask = inputs(dims=THREE, image=7, sound=5, text=4), masks(image=7, sound=5, text=4)
    looks = model.weights(x, masks=mask)
    for found in looks.values() if make is CoAttention else [looks]:
        close(sum(part.sum(-1) for part in found.values()), torch.ones(()).double().expand(next(iter(found.values())).shape[:3]))
        for name, part in found.items():
            assert (part.movedim(3, 1)[~mask[name]] == 0).all()  # nothing on padding


@pytest.mark.parametrize("make", [CrossAttention, CoAttention, QueryPooling, GatedCrossAttention])
def test_the_order_of_the_tokens_changes_nothing(make):
    model, x = build(make), inputs()
    turned = {name: tokens.flip(1) for name, tokens in x.items()}
    close(model(turned), model(x))


@given(seed=st.integers(0, 10_000), hidden=st.sampled_from([0]))
@settings(max_examples=20, deadline=None, derandomize=True)
@pytest.mark.parametrize("make", [CrossAttention, CoAttention, GatedCrossAttention])
def test_with_one_token_each_the_fusion_is_a_sum(make, seed, hidden):
    """f(image) + g(text): exchanging the texts of two examples changes nothing in the sum of their results."""
    model = build(make, seed=seed, hidden=hidden)
    x = {name: tokens[:, 0] for name, tokens in inputs(2, seed=seed).items()}
    exchanged = {"image": x["image"], "text": x["text"].flip(0)}
    torch.testing.assert_close(model(x).sum(0), model(exchanged).sum(0), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "options"),
    [(QueryPooling, {}), (CrossAttention, {"hidden": 16}), (CoAttention, {"hidden": 16}), (GatedCrossAttention, {})],
)
def test_two_keys_or_a_layer_afterwards_can_do_more_than_a_sum(make, options):
    model = build(make, **options)
    x = {name: tokens[:, 0] for name, tokens in inputs(2).items()}
    exchanged = {"image": x["image"], "text": x["text"].flip(0)}
    assert (model(x).sum(0) - model(exchanged).sum(0)).abs().max() > 1e-3


def test_a_single_key_is_taken_whole():
    model = build(CrossAttention)
    query, token = torch.randn(4, 3, 8, dtype=torch.float64), torch.randn(4, 1, 8, dtype=torch.float64)
    close(model.attention(query, token), one_key(model.attention, token).expand(4, 3, 8))


def test_a_single_key_gives_queries_and_keys_no_gradient():
    model = build(CrossAttention)
    model({name: tokens[:, 0] for name, tokens in inputs().items()}).square().sum().backward()
    of_query, of_key, of_value = (part.abs().max() for part in model.attention.in_proj_weight.grad.chunk(3))
    assert max(of_query, of_key) < 1e-12 < 1e-3 < of_value


def test_closed_gates_leave_the_query_alone():
    torch.manual_seed(0)
    model = GatedCrossAttention(DIMS, 6, features=8, heads=2)
    first, second = inputs(seed=0), inputs(seed=1)
    first, second = ({name: x.float() for name, x in some.items()} for some in (first, second))
    assert torch.equal(model(first), model({"image": second["image"], "text": first["text"]}))
    assert torch.equal(model(first), model({"text": first["text"]}))
    with torch.no_grad():
        model.gate.fill_(0.5)
    assert not torch.allclose(model(first), model({"image": second["image"], "text": first["text"]}))


def test_the_gate_moves_first_and_the_rest_afterwards():
    torch.manual_seed(0)
    model = GatedCrossAttention(DIMS, 6, features=8, heads=2).double()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    behind = [*model.attention.parameters(), *model.feed_forward.parameters(), model.tokens.maps["image"].weight]
    gradients = []
    for _ in range(2):
        optimiser.zero_grad()
        model(inputs()).square().sum().backward()
        gradients.append([max(p.grad.abs().max().item() for p in behind), model.gate.grad.abs().item()])
        optimiser.step()
    assert gradients[0][0] == 0 < gradients[0][1]
    assert gradients[1][0] > 0


def test_gated_attention_is_flamingos_formula():
    model = build(GatedCrossAttention)
    x, mask = padded(image=7, text=4)
    query, memory = entered(model, "text", x["text"]), entered(model, "image", x["image"])
    normed = nn.functional.layer_norm(query, (8,), model.norm.weight, model.norm.bias)
    taken, weights = torchs(model.attention)(normed, memory, memory, key_padding_mask=~mask["image"], average_attn_weights=False)
    y = query + model.gate.tanh() * taken
    y = y + model.feed_forward_gate.tanh() * model.feed_forward(y)
    close(model(x, masks=mask), model.out(mean(y, mask["text"])))
    close(model.weights(x, masks=mask)["image"], weights)


@pytest.mark.parametrize("make", [CrossAttention, GatedCrossAttention])
def test_with_nothing_to_look_at_the_query_remains(make):
    model = build(make, **({"hidden": 0} if make is CrossAttention else {}))
    x = inputs()
    alone = model.out(entered(model, "text", x["text"]).mean(1))
    close(model({"text": x["text"]}), alone)
    present = torch.tensor([[False, True], [True, True], [False, True], [True, True]])
    close(model(x, present=present)[[0, 2]], alone[[0, 2]])
    assert (model.weights(x, present=present)["image"][[0, 2]] == 0).all()


def test_without_a_query_a_learned_vector_asks():
    model = build(CrossAttention)
    x = inputs()
    memory = entered(model, "image", x["image"])
    asked = model.tokens.marks["text"].expand(4, 1, 8)
    close(model({"image": x["image"]}), model.out((asked + torchs(model.attention)(asked, memory, memory)[0])[:, 0]))


@pytest.mark.parametrize("make", [QueryPooling, CrossAttention])
def test_masking_a_modality_is_not_having_it(make):
    model = build(make, THREE)
    x = inputs(dims=THREE)
    present = {"sound": torch.zeros(4, dtype=torch.bool)}
    close(model(x, present=present), model({name: x[name] for name in ("image", "text")}))
    looked = model.weights(x, present=present)
    assert (looked["sound"] == 0).all()
    close(
        looked["image"].sum(-1) + (looked["text"].sum(-1) if make is QueryPooling else 0),
        torch.ones_like(looked["image"][..., 0]),
    )


@pytest.mark.parametrize("scale", [0.1, 10.0, 1000.0])
def test_layer_norm_makes_the_scale_of_the_tokens_meaningless(scale):
    x = inputs()
    scaled = {name: scale * tokens for name, tokens in x.items()}
    for make in OPERATORS:
        torch.testing.assert_close(build(make)(scaled), build(make)(x), atol=2e-2, rtol=2e-2)  # but for LayerNorm's ε
    bare = build(CrossAttention, norm=False)
    assert (bare(scaled) - bare(x)).abs().max() > 0.05


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (CrossAttention, {"features": 6, "heads": 4}, "heads: expected a divisor of the 6 features"),
        (CoAttention, {"features": 0}, "features: expected a whole number ≥ 1"),
        (QueryPooling, {"queries": 0}, "queries: expected a whole number ≥ 1"),
        (GatedCrossAttention, {"hidden": -1}, "hidden: expected a whole number ≥ 0"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(make, options, words):
    with pytest.raises(ValueError, match=words):
        make(DIMS, 6, **options)


@pytest.mark.parametrize("make", [CrossAttention, CoAttention, GatedCrossAttention])
def test_one_modality_has_nobody_to_look_at(make):
    with pytest.raises(ValueError, match=r"dims: expected 2 modalities or more for \w+; got 1: image"):
        make({"image": 5}, 6)
