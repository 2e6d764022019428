"""What happened in each epoch of a training run."""

from dataclasses import dataclass, field


@dataclass
class History:
    """One dict for each epoch: epoch, train_loss, train_accuracy, validation_loss, …, lr, seconds.

    >>> history = History(monitor="validation_loss")
    >>> history.epochs += [{"epoch": 1, "validation_loss": 0.9}, {"epoch": 2, "validation_loss": 0.4}]
    >>> history["validation_loss"]
    [0.9, 0.4]
    >>> history.best
    {'epoch': 2, 'validation_loss': 0.4}
    """

    monitor: str
    epochs: list[dict] = field(default_factory=list)
    stopped: str = ""  # why training ended, in words

    def __len__(self):
        return len(self.epochs)

    def __getitem__(self, name):
        """The values of one column, epoch by epoch."""
        if self.epochs and name not in self.epochs[-1]:
            raise KeyError(f"no column {name!r} in the history: it has {', '.join(self.epochs[-1])}")
        return [epoch[name] for epoch in self.epochs]

    @property
    def best(self):
        """The epoch with the best monitored value (the first of equals): smallest for a loss or error, else largest."""
        if not self.epochs:
            raise ValueError("the history is empty: no epoch has been completed")
        sign = 1 if self.monitor.endswith(("loss", "error")) else -1
        return min(self.epochs, key=lambda epoch: sign * epoch[self.monitor])

    @property
    def waited(self):
        """How many epochs have passed since the best one."""
        return len(self) - self.best["epoch"] if self.epochs else 0

    def __repr__(self):
        if not self.epochs:
            return f"History(no epoch completed{': ' + self.stopped if self.stopped else ''})"
        best = ", ".join(f"{name} {value:.4g}" for name, value in self.best.items() if name.startswith(("train_", "validation_")))
        return f"History({len(self)} epochs, best epoch {self.best['epoch']}: {best}; {self.stopped})"
