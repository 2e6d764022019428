"""Features of a data set: the same as all at once, whatever the batches, and the encoder is left as it was."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel

from mmlearn.models.features import Features
from mmlearn.training.extract import extract


def pictures():
    torch.manual_seed(0)
    return Features(ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")))


def texts():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}
    return Features(BertModel(BertConfig(**sizes), add_pooling_layer=False))


X = torch.rand(7, 3, 32, 32, generator=torch.Generator().manual_seed(0))
IDS = torch.randint(1, 50, (7, 5), generator=torch.Generator().manual_seed(1)), torch.ones(7, 5, dtype=torch.bool)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_change_nothing(size):
    encoder = pictures().eval()
    found = extract(encoder, X, batch_size=size)
    assert not found.requires_grad
    torch.testing.assert_close(found, encoder(X).detach(), rtol=1e-4, atol=1e-5)
    early, late = extract(encoder, X, *encoder.layers(), batch_size=size)
    torch.testing.assert_close(early, encoder.at(X, encoder.layers()[0]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(late, found, rtol=1e-4, atol=1e-5)


def test_texts_as_ids_and_masks():
    encoder = texts().eval()
    torch.testing.assert_close(extract(encoder, IDS, batch_size=3), encoder(IDS).detach())
    (first,) = extract(encoder, IDS, encoder.layers()[0], batch_size=3)
    assert first.shape == (7, 16)


def test_it_runs_in_eval_mode_and_leaves_the_modes_and_the_statistics_as_they_were():
    encoder = pictures().train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    torch.testing.assert_close(extract(encoder, X), extract(encoder, X))
    assert all(module.training for module in encoder.modules())
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_any_module_will_do_and_no_example_is_refused():
    assert extract(nn.Flatten(), X).shape == (7, 3072)
    with pytest.raises(ValueError, match="no example"):
        extract(nn.Flatten(), X[:0])
