"""Modality dropout: how often a modality goes, that one stays, and that evaluation is left alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmlearn.data.missing import kept_at_random, probability_of_loss
from mmlearn.models.fusion import Sum
from mmlearn.models.modality_dropout import ModalityDropout, WithModalityDropout
from mmlearn.models.multimodal import MultimodalModel
from mmlearn.training import evaluate, fit


@given(p=st.floats(0, 1), M=st.integers(1, 4), seed=st.integers(0, 99))
def test_nobody_loses_the_last_one_and_nothing_comes_back(p, M, seed):
    generator = torch.Generator().manual_seed(seed)
    present = torch.rand(30, M, generator=generator) < 0.6
    kept = kept_at_random(present, p, generator=generator)
    assert not (kept & ~present).any()
    assert torch.equal(kept.any(1), present.any(1))
    free = kept_at_random(present, p, generator=generator, keep_one=False)
    assert not (free & ~present).any()


@pytest.mark.parametrize(("p", "M"), [(0.3, 2), (0.5, 2), (0.5, 3), (1.0, 4), (0.4, 1)])
def test_each_modality_goes_as_often_as_the_formula_says(p, M):
    kept = kept_at_random(torch.ones(20000, M, dtype=torch.bool), p, generator=torch.Generator().manual_seed(0))
    gone = 1 - kept.double().mean(0)
    assert gone.tolist() == pytest.approx([probability_of_loss(p, M)] * M, abs=0.015)


def test_a_layer_with_names_and_one_with_columns_draw_the_same():
    present = torch.ones(50, 2, dtype=torch.bool)
    torch.manual_seed(3)
    columns = ModalityDropout({"image": 0.2, "text": 0.7})(present)
    torch.manual_seed(3)
    named = ModalityDropout({"text": 0.7, "image": 0.2})({"image": present[:, 0], "text": present[:, 1]})
    assert torch.equal(columns, torch.stack([named["image"], named["text"]], 1))
    assert not columns.all()


def test_what_has_no_probability_stays():
    named = ModalityDropout({"text": 1.0})({name: torch.ones(9, dtype=torch.bool) for name in ("image", "text")})
    assert named["image"].all()
    assert not named["text"].any()


def model_and_data():
    torch.manual_seed(0)
    model = MultimodalModel({"image": nn.Linear(3, 4), "text": nn.Linear(3, 4)}, Sum({"image": 4, "text": 4}, 2))
    x = torch.randn(64, 3)
    return model, (x, x.clone(), (x[:, 0] > 0).long())


def test_around_a_model_it_trains_with_fit_and_is_silent_in_evaluation():
    model, data = model_and_data()
    coat = WithModalityDropout(model, 0.5)
    fit(coat, data, epochs=8, lr=0.05, batch_size=16, progress=False)
    assert evaluate(coat, data) == evaluate(model, data)
    only_image = torch.tensor([[True, False]]).expand(64, 2)
    with torch.no_grad():
        assert (model(*data[:2], present=only_image).argmax(1) == data[2]).double().mean() > 0.9
    coat.train()
    assert not torch.equal(coat(*data[:2]), coat(*data[:2]))


def test_fit_draws_the_same_noise_for_the_same_seed():
    losses = []
    for _ in range(2):
        model, data = model_and_data()
        losses.append(fit(WithModalityDropout(model, 0.5), data, epochs=2, seed=4, progress=False)["train_loss"])
    assert losses[0] == losses[1]


def test_a_modality_that_is_missing_from_all_of_training_leaves_its_encoder_as_it_was():
    model, (image, text, label) = model_and_data()
    before = model.encoders["text"].weight.clone()
    missing = torch.tensor([[True, False]]).expand(64, 2)
    coat = WithModalityDropout(model, 0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(coat(image, text, present=missing), label).backward()
        optimizer.step()
    assert torch.equal(model.encoders["text"].weight, before)
    model.eval()
    with torch.no_grad():  # in the test, too: the image answers
        assert (model(image, text, present=missing).argmax(1) == label).double().mean() > 0.9


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ModalityDropout(1.5), r"p: expected a probability in \[0, 1\]; got 1.5"),
        (lambda: ModalityDropout({"text": -1}), r"p\['text'\]: expected a probability"),
        (lambda: ModalityDropout(0.5)(torch.ones(3, 2)), r"bool \(N, M\)"),
        (lambda: ModalityDropout({"text": 0.5})(torch.ones(3, 2, dtype=torch.bool)), "one for each of text; got 2 columns"),
        (lambda: ModalityDropout({"txt": 0.5})({"text": torch.ones(3, dtype=torch.bool)}), "modalities out of 'text'; got 'txt'"),
        (lambda: WithModalityDropout(model_and_data()[0], {"txt": 0.5}), "modalities out of 'image', 'text'; got 'txt'"),
        (lambda: WithModalityDropout(model_and_data()[0], 0.5)({"image": torch.ones(2, 3)}), "one after the other"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
