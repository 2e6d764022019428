"""One space for several modalities: its geometry, its parameters, the reference, and what is absent."""

import math

import pytest
import torch
from torch import nn

from mmlearn.models.shared_encoder import SharedEncoder, reference_loss
from mmlearn.ops.contrastive import info_nce

DIMS = {"image": 5, "text": 3, "sound": 4}


def model(shared=1, **options):
    torch.manual_seed(0)
    return SharedEncoder({name: nn.Linear(d, d) for name, d in DIMS.items()}, DIMS, 6, shared=shared, **options)


def batch(n=8):
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(n, d, generator=generator) for name, d in DIMS.items()}


def test_every_modality_lands_on_the_unit_sphere_of_one_space():
    for shared in (0, 2):
        embedded = model(shared)(batch())
        assert list(embedded) == list(DIMS)
        for z in embedded.values():
            assert z.shape == (8, 6)
            torch.testing.assert_close(z.norm(dim=1), torch.ones(8))


def test_the_trunk_belongs_to_all_and_each_parameter_learns():
    net = model()
    embedded = net(batch())
    reference_loss(embedded, "text", net.scale).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())
    net.zero_grad()
    net.encode("sound", batch()["sound"]).sum().backward()
    assert net.trunk[1].weight.grad.abs().sum() > 0
    assert net.adapters["image"].weight.grad is None


def test_the_scale_is_one_over_the_temperature_and_bounded_as_clips():
    assert model(temperature=0.05).scale.item() == pytest.approx(20)
    net = model()
    with torch.no_grad():
        net.log_scale.fill_(9.0)
    assert net.scale.item() == pytest.approx(100)
    assert net.log_scale.requires_grad


def test_an_encoder_with_two_inputs_takes_a_tuple():
    class Bag(nn.Module):
        def forward(self, ids, mask):
            return nn.functional.one_hot(ids, 3).float().mul(mask[..., None]).sum(1)

    net = SharedEncoder({"text": Bag()}, {"text": 3}, 2)
    ids, mask = torch.tensor([[0, 1, 1], [2, 0, 0]]), torch.tensor([[True, True, True], [True, False, False]])
    padded = torch.tensor([[0, 1, 1], [2, 1, 2]])
    torch.testing.assert_close(net({"text": (ids, mask)})["text"], net({"text": (padded, mask)})["text"])


def test_the_reference_loss_is_the_mean_over_the_others():
    embedded = model()(batch())
    expected = (info_nce(embedded["image"], embedded["text"], 5.0) + info_nce(embedded["sound"], embedded["text"], 5.0)) / 2
    torch.testing.assert_close(reference_loss(embedded, "text", 5.0), expected)


def test_absent_rows_do_not_reach_the_loss_and_an_empty_modality_has_no_part():
    embedded = {name: z.detach() for name, z in model()(batch()).items()}
    present = {"sound": torch.tensor([True, True, True] + 5 * [False])}
    image, sound, text = embedded["image"], embedded["sound"], embedded["text"]
    expected = (info_nce(image, text, 5.0) + info_nce(sound[:3], text[:3], 5.0)) / 2
    spoilt = embedded | {"sound": embedded["sound"].clone()}
    spoilt["sound"][3:] = math.nan
    torch.testing.assert_close(reference_loss(spoilt, "text", 5.0, present), expected)
    nobody = {"sound": torch.zeros(8, dtype=torch.bool)}
    torch.testing.assert_close(
        reference_loss(spoilt, "text", 5.0, nobody), info_nce(embedded["image"], embedded["text"], torch.tensor(5.0))
    )
    with pytest.raises(ValueError, match="a batch in which two examples have both"):
        reference_loss({"text": embedded["text"], "sound": embedded["sound"]}, "text", 5.0, nobody)


def test_wrong_names_and_sizes_are_refused():
    net = model()
    with pytest.raises(ValueError, match="'image' or 'text' or 'sound'; got 'video'"):
        net.encode("video", torch.zeros(1, 2))
    with pytest.raises(ValueError, match="a dict, modality → input"):
        net(torch.zeros(2, 5))
    with pytest.raises(ValueError, match="the modalities of encoders"):
        SharedEncoder({"image": nn.Identity()}, {"text": 3}, 2)
    with pytest.raises(ValueError, match="temperature"):
        model(temperature=0.001)
    with pytest.raises(ValueError, match="reference: expected 'image'"):
        reference_loss({"image": torch.eye(2)}, "text", 1.0)
    with pytest.raises(ValueError, match="another modality beside it"):
        reference_loss({"image": torch.eye(2)}, "image", 1.0)
