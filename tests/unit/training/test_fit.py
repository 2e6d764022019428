import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import mmlearn.ops
from mmlearn import data
from mmlearn.models import LeNet
from mmlearn.training import CheckpointMismatch, evaluate, fit


def points(count=60, seed=0):
    """Three classes of points in the plane."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    centres = torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return centres[labels] + torch.randn(count, 2, generator=generator), labels


def network(seed=0, dropout=0.2):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3))


def train(model=None, training=None, validation=None, **options):
    options = {"epochs": 4, "batch_size": 16, "lr": 0.01, "progress": False} | options
    return fit(model or network(), training or points(), validation, **options)


def numbers(history):
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in history.epochs]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_it_equals_the_loop_one_would_write_by_hand():
    inputs, labels = points(50)
    torch.manual_seed(0)
    ours, theirs = nn.Linear(2, 3), nn.Linear(2, 3)
    theirs.load_state_dict(ours.state_dict())
    batches = [(inputs[start : start + 16], labels[start : start + 16]) for start in range(0, 50, 16)]
    history = fit(
        ours,
        batches,
        epochs=3,
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
        lr=0.1,
        scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5),
        clip=0.5,
        progress=False,
    )

    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(3):
        total = 0.0
        for x, y in batches:
            loss = F.cross_entropy(theirs(x), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
            optimizer.step()
            total += loss.item() * len(y)
        assert history["train_loss"][epoch] == total / 50
        assert history["lr"][epoch] == optimizer.param_groups[0]["lr"]
        optimizer.param_groups[0]["lr"] *= 0.5
    assert equal(ours, theirs)


@pytest.mark.parametrize("functional", [torch.nn.functional, mmlearn.ops], ids=["torch", "mmlearn.ops"])
def test_the_loss_falls_and_scores_are_those_of_the_trained_model(functional):
    digits = data.digits()
    torch.manual_seed(0)
    model = LeNet(image_size=8, F=functional)
    history = fit(model, digits.train, digits.validation, epochs=3, loss=functional.cross_entropy, lr=3e-3, progress=False)
    assert history["train_loss"][-1] < 0.5 * history["train_loss"][0]
    scores = evaluate(model, digits.validation, batch_size=64)
    assert history["validation_loss"][-1] == pytest.approx(scores["loss"])
    assert history["validation_accuracy"][-1] == scores["accuracy"]
    assert history.stopped == "3 epochs done"


def test_lenet_reads_digits_it_has_never_seen():
    digits = data.digits(size=16)
    torch.manual_seed(0)
    model = LeNet(image_size=16)
    fit(model, digits.train, digits.validation, epochs=15, lr=2e-3, batch_size=32, progress=False)
    assert evaluate(model, digits.test)["accuracy"] >= 0.97


def test_the_seed_decides_all_and_the_callers_random_state_is_left_alone():
    first, again, other = network(), network(), network()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(first, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    train(again, seed=1)
    train(other, seed=2)
    assert equal(first, again)
    assert not equal(first, other)


@pytest.mark.parametrize("generator", [None, torch.Generator()])
def test_a_shuffling_loader_follows_the_seed_too(generator):
    dataset = TensorDataset(*points())
    models = [network(), network()]
    for model in models:
        train(model, DataLoader(dataset, batch_size=16, shuffle=True, generator=generator))
        torch.rand(3)
    assert equal(*models)


def test_every_epoch_sees_every_example_once_in_another_order():
    inputs, labels = points(20)
    inputs[:, 0] = torch.arange(20)
    seen = []

    class Spy(nn.Linear):
        def forward(self, x):
            seen.extend(x[:, 0].int().tolist())
            return super().forward(x)

    train(Spy(2, 3), (inputs, labels), epochs=2, batch_size=6)
    first, second = seen[:20], seen[20:]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second != sorted(second)


def test_several_inputs_reach_the_model_in_their_order():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(2, 3)

        def forward(self, image, text):
            assert image.shape[1:] == (2,)
            assert text.shape[1:] == (1,)
            return self.head(image) + text

    inputs, labels = points()
    history = train(Sum(), (inputs, torch.zeros(60, 1), labels), (inputs, torch.zeros(60, 1), labels))
    assert history["validation_loss"][-1] < history["validation_loss"][0]


def test_early_stop_puts_the_best_weights_back():
    model, validation = network(), points(30, seed=1)
    history = train(model, points(12), validation, epochs=200, lr=0.05, patience=5)
    best = history.best["epoch"]
    assert len(history) == best + 5 < 200
    assert "no better validation_loss for 5 epochs" in history.stopped
    assert f"weights of epoch {best} put back" in history.stopped
    assert evaluate(model, validation)["loss"] == pytest.approx(history.best["validation_loss"])
    shorter = network()
    train(shorter, points(12), validation, epochs=best, lr=0.05)
    assert equal(model, shorter)


def test_another_number_can_be_monitored():
    history = train(
        validation=points(30, seed=1), metrics={"hits": lambda outputs, y: -len(y)}, patience=2, monitor="validation_hits"
    )
    assert (len(history), history.best["epoch"]) == (3, 1)
    with pytest.raises(ValueError, match="no 'validation_f1' to monitor: an epoch has epoch, lr, train_loss"):
        train(validation=points(), monitor="validation_f1")


def test_a_plateau_scheduler_is_told_the_monitored_number():
    told = []

    class Plateau(torch.optim.lr_scheduler.ReduceLROnPlateau):
        def step(self, metrics):
            told.append(metrics)
            super().step(metrics)

    assert train(validation=points(), scheduler=Plateau)["validation_loss"] == told


def test_modes_of_all_modules_are_as_before():
    model = network().eval()
    model[3].train()
    train(model, validation=points())
    assert [module.training for module in model.modules()] == [False, False, False, False, True, False]


def test_an_interrupt_keeps_the_history_the_checkpoint_and_the_way_on(tmp_path):
    path, whole, broken = tmp_path / "run.safetensors", network(), network()
    expected = train(whole)
    calls = []

    def interrupted_loss(outputs, targets):
        calls.append(1)
        if len(calls) == 10:  # four steps an epoch: in the middle of the third
            raise KeyboardInterrupt
        return F.cross_entropy(outputs, targets)

    interrupted_loss.__name__ = "cross_entropy"
    history = train(broken, loss=interrupted_loss, checkpoint=path)
    assert history.stopped == "interrupted in epoch 3"
    assert numbers(history) == numbers(expected)[:2]
    history = train(broken, checkpoint=path)
    assert numbers(history) == numbers(expected)
    assert equal(whole, broken)
    assert f"the first 2 epochs read from {path}" in history.stopped


def test_a_finished_run_is_read_back_and_can_be_extended(tmp_path):
    path, whole, model = tmp_path / "run.safetensors", network(), network()
    expected = train(whole, epochs=6)
    train(model, epochs=4, checkpoint=path)
    again = network(seed=9)
    assert numbers(train(again, epochs=4, checkpoint=path)) == numbers(expected)[:4]
    assert equal(again, model)
    assert numbers(train(again, epochs=6, checkpoint=path)) == numbers(expected)
    assert equal(again, whole)
    assert len(train(network(), epochs=1, checkpoint=path, resume=False)) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lr": 0.5}, "lr=0.01, now lr=0.5"),
        ({"seed": 3}, "seed=0, now seed=3"),
        ({"batch_size": 8}, "batch_size=16, now batch_size=8"),
        ({"optimizer": torch.optim.SGD}, "optimizer=AdamW, now optimizer=SGD"),
        ({"training": points(30)}, "examples=60, now examples=30"),
        ({"model": nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 3))}, "for 0.weight the checkpoint has (16, 2), the model (8, 2)"),
        ({"model": nn.Linear(2, 3)}, "model=Sequential, now model=Linear"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name_and_stays(tmp_path, change, says):
    path = tmp_path / "run.safetensors"
    train(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointMismatch) as caught:
        train(checkpoint=path, **change)
    assert says in str(caught.value)
    assert path.read_bytes() == before


def test_a_damaged_checkpoint_costs_one_epoch_and_no_number(tmp_path):
    path, whole, model = tmp_path / "run.safetensors", network(), network()
    expected = train(whole, epochs=4)
    train(model, epochs=3, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="damaged"):
        history = train(model, epochs=4, checkpoint=path)
    assert numbers(history) == numbers(expected)
    assert "the first 2 epochs read" in history.stopped
    assert equal(model, whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_computes_in_half_and_keeps_whole_weights(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(sys.modules["mmlearn.training.fit"], "_amp_dtype", lambda amp, device: dtype)
    seen = set()
    model, plain = network(), network()
    model[0].register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    path = tmp_path / "run.safetensors"
    train(model, validation=points(), epochs=3, clip=1.0, checkpoint=path)
    history = train(model, validation=points(), epochs=10, clip=1.0, checkpoint=path)
    assert seen == {dtype}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    expected = train(plain, validation=points(), epochs=10, clip=1.0)
    assert history["validation_loss"][-1] == pytest.approx(expected["validation_loss"][-1], rel=0.05)


def test_full_precision_is_the_default_on_the_cpu():
    models = [network(), network()]
    train(models[0])
    train(models[1], amp=False)
    assert equal(*models)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("amp", [None, False])
def test_a_gpu_trains_as_the_cpu_does(tmp_path, amp):
    digits = data.digits(size=16)
    torch.manual_seed(0)
    model = LeNet(image_size=16)
    before = torch.cuda.get_rng_state()
    history = fit(
        model, digits.train, digits.validation, epochs=15, lr=2e-3, batch_size=32, device="cuda", amp=amp, progress=False, seed=0
    )
    assert history["validation_accuracy"][-1] >= 0.96
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert {parameter.device.type for parameter in model.parameters()} == {"cuda"}


def test_what_cannot_be_trained_is_refused():
    for options, says in [
        ({"epochs": 0}, "epochs must be a whole number, at least 1; got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"patience": 3}, "pass validation"),
        ({"monitor": "validation_accuracy"}, "needs validation data"),
        ({"training": (torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))}, "train holds no examples"),
        ({"validation": (torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))}, "validation holds no examples"),
        ({"optimizer": torch.optim.SGD(network().parameters(), lr=0.1)}, "parameters that are not this model's"),
        ({"model": nn.ReLU()}, "no parameter to train"),
    ]:
        with pytest.raises(ValueError, match=says):
            train(**options)


def test_an_optimizer_and_a_scheduler_of_ones_own_are_used():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    assert train(model, optimizer=optimizer, scheduler=scheduler, epochs=2)["lr"] == [0.2, 0.1]
    with pytest.raises(ValueError, match="scheduler belongs to another optimizer"):
        train(model, scheduler=scheduler)


def test_nothing_is_printed_when_silent_and_one_line_otherwise(capsys):
    train(validation=points())
    assert capsys.readouterr() == ("", "")
    train(validation=points(), progress=True)
    said, errors = capsys.readouterr()
    assert said.startswith("4 epochs done (")
    assert said.count("\n") == 1
    assert errors == ""
