"""GMU and FiLM, against their papers' formulas written out."""

import pytest
import torch

from mmlearn.models.fusion import FiLM, Gated

DIMS = {"image": 4, "text": 3}


def batch(n=5, dims=DIMS):
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(n, d, generator=generator, dtype=torch.float64) for name, d in dims.items()}


def test_gated_is_the_gated_multimodal_unit():
    torch.manual_seed(0)
    fusion, inputs = Gated(DIMS, 6).double(), batch()
    both = torch.cat([inputs["image"], inputs["text"]], 1)
    z = torch.sigmoid(both @ fusion.score.weight.T + fusion.score.bias)
    h = [torch.tanh(fusion.project[name](inputs[name])) for name in DIMS]
    torch.testing.assert_close(fusion(inputs), z * h[0] + (1 - z) * h[1])
    torch.testing.assert_close(fusion.gates(inputs), torch.stack([z, 1 - z]))


def test_gates_add_up_to_one_over_what_is_present():
    torch.manual_seed(0)
    dims = DIMS | {"sound": 2}
    fusion, inputs = Gated(dims, 6).double(), batch(dims=dims)
    present = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], dtype=torch.bool)
    gates = fusion.gates(inputs, present)
    torch.testing.assert_close(gates.sum(0), torch.ones(5, 6, dtype=torch.float64))
    assert (gates[~present.T] == 0).all()
    alone = fusion({"sound": inputs["sound"]})
    torch.testing.assert_close(alone, torch.tanh(fusion.project["sound"](inputs["sound"])))


def test_one_modality_needs_no_gate():
    fusion = Gated({"image": 4}, 6)
    assert fusion.score is None
    assert fusion({"image": torch.ones(2, 4)}).shape == (2, 6)


def test_film_scales_and_shifts():
    torch.manual_seed(0)
    fusion, inputs = FiLM(DIMS, 6).double(), batch()
    x, said = fusion.content(inputs["image"]), fusion.condition["text"](inputs["text"])
    torch.testing.assert_close(fusion(inputs), (1 + said[:, :6]) * x + said[:, 6:])
    torch.testing.assert_close(fusion({"image": inputs["image"]}), x)
    torch.testing.assert_close(fusion({"text": inputs["text"]}), said[:, 6:])


def test_film_modulates_what_it_is_told_to_and_knows_no_other():
    fusion = FiLM(DIMS, 6, modulated="text")
    assert fusion.content.in_features == 3
    assert list(fusion.condition) == ["image"]
    with pytest.raises(ValueError, match="modulated: expected one of 'image', 'text'; got 'sound'"):
        FiLM(DIMS, 6, modulated="sound")
    with pytest.raises(ValueError, match="2 modalities or more for FiLM"):
        FiLM({"image": 4}, 6)


@pytest.mark.parametrize(("fusion", "expected"), [(Gated(DIMS, 6), 54 + 48), (FiLM(DIMS, 6), 30 + 48)])
def test_parameters_are_counted_as_documented(fusion, expected):
    assert sum(parameter.numel() for parameter in fusion.parameters()) == expected
