import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.training import accuracy, evaluate


def data(count=10, classes=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 4, generator=generator), torch.randint(classes, (count,), generator=generator)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_the_mean_over_examples_does_not_depend_on_the_batches(batch_size):
    torch.manual_seed(0)
    model, (inputs, labels) = nn.Linear(4, 3), data()
    scores = evaluate(model, (inputs, labels), batch_size=batch_size)
    assert scores["loss"] == pytest.approx(F.cross_entropy(model(inputs), labels).item(), rel=1e-5)
    assert scores["accuracy"] == pytest.approx(accuracy(model(inputs), labels))


def test_dropout_is_off_while_scoring_and_every_module_keeps_its_mode():
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.Dropout(0.5))
    model.train()
    model[1].eval()
    assert evaluate(model, data()) == evaluate(model, data())
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_no_gradient_is_kept():
    model = nn.Linear(4, 3)
    evaluate(model, data())
    assert model.weight.grad is None


def test_accuracy_is_for_classes_alone_and_other_metrics_are_given():
    inputs, _ = data()
    targets = inputs.sum(dim=1, keepdim=True)
    assert set(evaluate(nn.Linear(4, 1), (inputs, targets), loss=F.mse_loss)) == {"loss"}
    metrics = {"error": lambda outputs, targets: (outputs - targets).abs().mean()}
    assert set(evaluate(nn.Linear(4, 1), (inputs, targets), loss=F.mse_loss, metrics=metrics)) == {"loss", "error"}


def test_accuracy_counts_pixels_of_label_maps_too():
    logits = torch.zeros(2, 3, 4, 4)
    logits[:, 1] = 1
    targets = torch.ones(2, 4, 4, dtype=torch.long)
    targets[0, 0, 0] = 2
    assert accuracy(logits, targets) == pytest.approx(31 / 32)


def test_empty_data_is_refused():
    with pytest.raises(ValueError, match="data holds no examples"):
        evaluate(nn.Linear(4, 3), data(0))
