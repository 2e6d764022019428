"""Encoders, fusion, head: three slots, and what happens where a modality is missing."""

import pytest
import torch
from torch import nn

from mmlearn.data import world
from mmlearn.models import TextRNN
from mmlearn.models.fusion import Concat, Fusion, Hadamard, Late
from mmlearn.models.multimodal import MultimodalModel
from mmlearn.training import fit

DIMS = {"image": 4, "text": 3}
NAN = float("nan")


class Words(nn.Module):
    """ids (N, T), mask (N, T) → (N, 3)"""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 3)

    def forward(self, ids, mask):
        return (self.embed(ids) * mask[..., None]).sum(1)


def build(fusion=Concat, image=None, **options):
    torch.manual_seed(0)
    encoders = {"image": image or nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), "text": Words()}
    return MultimodalModel(encoders, fusion(DIMS, 6), nn.Linear(6, 2), takes={"text": 2}, **options)


def batch(n=5):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 50, (n, 7), generator=generator)
    return torch.randn(n, 3, 2, 2, generator=generator), ids, ids > 9


def test_the_three_slots_in_a_row():
    model, (image, ids, mask) = build(), batch()
    features = {"image": model.encoders["image"](image), "text": model.encoders["text"](ids, mask)}
    expected = model.head(model.fusion(features))
    torch.testing.assert_close(model(image, ids, mask), expected)
    torch.testing.assert_close(model({"text": (ids, mask), "image": image}), expected)
    torch.testing.assert_close(model.fuse(image, ids, mask), model.fusion(features))


def test_absent_by_flag_by_none_and_by_missing_key_are_the_same():
    model, (image, ids, mask) = build(), batch()
    lacking = model({"image": image})
    gone = torch.zeros(5, dtype=torch.bool)
    torch.testing.assert_close(model({"image": image, "text": None}), lacking)
    torch.testing.assert_close(model(image, ids, mask, present={"text": gone}), lacking)
    torch.testing.assert_close(model(image, ids, mask, present=torch.stack([~gone, gone], 1)), lacking)


def test_nan_in_place_of_an_absent_picture_reaches_neither_result_nor_gradient():
    model, (image, ids, mask) = build(), batch()
    has = torch.tensor([True, False, True, True, False])
    expected = model(image, ids, mask, present={"image": has})
    broken = image.clone()
    broken[~has] = NAN
    result = model(broken, ids, mask, present={"image": has})
    assert torch.equal(result, expected)
    result.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_batch_statistics_are_those_of_the_examples_that_are_there():
    norm = nn.BatchNorm2d(3)
    model, (image, ids, mask) = build(image=nn.Sequential(norm, nn.Flatten(), nn.Linear(12, 4))), batch()
    has = torch.tensor([True, False, True, True, False])
    model(image, ids, mask, present={"image": has})
    torch.testing.assert_close(norm.running_mean, 0.1 * image[has].mean((0, 2, 3)))


def test_tokens_with_a_mask_reach_a_fusion_that_takes_them():
    class Pool(Fusion):
        takes_tokens = True

        def fuse(self, features, present, masks):
            return sum(x.sum(1) for x in features.values())

    class Tokens(nn.Module):
        def forward(self, ids, mask):
            return ids[..., None].float().expand(-1, -1, 4), mask

    ids, mask = torch.tensor([[1, 2, 9], [3, 9, 9]]), torch.tensor([[True, True, False], [True, False, False]])
    model = MultimodalModel({"text": Tokens(), "image": nn.Identity()}, Pool({"image": 4, "text": 4}, 4), takes={"text": 2})
    assert model({"text": (ids, mask)})[:, 0].tolist() == [3.0, 3.0]
    absent = {"text": torch.tensor([True, False])}
    assert model({"text": (ids, mask), "image": torch.ones(2, 4)}, present=absent)[:, 0].tolist() == [4.0, 1.0]


def test_late_fusion_needs_no_head_and_fit_trains_it():
    torch.manual_seed(0)
    task = world.redundant(n=200, seed=0, size=16)
    encoders = {"image": nn.Sequential(nn.Flatten(), nn.Linear(768, 8)), "text": TextRNN(len(world.vocabulary()), classes=8)}
    model = MultimodalModel(encoders, Late({"image": 8, "text": 8}, 4), takes={"text": 2})
    history = fit(model, task, epochs=4, lr=1e-2, progress=False)
    assert history["train_loss"][-1] < 0.5 * history["train_loss"][0]


def test_a_twin_loads_the_state():
    model, other, inputs = build(Hadamard), build(Hadamard), batch()
    with torch.no_grad():
        other.head.weight.add_(1)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(*inputs), model(*inputs))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fusion": nn.Linear(2, 2)}, "fusion: expected a Fusion such as Concat"),
        ({"encoders": {"image": nn.Identity()}}, "encoders: expected one for each of the fusion's modalities: 'image', 'text'"),
        ({"encoders": {}}, "encoders: expected a dict"),
        ({"takes": {"txt": 2}}, "takes: expected one for each"),
        ({"takes": {"text": 0}}, "takes: expected .* a whole number ≥ 1"),
    ],
)
def test_slots_that_do_not_fit_together_are_refused(change, words):
    slots = {"encoders": {"image": nn.Identity(), "text": nn.Identity()}, "fusion": Concat(DIMS, 6)} | change
    with pytest.raises(ValueError, match=words):
        MultimodalModel(**slots)


def test_inputs_that_do_not_fit_are_named():
    model, (image, ids, mask) = build(), batch()
    with pytest.raises(ValueError, match=r"inputs: expected 3 tensors \(1 of 'image', 2 of 'text'\).*got 2"):
        model(image, ids)
    with pytest.raises(ValueError, match=r"inputs: expected modalities out of 'image', 'text' \(did you mean 'image'\?\)"):
        model({"imge": image})
    with pytest.raises(ValueError, match="no modality"):
        model({"image": None})
    with pytest.raises(ValueError, match=r"inputs\['text'\]: expected 5, as many as the other modalities; got 4 examples"):
        model({"image": image, "text": (ids[:4], mask[:4])})
    with pytest.raises(ValueError, match="nothing for example 1"):
        model(image, ids, mask, present=torch.tensor([[True, True], [False, False], *[[True, True]] * 3]))
    with pytest.raises(ValueError, match="present: expected one modality or more for each example"):
        model(image, ids, mask, present=torch.zeros(5, 2, dtype=torch.bool))
