import math

import pytest
import torch

from mmlearn.models.text_transformer import TextTransformer, TokenEmbedding

IDS = torch.tensor([[5, 6, 7, 8], [8, 7, 0, 0], [0, 0, 0, 0]])
MASK = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4])


def build(**options):
    torch.manual_seed(0)
    return TextTransformer(9, 3, **{"length": 8, "features": 8, "heads": 2, **options}).double().eval()


def test_an_embedding_is_a_row_for_the_word_plus_a_row_for_the_place(F):
    learned = TokenEmbedding(9, 5, 4, F=F)
    torch.testing.assert_close(learned(IDS)[1, 2], learned.words.weight[0] + learned.places[2])
    fixed = TokenEmbedding(9, 5, 4, "sinusoidal", F=F)
    place = torch.tensor([math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)])
    torch.testing.assert_close(fixed(IDS)[1, 2], 2 * fixed.words.weight[0] + place)
    assert [name for name, _ in fixed.named_parameters()] == ["words.weight"]


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_places_make_the_order_of_words_matter(positions):
    model = build(positions=positions)
    assert not torch.allclose(model(IDS[:1]), model(IDS[:1].flip(1)))
    model.embedding.places.data.zero_()
    torch.testing.assert_close(model(IDS[:1]), model(IDS[:1].flip(1)))


@pytest.mark.parametrize("pool", ["mean", "max", "first", "last"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_padding_changes_nothing_and_a_text_of_padding_alone_has_features_of_zero(F, pool, norm_first):
    model = build(pool=pool, norm_first=norm_first, F=F)
    logits = model(IDS, MASK)
    torch.testing.assert_close(model(IDS[1:2, :2]), logits[1:2])
    torch.testing.assert_close(model(IDS.where(MASK, 3), MASK), logits)
    assert torch.equal(logits[2], model.fc.bias)
    assert not model.sequence(IDS, MASK)[~MASK].any()
    logits.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_attention_maps_have_a_row_for_every_word_of_every_head_of_every_block():
    model = build(layers=3)
    maps = model.attention_maps(IDS, MASK)
    assert maps.shape == (3, 3, 2, 4, 4)
    torch.testing.assert_close(maps[:, :2].sum(-1), torch.ones(3, 2, 2, 4, dtype=torch.float64))
    assert not maps[:, 1, :, :, 2:].any()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: build(heads=3), "heads: expected a divisor of the 8 features"),
        (lambda: build(pool="cls"), "'mean'.*got 'cls'"),
        (lambda: build(positions="sinus"), "'learned' or 'sinusoidal'; got 'sinus'"),
        (lambda: build(positions="sinusoidal", features=9, heads=3), "an even number"),
        (lambda: build(length=3)(IDS), "places for 3 tokens; got 4: build it with length=4"),
        (lambda: build()(torch.tensor([[11]])), "from 0 to 8.*got 11"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
