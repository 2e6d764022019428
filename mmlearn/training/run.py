"""Everything that a training run would lose if it were killed: what a checkpoint holds, and how it is put back."""

import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch

from mmlearn.training.checkpoint import check_same_model, check_same_run, load_checkpoint, save_checkpoint
from mmlearn.training.history import History

_PARTS = ("model", "optimizer", "scheduler", "scaler", "combine")


@dataclass
class Run:
    """A model and what trains it, after the epochs in ``history``.

    No random state is kept: each epoch's order and noise follow from (seed, epoch), so there is none to lose.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    scaler: torch.amp.GradScaler
    history: History
    settings: dict = field(default_factory=dict)  # two runs that differ in one of these give different numbers
    patience: int | None = None
    checkpoint: Path | None = None
    combine: object = None  # what makes one step of several tasks' losses; a Module where it learns
    best: dict | None = None  # with patience: the weights of the best epoch

    @property
    def lr(self):
        return self.optimizer.param_groups[0]["lr"]

    @property
    def out_of_patience(self):
        return self.patience is not None and self.history.waited >= self.patience

    def complete(self, record):
        """End an epoch: note its numbers, keep the weights if they are the best, step the scheduler, save."""
        if self.history.monitor not in record:
            raise ValueError(f"there is no {self.history.monitor!r} to monitor: an epoch has {', '.join(record)}")
        self.history.epochs.append(record)
        if self.patience is not None and self.history.best is record:
            self.best = copy.deepcopy(self.model.state_dict())
        if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(record[self.history.monitor])
        elif self.scheduler is not None:
            self.scheduler.step()
        if self.checkpoint is not None:
            self.save()

    def save(self):
        parts = {name: part.state_dict() for name, part in self._parts()}
        save_checkpoint(self.checkpoint, parts | {"best": self.best, "history": self.history.epochs, "settings": self.settings})

    def restore(self):
        """Go back to the checkpoint, if there is one. Raises CheckpointMismatch before anything is changed."""
        saved = load_checkpoint(self.checkpoint)
        if saved is None:
            return
        check_same_run(self.checkpoint, saved["settings"], self.settings)
        check_same_model(self.checkpoint, saved["model"], self.model)
        for name, part in self._parts():
            part.load_state_dict(saved[name])
        self.best, self.history.epochs = saved["best"], saved["history"]

    def _parts(self):
        """What has a state: name and object."""
        return [(name, getattr(self, name)) for name in _PARTS if hasattr(getattr(self, name), "state_dict")]
