import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.training import NonFiniteError, fit
from mmlearn.training.checkpoint import load_checkpoint


def data(count=40):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 4, generator=generator)
    return inputs, inputs[:, :1].clone()


def train(train, validation=None, model=None, **options):
    torch.manual_seed(0)
    options = {"epochs": 5, "batch_size": 10, "loss": F.mse_loss, "lr": 0.01, "progress": False} | options
    return fit(model or nn.Linear(4, 1), train, validation, **options)


def test_too_large_steps_are_named_with_the_learning_rate():
    with pytest.raises(FloatingPointError) as caught:
        train(data(), lr=1e6, optimizer=torch.optim.SGD)
    assert "weights of" in str(caught.value)
    assert "smaller learning rate (now 1e+06)" in str(caught.value)
    assert "the last finite loss was" in str(caught.value)


def test_bad_input_is_named_and_weights_stay_finite():
    model, (inputs, targets) = nn.Linear(4, 1), data()
    inputs[7, 2] = torch.nan
    with pytest.raises(NonFiniteError, match=r"in epoch 1, step .*: input 0 of this batch holds NaN") as caught:
        train((inputs, targets), model=model)
    assert torch.isfinite(model.weight).all()
    assert len(caught.value.history) == 0


def test_a_loss_that_divides_by_zero_is_suspected_when_all_else_is_sane():
    with pytest.raises(NonFiniteError, match=r"it was the first step.*look for log\(0\) or 1/0 in the model and the loss"):
        train(data(), loss=lambda outputs, targets: F.mse_loss(outputs, targets) / 0)


def test_history_and_checkpoint_of_the_epochs_before_are_kept(tmp_path):
    path, model = tmp_path / "run.safetensors", nn.Linear(4, 1)
    calls = []

    def loss(outputs, targets):
        calls.append(1)
        return F.mse_loss(outputs, targets) * (torch.nan if len(calls) == 10 else 1)  # the second of four steps of epoch 3

    with pytest.raises(NonFiniteError, match=r"in epoch 3, step 2 .*2 completed epochs") as caught:
        train(data(), model=model, loss=loss, checkpoint=path)
    assert [epoch["epoch"] for epoch in caught.value.history.epochs] == [1, 2]
    assert str(path) in str(caught.value)
    assert load_checkpoint(path)["history"] == caught.value.history.epochs


def test_weights_broken_by_the_last_step_of_an_epoch_never_reach_the_checkpoint(tmp_path):
    path, model = tmp_path / "run.safetensors", nn.Linear(4, 1)
    model.weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(NonFiniteError, match="after epoch 1 the weights of weight are not finite"):
        train(data(), model=model, batch_size=40, checkpoint=path)
    assert not path.exists()


def test_a_validation_loss_that_is_not_finite_stops_too():
    inputs, targets = data()
    with pytest.raises(NonFiniteError, match="after epoch 1 the validation loss is nan"):
        train((inputs, targets), (inputs * torch.nan, targets))


def test_a_loss_for_each_example_is_refused():
    with pytest.raises(ValueError, match=r"loss must return one number.*got a tensor of shape \(10, 1\)"):
        train(data(), loss=lambda outputs, targets: (outputs - targets) ** 2)
