"""What a model scores on data: mean loss and metrics, with dropout off and no gradients."""

from contextlib import contextmanager

import torch
import torch.nn.functional as F

from mmlearn.training.batches import batches, check_data


def accuracy(logits, targets):
    """The share of examples whose largest logit is the right class: logits (N, K, …), targets (N, …) int → float in [0, 1].

    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), torch.tensor([0, 1, 1]))
    0.6666666865348816
    """
    return (logits.argmax(dim=1) == targets).float().mean().item()


def evaluate(model, data, *, loss=F.cross_entropy, metrics=None, batch_size=256, device=None):
    """{"loss": …, one entry for each metric}: means over all examples of ``data`` (see ``batches`` for what it may be).

    loss(outputs, targets) is a mean over the batch; metrics: name → function(outputs, targets) → mean over the batch.
    Without ``metrics``: the accuracy where targets are classes, nothing else. The model is left as it was found.

    >>> model = torch.nn.Linear(4, 3)
    >>> sorted(evaluate(model, (torch.zeros(5, 4), torch.tensor([0, 1, 2, 0, 1]))))
    ['accuracy', 'loss']
    """
    check_data(data, "data")
    device = torch.device(device) if device is not None else device_of(model)
    means = Means()
    with modes_kept(model), torch.no_grad():
        model.to(device).eval()
        for *inputs, target in batches(data, batch_size, device):
            outputs = model(*inputs)
            means.add(loss(outputs, target), outputs, target, metrics)
    return means.result()


class Means:
    """Running means of loss and metrics, each batch weighted by its number of examples."""

    def __init__(self, prefix=""):
        self.prefix, self.examples, self.sums = prefix, 0, {}

    def add(self, loss, outputs, targets, metrics=None):
        if metrics is None:
            metrics = {"accuracy": accuracy} if _classifies(outputs, targets) else {}
        with torch.no_grad():
            values = {"loss": loss.detach()} | {name: metric(outputs, targets) for name, metric in metrics.items()}
        self.examples += len(targets)
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value) * len(targets)

    def result(self):
        return {self.prefix + name: total / self.examples for name, total in self.sums.items()}


def device_of(model):
    """The device of the model's first parameter; the CPU when it has none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def modes_kept(model):
    """Put every module back into the train or eval mode in which it was found."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _classifies(outputs, targets):
    """Class indices as targets: whole numbers, with one axis less than the outputs."""
    both = isinstance(outputs, torch.Tensor) and isinstance(targets, torch.Tensor)
    return both and not targets.is_floating_point() and targets.dtype != torch.bool and outputs.ndim == targets.ndim + 1
