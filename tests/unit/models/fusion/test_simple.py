"""Concat, Sum, Mean, WeightedMean, Hadamard: what each computes, and which of them are the same."""

import pytest
import torch

from mmlearn.models.fusion import Concat, Hadamard, Mean, Sum, WeightedMean

DIMS = {"image": 4, "text": 3, "sound": 2}


def batch(n=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(n, d, generator=generator, dtype=torch.float64) for name, d in DIMS.items()}


def build(kind, seed=0):
    torch.manual_seed(seed)
    return kind(DIMS, 6).double()


def test_concat_is_the_sum_of_its_blocks():
    fusion, inputs = build(Concat), batch()
    blocks = fusion.blocks()
    assert [tuple(block.shape) for block in blocks.values()] == [(6, 4), (6, 3), (6, 2)]
    expected = sum(inputs[name] @ blocks[name].T for name in DIMS) + fusion.linear.bias
    torch.testing.assert_close(fusion(inputs), expected)


def test_a_block_set_to_zero_is_a_modality_that_is_not_heard():
    fusion, inputs = build(Concat), batch()
    with torch.no_grad():
        fusion.blocks()["text"].zero_()
    torch.testing.assert_close(fusion(inputs), fusion({name: inputs[name] for name in ("image", "sound")}))


def test_sum_and_concat_are_one_function_under_two_names():
    concat, total, inputs = build(Concat), build(Sum), batch()
    with torch.no_grad():
        for name, block in concat.blocks().items():
            block.copy_(total.project[name].weight)
        concat.linear.bias.copy_(sum(layer.bias for layer in total.project.values()))
    torch.testing.assert_close(concat(inputs), total(inputs))


def test_the_mean_is_the_sum_over_the_number_of_those_present():
    mean, inputs = build(Mean), batch()
    total = build(Sum)
    total.load_state_dict(mean.state_dict())
    present = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], dtype=torch.bool)
    torch.testing.assert_close(mean(inputs, present), total(inputs, present) / present.sum(1, keepdim=True))


def test_weights_are_shared_out_among_those_present():
    fusion, inputs = build(WeightedMean), batch()
    assert list(fusion.weights().values()) == pytest.approx([1 / 3] * 3)
    with torch.no_grad():
        fusion.scores.copy_(torch.tensor([1.0, 2.0, 5.0]).log())
    assert list(fusion.weights().values()) == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    h = fusion.projections(inputs)
    torch.testing.assert_close(fusion(inputs), (h[0] + 2 * h[1] + 5 * h[2]) / 8)
    without = {name: inputs[name] for name in ("image", "text")}
    torch.testing.assert_close(fusion(without), (h[0] + 2 * h[1]) / 3)


def test_the_product_begins_with_biases_of_one_so_that_each_modality_comes_through_alone():
    fusion, inputs = build(Hadamard), batch()
    assert all(layer.bias.eq(1).all() for layer in fusion.project.values())
    u, v, w = (inputs[name] @ fusion.project[name].weight.T for name in DIMS)
    torch.testing.assert_close(fusion(inputs), (1 + u) * (1 + v) * (1 + w))
    torch.testing.assert_close(fusion({"text": inputs["text"]}), 1 + v)


@pytest.mark.parametrize(
    ("kind", "additive"), [(Concat, True), (Sum, True), (Mean, True), (WeightedMean, True), (Hadamard, False)]
)
def test_which_are_additive(kind, additive):
    """h(a, b) + h(a', b') = h(a, b') + h(a', b), the identity on which matching fails."""
    fusion, one, two = build(kind), batch(), batch(seed=1)
    swapped = [dict(one, text=two["text"]), dict(two, text=one["text"])]
    difference = fusion(one) + fusion(two) - sum(fusion(inputs) for inputs in swapped)
    assert (difference.abs().max() < 1e-12) == (kind is not Hadamard)


@pytest.mark.parametrize(("kind", "expected"), [(Concat, 60), (Sum, 72), (Mean, 72), (WeightedMean, 75), (Hadamard, 72)])
def test_parameters_are_counted_as_documented(kind, expected):
    assert sum(parameter.numel() for parameter in kind(DIMS, 6).parameters()) == expected
