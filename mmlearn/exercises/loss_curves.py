"""The loss curves of chapter 03's last exercise: six real training runs on the digits, five of them with one thing gone wrong.

Each run has one cause, a name in ``CAUSES``; the curves are handed out under letters whose order says nothing about it.
"""

import torch

from mmlearn.data import digits
from mmlearn.models.mlp import MLP
from mmlearn.training import fit

CAUSES = (
    "nothing is wrong",
    "the learning rate is far too small",
    "the learning rate is too large",
    "too few examples, some with wrong labels: overfitting",
    "the training labels are shuffled",
    "dropout: at each training step, half of the hidden numbers are set to zero",
)
ANSWERS = {"A": 4, "B": 1, "C": 6, "D": 3, "E": 5, "F": 2}  # curve → the number of its cause, counted from 1
EPOCHS = 30


def loss_curves():
    """{"A": [{"epoch": 1, "train_loss": …, "validation_loss": …}, …], …}: six runs, the same in every call.

    An MLP with one hidden layer learns the digits for 30 epochs; the training loss is measured while it trains.
    """
    parts = digits()
    mean, std = parts.train.images.mean(), parts.train.images.std()
    images, labels = (parts.train.images - mean) / std, parts.train.labels
    validation = (parts.validation.images - mean) / std, parts.validation.labels

    generator = torch.Generator().manual_seed(3)
    few = labels[:150].clone()
    wrong = torch.rand(150, generator=generator) < 0.25
    few[wrong] = torch.randint(0, 10, (int(wrong.sum()),), generator=generator)
    shuffled = labels[torch.randperm(len(labels), generator=generator)]
    right = images, labels
    runs = (  # in the order of CAUSES: training data, learning rate, share of dropout
        (right, 3e-3, 0.0),
        (right, 5e-5, 0.0),
        (right, 0.3, 0.0),
        ((images[:150], few), 1e-2, 0.0),
        ((images[:500], shuffled[:500]), 5e-3, 0.0),
        (right, 3e-3, 0.5),
    )
    return {letter: _run(*runs[cause - 1], validation) for letter, cause in sorted(ANSWERS.items())}


def _run(train, lr, dropout, validation):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MLP((64, 48, 10), dropout=dropout)
    history = fit(model, train, validation, epochs=EPOCHS, lr=lr, seed=0, progress=False)
    return [{name: epoch[name] for name in ("epoch", "train_loss", "validation_loss")} for epoch in history.epochs]
