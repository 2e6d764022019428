import pytest
import torch
from torch import nn

from mmlearn.models.transformer import DecoderBlock, Encoder, EncoderBlock, MultiHeadAttention, attention_mask

MASK = torch.tensor([[True] * 5, [True, True, True, False, False]])


def build(make, seed=0):
    """In float64, with no parameter at zero or one."""
    torch.manual_seed(seed)
    model = make().double()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    return model


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_torchs(F, heads, masked):
    own = build(lambda: MultiHeadAttention(8, heads, F=F))
    theirs = nn.MultiheadAttention(8, heads, batch_first=True).double()
    theirs.load_state_dict(own.state_dict())
    query, memory = random(2, 3, 8), random(2, 5, 8, seed=1)
    mask, padding = (attention_mask(MASK, 3), ~MASK) if masked else (None, None)
    expected, weights = theirs(query, memory, memory, key_padding_mask=padding, average_attn_weights=False)
    close(own(query, memory, mask), expected)
    close(own.weights(query, memory, mask), weights)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_an_encoder_block_is_torchs(F, norm_first, activation):
    own = build(lambda: EncoderBlock(8, 2, hidden=12, norm_first=norm_first, activation=activation, F=F))
    theirs = nn.TransformerEncoderLayer(8, 2, 12, 0.0, activation, batch_first=True, norm_first=norm_first).double()
    theirs.load_state_dict(own.state_dict())
    x = random(2, 5, 8)
    close(own(x), theirs(x))
    close(own(x, attention_mask(MASK, 5))[MASK], theirs(x, src_key_padding_mask=~MASK)[MASK])
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    close(own(x, attention_mask(None, 5, causal=True)), theirs(x, src_mask=causal, is_causal=True))


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_decoder_block_is_torchs(F, norm_first):
    own = build(lambda: DecoderBlock(8, 2, hidden=12, norm_first=norm_first, activation="relu", F=F))
    theirs = nn.TransformerDecoderLayer(8, 2, 12, 0.0, "relu", batch_first=True, norm_first=norm_first).double()
    theirs.load_state_dict(own.state_dict())
    x, memory, memory_mask = random(2, 5, 8), random(2, 3, 8, seed=1), torch.tensor([[True] * 3, [True, False, False]])
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    expected = theirs(x, memory, causal, tgt_is_causal=True)
    close(own(x, memory), expected)
    masks = {"tgt_key_padding_mask": ~MASK, "memory_key_padding_mask": ~memory_mask}
    expected = theirs(x, memory, causal < 0, **masks)
    close(own(x, memory, MASK, memory_mask)[MASK], expected[MASK])


@pytest.mark.parametrize("norm_first", [True, False])
def test_an_encoder_is_torchs_and_zero_on_padding(F, norm_first):
    own = build(lambda: Encoder(3, 8, 2, hidden=12, norm_first=norm_first, F=F))
    layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, "gelu", batch_first=True, norm_first=norm_first)
    norm = nn.LayerNorm(8) if norm_first else None
    theirs = nn.TransformerEncoder(layer, 3, norm, enable_nested_tensor=False).double()
    theirs.load_state_dict(own.state_dict())
    x = random(2, 5, 8)
    found = own(x, MASK)
    close(found[MASK], theirs(x, src_key_padding_mask=~MASK)[MASK])
    assert not found[~MASK].any()


def test_a_decoder_block_without_a_memory_is_an_encoder_block_that_looks_back():
    decoder = build(lambda: DecoderBlock(8, 2, cross_attention=False))
    encoder = EncoderBlock(8, 2).double()
    encoder.load_state_dict({name.replace("norm3", "norm2"): value for name, value in decoder.state_dict().items()})
    x = random(2, 5, 8)
    assert torch.equal(decoder(x), encoder(x, attention_mask(None, 5, causal=True)))


@pytest.mark.parametrize("cross_attention", [True, False])
def test_a_later_token_changes_no_earlier_output(F, cross_attention):
    block = build(lambda: DecoderBlock(8, 2, cross_attention=cross_attention, F=F))
    memory = random(2, 3, 8, seed=1) if cross_attention else None
    x = random(2, 5, 8).requires_grad_()
    for t in range(5):
        (grad,) = torch.autograd.grad(block(x, memory)[:, t].sum(), x)
        assert not grad[:, t + 1 :].any()
        assert grad[:, : t + 1].abs().amax(2).all()


@pytest.mark.parametrize("norm_first", [True, False])
def test_padding_changes_nothing(F, norm_first):
    encoder = build(lambda: Encoder(2, 8, 2, norm_first=norm_first, F=F))
    x = random(2, 5, 8)
    found = encoder(x, MASK)
    close(encoder(x[1:, :3])[0], found[1, :3])
    close(encoder(x.where(MASK[..., None], 7.0), MASK), found)


def test_a_row_without_any_key_takes_nothing_and_is_no_nan(F):
    attention = build(lambda: MultiHeadAttention(8, 2, F=F))
    x = random(2, 3, 8).requires_grad_()
    mask = attention_mask(torch.tensor([[True, True, False], [False] * 3]), 3)
    found = attention(x, mask=mask)
    close(found[1], attention.out_proj.bias.expand(3, 8))
    assert not attention.weights(x, mask=mask)[1].any()
    found.square().sum().backward()
    assert x.grad.isfinite().all()
    assert not x.grad[1].any()
    encoder = build(lambda: Encoder(2, 8, 2, F=F))
    out = encoder(random(2, 3, 8), torch.tensor([[True, True, False], [False] * 3]))
    assert out.isfinite().all()
    assert not out[1].any()


def test_without_places_a_permuted_sentence_gives_the_permuted_output(F):
    encoder, order = build(lambda: Encoder(2, 8, 2, F=F)), torch.tensor([3, 0, 4, 1, 2])
    x = random(2, 5, 8)
    close(encoder(x[:, order]), encoder(x)[:, order])


def test_attention_maps_are_the_weights_that_the_blocks_use():
    encoder = build(lambda: Encoder(2, 8, 2))
    x = random(2, 5, 8)
    maps = encoder.attention_maps(x, MASK)
    assert maps.shape == (2, 2, 2, 5, 5)
    close(maps.sum(-1), torch.ones(2, 2, 2, 5, dtype=torch.float64))
    assert not maps[:, 1, :, :, 3:].any()
    block = encoder.layers[1]
    inside = nn.functional.layer_norm(encoder.layers[0](x, attention_mask(MASK, 5)), (8,), block.norm1.weight, block.norm1.bias)
    _, _, v = block.self_attn._projected(inside, None, None)
    mixed = (maps[1] @ v).transpose(1, 2).flatten(2)
    close(block.self_attn.out_proj(mixed), block.self_attn(inside, mask=attention_mask(MASK, 5)))


def test_dropout_acts_in_training_alone(F):
    block, x = build(lambda: EncoderBlock(8, 2, dropout=0.5, F=F)), random(2, 5, 8)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MultiHeadAttention(8, 3), "heads: expected a divisor of the 8 features; 2 is near; got 3"),
        (lambda: MultiHeadAttention(8, 0), "heads: expected a whole number ≥ 1; got 0"),
        (lambda: EncoderBlock(8, 2, activation="gleu"), "'gelu' or 'relu' or 'silu'; got 'gleu'"),
        (lambda: Encoder(0, 8, 2), "layers: expected a whole number ≥ 1; got 0"),
        (lambda: MultiHeadAttention(8, 2)(torch.rand(2, 3, 6)), r"query: expected \(N, T, 8\); got shape \(2, 3, 6\)"),
        (lambda: MultiHeadAttention(8, 2)(torch.rand(2, 0, 8)), "at least one token"),
        (lambda: MultiHeadAttention(8, 2)(torch.rand(2, 3, 8), torch.rand(1, 3, 8)), "memory: expected a batch of 2"),
        (lambda: MultiHeadAttention(8, 2)(torch.rand(2, 3, 8), mask=torch.ones(2, 3).bool()), r"bool that broadcasts to \(2, 2,"),
        (lambda: MultiHeadAttention(8, 2)(torch.rand(2, 3, 8), mask=torch.ones(3, 3)), "got torch.float32"),
        (
            lambda: Encoder(1, 8, 2)(torch.rand(2, 3, 8), torch.ones(2, 4).bool()),
            r"mask: .* got torch.bool of shape \(2, 1, 1, 4\)",
        ),
        (lambda: Encoder(1, 8, 2)(torch.rand(2, 3, 8), torch.ones(2, 3)), r"bool \(N, S\), True on a token; got torch.float32"),
        (lambda: DecoderBlock(8, 2)(torch.rand(2, 3, 8)), r"a memory \(N, S, D\) to attend to; got none"),
        (lambda: DecoderBlock(8, 2, cross_attention=False)(torch.rand(2, 3, 8), torch.rand(2, 3, 8)), "cross_attention=True"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
