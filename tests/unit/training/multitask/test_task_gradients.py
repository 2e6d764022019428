"""Several tasks through ``fit``: what a step is, with accumulation, mixed precision, missing labels, NaN, and after a kill."""

import math
import sys
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchjd import aggregation, autojac

from mmlearn.models.sharing import HardSharing
from mmlearn.training import NonFiniteError, fit
from mmlearn.training.multitask import (
    DWA,
    GradNorm,
    TaskGradients,
    TaskLosses,
    Uncertainty,
    cagrad,
    equal,
    gradient_matrix,
    mgda,
    normalised,
    pcgrad,
)

TASKS = TaskLosses(sign=F.cross_entropy, place=F.cross_entropy)


def data(count=48):
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return x, torch.stack([(x.sum(1) > 0).long(), x.argmax(1)], dim=1)


def network(seed=0):
    torch.manual_seed(seed)
    return HardSharing(nn.Sequential(nn.Linear(3, 8), nn.Tanh()), {"sign": nn.Linear(8, 2), "place": nn.Linear(8, 3)})


def train(model, training=None, validation=None, **options):
    options = {"epochs": 3, "batch_size": 16, "lr": 0.05, "progress": False, "loss": TASKS} | options
    return fit(model, training or data(), validation, **options)


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


WAYS = {
    "equal": lambda model: equal,
    "uncertainty": lambda model: Uncertainty(2, lr=0.1),
    "dwa": lambda model: DWA(2),
    "gradnorm": lambda model: GradNorm(2, model.trunk[0].weight, lr=0.02),
    "pcgrad": lambda model: TaskGradients(pcgrad),
    "mgda": lambda model: TaskGradients(mgda),
    "cagrad": lambda model: TaskGradients(cagrad),
    "normalised": lambda model: TaskGradients(normalised(mgda)),
}


def test_the_matrix_is_torchjds_jacobian_of_the_losses():
    model = network()
    x, y = data()
    losses = TASKS(model(x), y)
    ours = gradient_matrix(losses, model.trunk.parameters())
    autojac.backward([*losses], inputs=[*model.trunk.parameters()], retain_graph=True)
    theirs = torch.cat([parameter.jac.flatten(1) for parameter in model.trunk.parameters()], dim=1)
    torch.testing.assert_close(ours, theirs)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_parameter_that_a_task_does_not_reach_has_zeros_in_its_row():
    model = network()
    x, y = data()
    rows = gradient_matrix(TASKS(model(x), y), model.heads["sign"].parameters())
    assert rows[0].any()
    assert not rows[1].any()


def test_the_sum_as_aggregate_is_the_sum_of_the_losses():
    models = [network(), network()]
    train(models[0], combine=equal)
    train(models[1], combine=TaskGradients(lambda gradients: gradients.sum(0)))
    torch.testing.assert_close(weights_of(models[0]), weights_of(models[1]), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("method", [pcgrad, mgda, cagrad])
def test_one_step_is_the_one_that_torchjd_takes(method):
    theirs = {pcgrad: aggregation.PCGrad(), mgda: aggregation.MGDA(1e-9, 1000), cagrad: aggregation.CAGrad(c=0.5)}[method]
    ours, other, (x, y) = network(), network(), data()
    train(ours, combine=TaskGradients(method), optimizer=torch.optim.SGD, batch_size=48, epochs=1)
    features = other.trunk(x)
    losses = [F.cross_entropy(head(features), y[:, k]) for k, head in enumerate(other.heads.values())]
    autojac.mtl_backward(losses, features=features)
    autojac.jac_to_grad([*other.trunk.parameters()], theirs)
    torch.optim.SGD(other.parameters(), lr=0.05).step()
    torch.testing.assert_close(weights_of(ours), weights_of(other), atol=1e-5, rtol=1e-4)


def test_heads_keep_the_gradient_of_their_own_task():
    """mgda may shorten what the trunk gets; a head is not shared, and nothing has to be agreed there."""
    ours, plain = network(), network()
    options = {"optimizer": torch.optim.SGD, "batch_size": 48, "epochs": 1}
    train(ours, combine=TaskGradients(mgda), **options)
    train(plain, combine=equal, **options)
    for mine, other in zip(ours.heads.parameters(), plain.heads.parameters(), strict=True):
        torch.testing.assert_close(mine, other)
    assert not torch.allclose(ours.trunk[0].weight, plain.trunk[0].weight)


@pytest.mark.parametrize("name", WAYS)
def test_every_way_lowers_both_losses_and_trains_every_parameter(name):
    model = network()
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    combine = WAYS[name](model)
    start = TASKS(model(data()[0]), data()[1]).detach()
    history = train(model, validation=data(), combine=combine, epochs=15)
    end = TASKS(model(data()[0]), data()[1]).detach()
    assert (end < 0.7 * start).all()
    assert all(not torch.equal(value, before[key]) for key, value in model.named_parameters())
    assert history["validation_loss"][-1] == pytest.approx(end.sum().item(), rel=1e-4)  # the plain sum, whatever the weights
    if isinstance(combine, nn.Module) and [*combine.parameters()]:
        assert combine.weights.std() > 0


@pytest.mark.parametrize("name", [name for name in WAYS if name != "gradnorm"])
def test_accumulated_batches_are_one_large_batch(name):
    whole, parts = network(), network()
    x, y = data(44)  # the last step has two batches, 8 and 4
    options = {"optimizer": torch.optim.SGD, "epochs": 4, "clip": 1.0}
    train(whole, (x, y), combine=WAYS[name](whole), batch_size=32, **options)
    train(parts, (x, y), combine=WAYS[name](parts), batch_size=8, accumulate=4, **options)
    tolerance = 2e-3 if name == "dwa" else 2e-5  # its epoch means are those of batches
    torch.testing.assert_close(weights_of(parts), weights_of(whole), atol=tolerance, rtol=0)


def test_accumulation_without_tasks_is_one_large_batch_too():
    def single(outputs, targets):
        return TASKS(outputs, targets).sum()

    whole, parts = network(), network()
    train(whole, loss=single, batch_size=32)
    train(parts, loss=single, batch_size=8, accumulate=4)
    torch.testing.assert_close(weights_of(parts), weights_of(whole), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", WAYS)
def test_mixed_precision_goes_about_the_same_way(monkeypatch, name, dtype):
    plain, mixed = network(), network()
    train(plain, combine=WAYS[name](plain), epochs=8)
    monkeypatch.setattr(sys.modules["mmlearn.training.fit"], "_amp_dtype", lambda amp, device: dtype)
    history = train(mixed, combine=WAYS[name](mixed), epochs=8)
    assert {parameter.dtype for parameter in mixed.parameters()} == {torch.float32}
    ends = [TASKS(model(data()[0]), data()[1]).sum().item() for model in (plain, mixed)]
    assert ends[1] == pytest.approx(ends[0], rel=0.1)
    assert history["train_loss"][-1] < 0.7 * history["train_loss"][0]


def test_aggregates_see_gradients_without_the_loss_scale():
    seen = []

    def spy(gradients):
        seen.append(gradients.norm().item())
        return gradients.sum(0)

    model, rows = network(), None
    combine, parameters = TaskGradients(spy), [*model.parameters()]
    x, y = data()
    for scale in (1.0, 65536.0):
        rows = combine.add(None, scale * TASKS(model(x), y), parameters)
        combine.write(rows, parameters, scale)
    assert seen[0] == pytest.approx(seen[1])
    expected = torch.autograd.grad(scale * TASKS(model(x), y).sum(), parameters)
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6 * scale, rtol=0)


def test_an_overflow_under_loss_scaling_is_left_to_the_scaler_and_without_it_named():
    model = network()
    combine, parameters = TaskGradients(mgda), [*model.parameters()]
    rows = combine.add(None, TASKS(model(data()[0]), data()[1]), parameters)
    rows[1] = tuple(gradient * math.inf for gradient in rows[1])
    combine.write(rows, parameters, 65536.0)
    assert not torch.isfinite(model.trunk[0].weight.grad).all()  # GradScaler sees it and skips the step
    with pytest.raises(FloatingPointError, match="the gradient of task 1, counted from 0"):
        combine.write(rows, parameters)


@pytest.mark.parametrize("name", WAYS)
def test_a_run_that_was_cut_in_two_ends_with_the_same_numbers(tmp_path, name):
    whole, cut = network(), network()
    options = {"scheduler": partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9), "accumulate": 2, "validation": data()}
    ways = WAYS[name](whole), WAYS[name](cut)
    expected = train(whole, combine=ways[0], epochs=6, **options)
    train(cut, combine=ways[1], epochs=3, checkpoint=tmp_path / "run", **options)
    again = network(seed=5)
    combine = WAYS[name](again)
    history = train(again, combine=combine, epochs=6, checkpoint=tmp_path / "run", **options)
    assert torch.equal(weights_of(again), weights_of(whole))
    assert history["train_loss"] == expected["train_loss"]
    if isinstance(combine, nn.Module):
        assert all(torch.equal(a, b) for a, b in zip(combine.state_dict().values(), ways[0].state_dict().values(), strict=True))


def test_a_checkpoint_of_another_way_is_refused(tmp_path):
    train(network(), combine=equal, checkpoint=tmp_path / "run")
    for changed, says in [
        ({"combine": Uncertainty(2)}, "combine=equal, now combine=Uncertainty"),
        ({"combine": TaskGradients(mgda)}, r"now combine=TaskGradients\(mgda\)"),
        ({"combine": equal, "accumulate": 2}, "accumulate=None, now accumulate=2"),
    ]:
        with pytest.raises(ValueError, match=says):
            train(network(), checkpoint=tmp_path / "run", **changed)


@pytest.mark.parametrize("name", WAYS)
def test_labels_of_one_task_may_be_missing_in_whole_batches(name):
    x, y = data()
    y = y.clone()
    y[5:, 1] = -100  # most batches have none
    model = network()
    history = train(model, (x, y), combine=WAYS[name](model), epochs=12)
    assert math.isfinite(history["train_loss"][-1])
    assert (model(x)["sign"].argmax(1) == y[:, 0]).float().mean() > 0.8  # the other task learns all the same


def test_a_task_that_is_absent_does_not_stop_mgda():
    x, y = data()
    y = y.clone()
    y[:, 1] = -100
    ours, alone = network(), network()
    train(ours, (x, y), combine=TaskGradients(mgda))
    train(alone, (x, y), combine=equal)
    torch.testing.assert_close(weights_of(ours), weights_of(alone))


@pytest.mark.parametrize("name", WAYS)
def test_nan_in_one_tasks_loss_names_the_task_and_leaves_the_weights_alone(name):
    class Broken(TaskLosses):
        def __call__(self, outputs, targets):
            return super().__call__(outputs, targets) * torch.tensor([1.0, math.nan])

    model = network()
    before = weights_of(model)
    with pytest.raises(NonFiniteError, match="the loss of task 1, counted from 0, became nan in epoch 1, step 1"):
        train(model, loss=Broken(sign=F.cross_entropy, place=F.cross_entropy), combine=WAYS[name](model))
    assert torch.equal(weights_of(model), before)


def test_an_optimizer_that_does_not_know_the_weights_of_the_tasks_is_refused():
    model, combine = network(), Uncertainty(2)
    with pytest.raises(ValueError, match="does not hold the parameters of combine=Uncertainty, which would never move"):
        train(model, combine=combine, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    both = torch.optim.SGD([*model.parameters(), *combine.parameters()], lr=0.1)
    train(model, combine=combine, optimizer=both)
    assert combine.s.abs().min() > 0


def test_the_weights_of_the_tasks_have_their_own_learning_rate_and_no_decay():
    model, combine = network(), Uncertainty(2, lr=0.5)
    seen = []

    def spy(groups, lr):
        seen.append(torch.optim.AdamW(groups, lr=lr))
        return seen[0]

    history = train(model, combine=combine, optimizer=spy)
    assert [(group["lr"], group["weight_decay"]) for group in seen[0].param_groups] == [(0.05, 0.01), (0.5, 0.0)]
    assert history["lr"][0] == 0.05


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"combine": None}, "say how they make one step: combine="),
        ({"combine": equal, "loss": lambda outputs, targets: TASKS(outputs, targets).sum()}, r"loss must return \(K,\) losses"),
        ({"combine": equal, "accumulate": 0}, "accumulate must be a whole number, at least 1; got 0"),
        ({"combine": Uncertainty(3)}, r"losses: expected \(3,\), one for each task; got shape \(2,\)"),
    ],
)
def test_what_cannot_be_combined_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        train(network(), **options)


def test_an_aggregate_is_a_function():
    with pytest.raises(ValueError, match="aggregate: expected a function"):
        TaskGradients("pcgrad")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("amp", [None, False])
@pytest.mark.parametrize("name", WAYS)
def test_a_gpu_trains_as_the_cpu_does(name, amp):
    here, there = network(), network().cuda()
    train(here, combine=WAYS[name](here), epochs=8)
    train(there, combine=WAYS[name](there), epochs=8, device="cuda", amp=amp)
    there.cpu()
    ends = [TASKS(model(data()[0]), data()[1]).sum().item() for model in (here, there)]
    assert ends[1] == pytest.approx(ends[0], rel=0.1)
