"""Sharing: what each task's output is made of, and that every parameter of every kind learns."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.models.sharing import CrossStitch, HardSharing, MMoE, cross_stitch

SIZES = {"shape": 5, "colour": 3}


def heads(width=8):
    return {task: nn.Linear(width, size) for task, size in SIZES.items()}


def layers():
    return [nn.Linear(4, 6), nn.Sequential(nn.ReLU(), nn.Linear(6, 8))]


def hard():
    return HardSharing(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), heads())


def stitched(own=0.9):
    return CrossStitch({task: layers() for task in SIZES}, heads(), own)


def mixed():
    return MMoE(4, [nn.Sequential(nn.Linear(4, 8), nn.ReLU()) for _ in range(3)], heads())


@pytest.fixture(params=[hard, stitched, mixed])
def model(request):
    torch.manual_seed(0)
    return request.param()


def test_an_output_for_each_task_whatever_the_company_in_the_batch(model):
    x = torch.randn(7, 4)
    outputs = model(x)
    assert {task: tuple(output.shape) for task, output in outputs.items()} == {"shape": (7, 5), "colour": (7, 3)}
    for task, output in model(x[2:3]).items():
        torch.testing.assert_close(output[0], outputs[task][2])


def test_every_parameter_learns(model):
    x, y = torch.randn(30, 4), torch.randint(0, 3, (30,))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        sum(F.cross_entropy(output, y) for output in model(x).values()).backward()
        optimizer.step()
    still = [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]
    assert still == []


def test_a_task_reaches_the_trunk_and_its_own_head_alone():
    model = hard()
    model(torch.randn(3, 4))["shape"].sum().backward()
    assert all(parameter.grad is not None for parameter in model.trunk.parameters())
    assert model.heads["shape"].weight.grad is not None
    assert model.heads["colour"].weight.grad is None


def test_columns_that_take_only_their_own_are_separate_networks():
    model, x = stitched(own=1.0), torch.randn(5, 4)
    for task, output in model(x).items():
        alone = nn.Sequential(*model.columns[task], model.heads[task])
        torch.testing.assert_close(output, alone(x))


def test_columns_that_take_all_alike_give_each_head_the_same():
    model = CrossStitch({task: layers() for task in SIZES}, {task: nn.Identity() for task in SIZES}, own=0.5)
    shape, colour = model(torch.randn(5, 4)).values()
    torch.testing.assert_close(shape, colour)


def test_the_stitch_is_a_matrix_over_tasks_for_maps_too():
    features, alpha = torch.randn(3, 2, 4, 5, 6), torch.randn(3, 3)
    by_hand = torch.stack([sum(alpha[k, j] * features[j] for j in range(3)) for k in range(3)])
    torch.testing.assert_close(cross_stitch(features, alpha), by_hand)


def test_the_shares_at_the_start_add_up_to_one_for_any_number_of_tasks():
    for K in (1, 2, 3, 5):
        tasks = {f"t{k}": nn.Identity() for k in range(K)}
        model = CrossStitch({task: [nn.Linear(2, 2)] for task in tasks}, tasks)
        torch.testing.assert_close(model.alphas[0].sum(1), torch.ones(K))


def test_a_gate_that_chooses_one_expert_gives_that_experts_features():
    model, x = mixed(), torch.randn(5, 4)
    with torch.no_grad():
        model.gates["shape"].weight.zero_()
        model.gates["shape"].bias.copy_(torch.tensor([-100.0, 100.0, -100.0]))
    torch.testing.assert_close(model(x)["shape"], model.heads["shape"](model.experts[1](x)))


def test_the_order_of_the_experts_means_nothing():
    model, x, order = mixed(), torch.randn(5, 4), [2, 0, 1]
    before = model(x)
    with torch.no_grad():
        for gate in model.gates.values():
            gate.weight.copy_(gate.weight[order])
            gate.bias.copy_(gate.bias[order])
    model.experts = nn.ModuleList([model.experts[n] for n in order])
    for task, output in model(x).items():
        torch.testing.assert_close(output, before[task])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: HardSharing(nn.Linear(4, 8), {}), "with one task at least"),
        (lambda: HardSharing(nn.Linear(4, 8), [nn.Linear(8, 3)]), "a dict, task → module"),
        (lambda: CrossStitch({"shape": layers()}, heads()), "the tasks of the heads: shape, colour"),
        (lambda: CrossStitch({"shape": layers(), "colour": layers()[:1]}, heads()), "as many layers for each task"),
        (lambda: CrossStitch({task: layers() for task in SIZES}, heads(), own=1.5), "a share from 0 to 1"),
        (lambda: CrossStitch({"shape": [nn.Linear(4, 8)], "colour": [nn.Linear(4, 6)]}, heads())(torch.zeros(2, 4)), "one shape"),
        (lambda: MMoE(4, [], heads()), "at least one module"),
        (lambda: mixed()(torch.zeros(2, 5)), r"x: expected \(N, 4\); got shape \(2, 5\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make, says):
    with pytest.raises(ValueError, match=says):
        make()
