"""SkipGram: its loss is torch's binary cross-entropy, its gradient touches the rows that occurred, and it learns counted PMI."""

import math

import pytest
import torch

import mmlearn.ops
from mmlearn.data.cooccurrence import cooccurrence, pmi
from mmlearn.models.skip_gram import SkipGram

PAIRS = torch.tensor([[0, 1], [1, 2], [2, 1], [0, 1]])
NEGATIVES = torch.tensor([[3, 1], [2, 2], [4, 0], [3, 3]])


@pytest.mark.parametrize("F", [torch.nn.functional, mmlearn.ops])
def test_the_loss_is_the_cross_entropy_of_telling_real_pairs_from_drawn_ones(F):
    torch.manual_seed(0)
    model = SkipGram(6, 3, F=F).double()
    words, contexts = model.words.weight, model.contexts.weight
    real = (words[PAIRS[:, 0]] * contexts[PAIRS[:, 1]]).sum(1)
    drawn = torch.einsum("nd,nkd->nk", words[PAIRS[:, 0]], contexts[NEGATIVES])
    logits = torch.cat([real, drawn.flatten()])
    labels = torch.cat([torch.ones_like(real), torch.zeros_like(drawn.flatten())])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(PAIRS)
    loss = model(PAIRS, NEGATIVES)
    torch.testing.assert_close(loss, expected)
    parameters = list(model.parameters())
    for ours, theirs in zip(torch.autograd.grad(loss, parameters), torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_only_words_that_occurred_receive_a_gradient():
    model = SkipGram(6, 3)
    model(PAIRS, NEGATIVES).backward()
    assert model.words.weight.grad.abs().sum(1).bool().tolist() == [True, True, True, False, False, False]
    assert model.contexts.weight.grad.abs().sum(1).bool().tolist() == [True, True, True, True, True, False]


def test_trained_products_are_pmi_minus_log_k():
    """Four words, four features: nothing stands between the products and their best values but the draws."""
    draw = torch.Generator().manual_seed(0)
    joint = torch.tensor([[1.0, 4, 2, 1], [4, 1, 1, 3], [2, 1, 3, 2], [1, 3, 2, 5]])
    pairs = torch.multinomial(joint.flatten(), 20_000, replacement=True, generator=draw)
    pairs = torch.stack([pairs // 4, pairs % 4], 1)
    torch.manual_seed(0)
    model = SkipGram(4, 4)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, 600)
    for _ in range(600):
        some = pairs[torch.randint(len(pairs), (512,), generator=draw)]
        noise = pairs[torch.randint(len(pairs), (512, 2), generator=draw), 1]
        optimiser.zero_grad()
        model(some, noise).backward()
        optimiser.step()
        schedule.step()
    wanted = pmi(cooccurrence(pairs, 4)) - math.log(2)
    assert (model.products() - wanted).abs().max() < 0.15


def test_bad_input_is_named():
    model = SkipGram(6, 3)
    with pytest.raises(ValueError, match=r"pairs: expected \(N, 2\)"):
        model(PAIRS[:, 0], NEGATIVES)
    with pytest.raises(ValueError, match=r"negatives: expected \(4, K\)"):
        model(PAIRS, NEGATIVES[:2])
    with pytest.raises(ValueError, match="word ids from 0 to 2"):
        SkipGram(3, 3, F=mmlearn.ops)(PAIRS, NEGATIVES)
    with pytest.raises(ValueError, match="vocabulary_size: expected a whole number ≥ 1"):
        SkipGram(0)
    with pytest.raises(TypeError, match="F must offer embedding"):
        SkipGram(3, F=math)
