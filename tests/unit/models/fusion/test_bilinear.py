"""Fusion by products, against torch.nn.Bilinear, tensorly, and one another."""

import math

import numpy as np
import pytest
import tensorly
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmlearn.models.fusion.bilinear import Bilinear, LowRank, Multiplicative, TensorFusion

TWO, THREE = {"image": 5, "text": 3}, {"image": 5, "text": 3, "sound": 4}


def some(dims, n=7, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(n, D, generator=generator, dtype=dtype) for name, D in dims.items()}


def test_bilinear_is_torchs():
    theirs = torch.nn.Bilinear(5, 3, 6).double()
    ours = Bilinear(TWO, 6).double()
    ours.load_state_dict(theirs.state_dict())
    inputs = some(TWO)
    torch.testing.assert_close(ours(inputs), theirs(inputs["image"], inputs["text"]))


@pytest.mark.parametrize("dims", [{"image": 5}, TWO, THREE])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_low_rank_is_the_full_tensor_built_from_its_factors_by_tensorly(dims, rank):
    torch.manual_seed(0)
    fusion = LowRank(dims, 6, rank=rank).double()
    torch.nn.init.normal_(fusion.bias)
    inputs = some(dims)
    full = TensorFusion(dims, 6).double()
    for k in range(6):
        factors = [factor[:, k].detach().T.numpy() for factor in fusion.factors]  # (1 + D_m, rank), as tensorly has them
        built = tensorly.cp_to_tensor((np.ones(rank), factors))
        full.weight.data[k] = torch.from_numpy(built).reshape(full.weight.shape[1:])
        full.weight.data[k].view(-1)[0] += fusion.bias.data[k]
    torch.testing.assert_close(fusion(inputs), full(inputs))
    torch.testing.assert_close(fusion.full().weight, full.weight)


@pytest.mark.parametrize("context", ["image", "text"])
def test_multiplicative_is_tensor_fusion_arranged_otherwise(context):
    fusion, full = Multiplicative(TWO, 6, context=context).double(), TensorFusion(TWO, 6).double()
    weight = full.weight.data if context == "text" else full.weight.data.mT  # (6, 1 + D, 1 + E)
    parts = weight[:, 1:, 1:], weight[:, 1:, 0], weight[:, 0, 1:], weight[:, 0, 0]
    names = ("weight", "from_content", "from_context", "bias")
    fusion.load_state_dict(dict(zip(names, parts, strict=True)))
    inputs = some(TWO)
    torch.testing.assert_close(fusion(inputs), full(inputs))
    made, bias = fusion.made_by(inputs[context])
    layer = torch.einsum("nkd,nd->nk", made, inputs[fusion.content]) + bias
    torch.testing.assert_close(layer, full(inputs))


@pytest.mark.parametrize("Op", [TensorFusion, LowRank])
def test_without_a_modality_it_is_the_same_fusion_of_the_others(Op):
    torch.manual_seed(0)
    fusion = Op(THREE, 6).double()
    inputs = some(THREE)
    rest = {name: inputs[name] for name in TWO}
    weight = (fusion if Op is TensorFusion else fusion.full()).weight
    smaller = TensorFusion(TWO, 6).double()
    smaller.weight.data = weight[..., 0]
    torch.testing.assert_close(fusion(rest), smaller(rest))


def test_without_a_modality_bilinear_knows_nothing_and_multiplicative_is_linear():
    torch.manual_seed(0)
    inputs = some(TWO)
    fusion = Bilinear(TWO, 6).double()
    assert torch.equal(fusion({"image": inputs["image"]}), fusion.bias.expand(7, 6))
    fusion = Multiplicative(TWO, 6).double()
    torch.testing.assert_close(fusion({"image": inputs["image"]}), inputs["image"] @ fusion.from_content.T + fusion.bias)
    torch.testing.assert_close(fusion({"text": inputs["text"]}), inputs["text"] @ fusion.from_context.T + fusion.bias)


@pytest.mark.parametrize("Op", [Bilinear, TensorFusion, LowRank, Multiplicative])
def test_it_begins_with_outputs_about_as_large_as_its_features(Op):
    torch.manual_seed(0)
    dims = {"image": 40, "text": 30}
    fused = torch.cat([Op(dims, 200)(some(dims, 50, seed=seed, dtype=torch.float32)) for seed in range(4)])
    assert 0.8 < fused.var().item() < 1.25


def test_torchs_bilinear_begins_with_a_variance_of_a_third_of_its_second_input():
    torch.manual_seed(0)
    dims = {"image": 40, "text": 30}
    layer = torch.nn.Bilinear(40, 30, 400)
    fused = layer(*some(dims, 300, dtype=torch.float32).values())
    assert fused.var().item() == pytest.approx(30 / 3, rel=0.1)


@pytest.mark.parametrize("rank", [1, 3])
def test_the_rank_of_each_outputs_matrix_is_at_most_the_rank(rank):
    torch.manual_seed(0)
    fusion = LowRank({"image": 8, "text": 9}, 4, rank=rank).double()
    assert torch.linalg.matrix_rank(fusion.full().weight).tolist() == [rank] * 4


def test_parameters_are_as_many_as_the_formulas_say():
    def count(module):
        return sum(p.numel() for p in module.parameters())

    assert count(Bilinear(TWO, 7)) == 7 * (5 * 3 + 1)
    assert count(TensorFusion(THREE, 7)) == 7 * 6 * 4 * 5
    assert count(LowRank(THREE, 7, rank=2)) == 7 * (2 * (6 + 4 + 5) + 1)
    assert count(Multiplicative(TWO, 7)) == 7 * 6 * 4


@pytest.mark.parametrize(
    ("fusion", "elementwise"),  # products that no matrix product does: torch's counter does not see them
    [
        (Bilinear(TWO, 7), 7 * 3),
        (TensorFusion(TWO, 7), 6 * 4),
        (TensorFusion(THREE, 7), 6 * 4 + 6 * 4 * 5),
        (LowRank(THREE, 7, rank=2), 2 * 7 * 2),
        (Multiplicative(TWO, 7), 0),
    ],
)
def test_products_are_those_that_torch_counts(fusion, elementwise):
    n = 11
    with FlopCounterMode(display=False) as counter:
        fusion(some(fusion.dims, n, dtype=torch.float32))
    assert counter.get_total_flops() == 2 * n * (fusion.products() - elementwise)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bilinear(THREE, 6), "dims: expected 2 modalities for Bilinear; got 3: image, text, sound"),
        (lambda: Bilinear({"image": 5}, 6), "dims: expected 2 modalities"),
        (lambda: Multiplicative(THREE, 6), "dims: expected 2 modalities for Multiplicative"),
        (lambda: Multiplicative(TWO, 6, context="txt"), "context: expected one of 'image', 'text'; got 'txt'"),
        (lambda: LowRank(TWO, 6, rank=0), "rank: expected a whole number ≥ 1; got 0"),
        (
            lambda: TensorFusion(dict.fromkeys(["image", "text", "sound"], 512), 128),
            "dims: expected at most 134,217,728: take LowRank; got TensorFusion of 128 · 513 · 513 · 513 = 17,280",
        ),
        (lambda: Bilinear({"image": 4096, "text": 4096}, 64), "take LowRank"),
    ],
)
def test_what_cannot_be_built_is_said(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_large_modalities_are_no_matter_for_low_rank():
    fusion = LowRank(dict.fromkeys(["image", "text", "sound"], 512), 128, rank=4)
    assert sum(p.numel() for p in fusion.parameters()) == 128 * (4 * 3 * 513 + 1)
    assert math.isfinite(fusion(some(fusion.dims, 2, dtype=torch.float32)).sum().item())
