"""Unimodal heads: their losses, what they do to the encoders, and batches without a modality."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.models.fusion import Concat, Sum
from mmlearn.models.multimodal import MultimodalModel
from mmlearn.models.unimodal_heads import UnimodalHeads
from mmlearn.training import fit


def headed_and_data(n=10):
    torch.manual_seed(0)
    model = MultimodalModel({"image": nn.Linear(3, 4), "text": nn.Linear(2, 5)}, Sum({"image": 4, "text": 5}, 3))
    return UnimodalHeads(model, 3), (torch.randn(n, 3), torch.randn(n, 2), torch.randint(3, (n,)))


def test_the_answer_is_the_joint_models_and_the_loss_the_weighted_sum():
    headed, (image, text, label) = headed_and_data()
    joint = headed(image, text)
    assert torch.equal(joint, headed.model(image, text))
    weights = {"image": 0.5, "text": 0.2, "joint": 0.3}
    by_hand = 0.3 * F.cross_entropy(joint, label)
    by_hand = by_hand + 0.5 * F.cross_entropy(headed.heads["image"](headed.model.encoders["image"](image)), label)
    by_hand = by_hand + 0.2 * F.cross_entropy(headed.heads["text"](headed.model.encoders["text"](text)), label)
    torch.testing.assert_close(headed.blended(weights)(joint, label), by_hand)
    third = headed.blended()(joint, label)
    torch.testing.assert_close(third, sum(F.cross_entropy(z, label) for z in headed.logits.values()) / 3)


def test_a_head_is_asked_about_the_examples_that_have_its_modality():
    headed, (image, text, label) = headed_and_data()
    present = torch.ones(10, 2, dtype=torch.bool)
    present[4:, 1] = False
    text[4:] = float("nan")
    joint = headed(image, text, present=present)
    weights = {"image": 0.0, "text": 1.0, "joint": 0.0}
    alone = F.cross_entropy(headed.heads["text"](headed.model.encoders["text"](text[:4])), label[:4])
    torch.testing.assert_close(headed.blended(weights)(joint, label), alone)


def test_a_batch_in_which_one_modality_is_empty_trains_the_others():
    headed, (image, text, label) = headed_and_data()
    present = torch.tensor([[True, False]]).expand(10, 2)
    loss = headed.blended()(headed(image, text, present=present), label)
    loss.backward()
    assert torch.isfinite(loss)
    assert headed.heads["image"].weight.grad.abs().sum() > 0
    assert headed.heads["text"].weight.grad is None


def test_every_parameter_moves_in_fit_and_no_hook_stays():
    headed, data = headed_and_data(30)
    before = {name: p.clone() for name, p in headed.named_parameters()}
    fit(headed, data, epochs=2, loss=headed.blended(), lr=0.05, progress=False)
    assert all((p != before[name]).any() for name, p in headed.named_parameters())
    assert not headed.model.fusion._forward_pre_hooks


def test_with_no_weight_on_the_joint_head_the_encoders_learn_alone():
    """The image's gradient does not change when the text does."""
    headed, (image, text, label) = headed_and_data()
    found = []
    for words in (text, torch.zeros_like(text)):
        headed.zero_grad()
        headed.blended({"image": 1.0, "text": 1.0, "joint": 0.0})(headed(image, words), label).backward()
        found.append(headed.model.encoders["image"].weight.grad.clone())
    torch.testing.assert_close(*found)


def test_what_does_not_fit_is_refused():
    headed, _ = headed_and_data()
    with pytest.raises(ValueError, match="one for each of image, text, joint; got 'image'"):
        headed.blended({"image": 1.0})
    named = MultimodalModel({"joint": nn.Identity()}, Concat({"joint": 3}, 2))
    with pytest.raises(ValueError, match="another name"):
        UnimodalHeads(named, 2)
