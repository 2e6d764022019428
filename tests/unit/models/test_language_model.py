import pytest
import torch

from mmlearn.models.language_model import LanguageModel, draw, next_word_loss

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
MASK = IDS != 0


def build(**options):
    torch.manual_seed(0)
    model = LanguageModel(9, **{"length": 6, "features": 8, "heads": 2, **options}).double().eval()
    for parameter in model.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_a_later_word_changes_no_earlier_logit(F, positions, norm_first):
    model = build(positions=positions, norm_first=norm_first, F=F)
    logits = model(IDS)
    for t in range(1, 5):
        changed = IDS.clone()
        changed[:, t] = (changed[:, t] + 1) % 9
        torch.testing.assert_close(model(changed)[:, :t], logits[:, :t])
        assert not torch.allclose(model(changed)[:, t:], logits[:, t:])
    torch.testing.assert_close(model(IDS[:, :3]), logits[:, :3])


def test_the_output_is_a_product_with_the_word_vectors():
    model = build()
    assert [name for name, value in model.named_parameters() if 9 in value.shape] == ["embedding.words.weight"]
    assert model(IDS).shape == (2, 5, 9)


def test_the_loss_is_the_mean_over_the_words_that_are_there(F):
    model = build(F=F)
    log_p = model(IDS, MASK).log_softmax(2)
    words = [(n, t) for n in range(2) for t in range(1, 5) if MASK[n, t]]
    expected = -sum(log_p[n, t - 1, IDS[n, t]] for n, t in words) / len(words)
    torch.testing.assert_close(model.loss(IDS, MASK), expected)


def test_a_memory_is_attended_to_where_its_mask_allows(F):
    model = build(cross_attention=True, F=F)
    memory, memory_mask = torch.randn(2, 3, 8, dtype=torch.float64), torch.tensor([[True] * 3, [True, False, False]])
    logits = model(IDS, MASK, memory, memory_mask)
    spoilt = memory.where(memory_mask[..., None], 9.0)
    torch.testing.assert_close(model(IDS, MASK, spoilt, memory_mask), logits)
    assert not torch.allclose(model(IDS, MASK, memory + 1, memory_mask), logits)


def test_generation_repeats_the_model_word_by_word():
    model = build()
    start = torch.tensor([[2], [4]])
    found = model.generate(start, 4, temperature=0)
    ids = start
    for _ in range(4):
        ids = torch.cat([ids, model(ids)[:, -1:].argmax(2)], 1)
    assert torch.equal(found, ids)
    longer = model.generate(start, 9, temperature=0)  # beyond the places: the last six words are read
    assert longer.shape == (2, 10)
    assert torch.equal(longer[:, 9], model(longer[:, 3:9])[:, -1].argmax(1))


def test_behind_the_end_there_is_only_padding():
    model = build()
    free = model.generate(torch.tensor([[2], [4]]), 5, temperature=0)
    end = free[0, 2].item()
    first = free[0].tolist().index(end, 1)
    found = model.generate(torch.tensor([[2], [4]]), 5, temperature=0, end=end)
    assert found[0].tolist() == free[0, : first + 1].tolist() + [0] * (5 - first)


def test_draws_follow_the_softmax_of_the_logits():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).expand(20000, 4)
    generator = torch.Generator().manual_seed(0)
    for temperature, top_k in [(1.0, None), (0.5, None), (2.0, 2)]:
        words = draw(logits, temperature, top_k, generator)
        expected = torch.softmax(logits[0] / temperature, 0)
        if top_k:
            expected = torch.tensor([0, expected[1], expected[2], 0]) / (expected[1] + expected[2])
        torch.testing.assert_close(torch.bincount(words, minlength=4) / 20000, expected, atol=0.02, rtol=0)
    assert draw(logits[:1], 0).tolist() == [2]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: build()(torch.zeros(1, 7, dtype=torch.long)), "places for 6 tokens; got 7"),
        (lambda: build()(IDS, memory=torch.rand(2, 3, 8).double()), "cross_attention=True"),
        (lambda: build(cross_attention=True)(IDS), "a memory .* got none"),
        (lambda: build().loss(IDS[:, :1]), "T ≥ 2"),
        (
            lambda: next_word_loss(torch.nn.functional, torch.zeros(1, 1, 9), IDS[:1, :2], torch.tensor([[True, False]])),
            "one word",
        ),
        (lambda: build().generate(IDS, 1, temperature=-1), "temperature: expected a number ≥ 0"),
        (lambda: build().generate(IDS, 1, top_k=0), "top_k"),
        (lambda: build(layers=0), "layers"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
