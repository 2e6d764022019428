"""Chapter 06: each mistake is named, right answers in other styles pass, and the right answers are those of torch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.exercises import ch06, verify
from mmlearn.models.resnet import BasicBlock, ResNet


def test_lenet5():
    verify(ch06.lenet5, also_right=[[28, 14, 10, 5, 61706]])


def test_lenet5_are_the_numbers_of_a_network_of_torch():
    features = nn.Sequential(nn.Conv2d(1, 6, 5), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.AvgPool2d(2))
    head = nn.Sequential(nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10))
    sizes, x = [], torch.zeros(1, 1, 32, 32)
    for layer in features:
        x = layer(x)
        sizes.append(x.shape[-1])
    parameters = sum(p.numel() for part in (features, head) for p in part.parameters())
    assert ch06.lenet5.oracle == (*sizes, parameters)


def test_the_count_of_1998_is_60000():
    table = 6 * [3] + 9 * [4] + [6]  # how many of the six maps each map of the second convolution sees
    unseen, pools, last = 25 * (6 * 16 - sum(table)), 2 * (6 + 16), 10 * (84 + 1)
    assert ch06.lenet5.oracle[-1] - unseen + pools - last == 60000
    assert f"{unseen} fewer" in ch06.lenet5.afterword
    assert f"{pools} more" in ch06.lenet5.afterword
    assert "count of 1998" in str(ch06.lenet5.judge((28, 14, 10, 5, 60000)))


def by_building(layers, channels, size):
    x, weights, flops = torch.zeros(1, channels, size, size), 0, 0
    for outputs, k, stride, padding in layers:
        layer = nn.Conv2d(x.shape[1], outputs, k, stride, padding, bias=False)
        x = layer(x)
        weights += layer.weight.numel()
        flops += 2 * x.shape[-1] * x.shape[-2] * layer.weight.numel()
    return weights, flops


def test_network_cost():
    verify(ch06.network_cost, also_right=[by_building])


def from_the_output(layers):
    """The field from above: how many pixels of the layer below does a row of pixels see?"""
    pixels, step = 1, 1
    for k, s, d in reversed(layers):
        pixels = (pixels - 1) * s + d * (k - 1) + 1
        step *= s
    return pixels, step


def test_receptive_field_and_jump():
    verify(ch06.receptive_field_and_jump, also_right=[from_the_output])


def by_modules(x, first, second, stride=1, projection=None):
    width, inputs = first.shape[:2]
    with torch.no_grad():
        block = BasicBlock(inputs, width, stride, shortcut="projection").to(x.dtype)
        block.conv1.weight.copy_(first)
        block.conv2.weight.copy_(second)
        if projection is not None:
            block.downsample[0].weight.copy_(projection)
        return block.train()(x)


def test_residual_block():
    verify(ch06.residual_block, also_right=[by_modules])


def by_name(model):
    for name, parameter in model.named_parameters():
        if name.endswith("bn2.weight"):
            nn.init.constant_(parameter, 0.0)


def test_start_as_identity():
    verify(ch06.start_as_identity, also_right=[by_name])


def test_a_network_so_started_is_shallow_and_wakes_up():
    torch.manual_seed(0)
    model = ResNet(image_size=8, depth=14, width=4)
    ch06.start_as_identity.oracle(model)
    x = torch.rand(6, 1, 8, 8)
    stages = model.stages(x)
    assert torch.equal(stages["block1_2"], stages["conv1"])
    stages["logits"].square().sum().backward()
    block = model.blocks[0][0]
    assert block.bn2.weight.grad.abs().max() > 0
    assert block.conv1.weight.grad.abs().max() == 0


@pytest.mark.parametrize("names", [["bn1"], ["bn1", "bn2"]])
def test_a_silent_first_norm_leaves_the_branch_dead(names):
    torch.manual_seed(0)
    model = ResNet(image_size=8, depth=8, width=4)
    for stage in model.blocks:
        for block in stage:
            for name in names:
                nn.init.zeros_(getattr(block, name).weight)
    model(torch.rand(6, 1, 8, 8)).square().sum().backward()
    for stage in model.blocks:
        for block in stage:
            for layer in (block.conv1, block.conv2, block.bn1, block.bn2):
                assert not layer.weight.grad.any()


def test_a_frozen_scale_is_told_from_one_that_starts_at_zero():
    def frozen(model):
        by_name(model)
        for stage in model.blocks:
            for block in stage:
                block.bn2.weight.requires_grad_(False)

    assert "not stay there" in str(ch06.start_as_identity.judge(frozen))


def pooled_first(maps, weight, bias):
    pooled = F.adaptive_avg_pool2d(maps, 1).flatten(1)
    return F.linear(pooled, weight, bias), F.conv2d(maps, weight[:, :, None, None])


def test_class_maps():
    verify(ch06.class_maps, also_right=[pooled_first])


def test_ablation():
    verify(ch06.ablation, also_right=[[True, False, False, True, False]])


@pytest.mark.parametrize("answer", [(True, False, False, True), True, "A and D"])
def test_an_answer_of_another_form_is_told_what_is_asked_for(answer):
    assert ch06.ablation.judge(answer).status == "failed"


def in_another_order(x, p, stride=1, training=False):
    way = F.conv2d(x, p["projection"], stride=stride) if "projection" in p else x
    for number, step in ((1, stride), (2, 1)):
        name = f"bn{number}"
        x = F.conv2d(x, p[f"conv{number}"], stride=step, padding=1)
        mean, var = (x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)) if training else (p[f"{name}.mean"], p[f"{name}.var"])
        x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
        x = x * p[f"{name}.weight"][:, None, None] + p[f"{name}.bias"][:, None, None]
        x = x.clamp(min=0) if number == 1 else x
    return (x + way).clamp(min=0)


def test_repaired_block():
    verify(ch06.repaired_block, also_right=[in_another_order])
