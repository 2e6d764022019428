"""Stop when the numbers stop being numbers, and say where to look."""

import math

import torch

_HUGE = 1e4  # no weight of a network that trains well comes near it


class NonFiniteError(FloatingPointError):
    """The loss or a weight became NaN or infinite. ``history`` holds the epochs completed before."""

    def __init__(self, message, history):
        super().__init__(message)
        self.history = history


def check_loss(loss, run, step, last, batch):
    """The loss of this step as a number, that of several tasks as their sum; ``last`` is that of the step before.

    Raises NonFiniteError unless it is finite, and names the task where there are several.
    """
    several = getattr(run, "combine", None) is not None
    if several and loss.ndim != 1:
        raise ValueError(
            f"with combine, loss must return (K,) losses, one for each task; got a tensor of shape {tuple(loss.shape)}"
        )
    if not several and loss.numel() != 1:
        raise ValueError(
            f"loss must return one number, the mean over the batch; got a tensor of shape {tuple(loss.shape)}. If these are the "
            "losses of several tasks, say how they make one step: combine=…"
        )
    values = loss.detach().reshape(-1).tolist()
    for task, value in enumerate(values):
        if not math.isfinite(value):
            which = f"the loss of task {task}, counted from 0," if several else "the loss"
            before = "it was the first step" if last is None else f"the last finite loss was {last:.4g}"
            where = f"{which} became {value} in epoch {len(run.history) + 1}, step {step} ({before})"
            raise NonFiniteError(f"{where}: {_cause(run, batch)}. {_kept(run)}", run.history)
    return sum(values)


def check_epoch(record, run):
    """Raise NonFiniteError, before anything is saved, if the epoch left a weight or the validation loss not finite."""
    if bad := _not_finite(run.model.named_parameters()):
        what = f"the weights of {bad} are not finite: {_smaller_steps(run)}"
    elif not math.isfinite(record.get("validation_loss", 0.0)):
        what = f"the validation loss is {record['validation_loss']}: are there NaN in its data, log(0) or 1/0 in the loss?"
    else:
        return
    raise NonFiniteError(f"after epoch {record['epoch']} {what}. {_kept(run)}", run.history)


def _cause(run, batch):
    """The first of the usual causes that can be seen; else the two that cannot be seen from here."""
    *inputs, target = batch
    named = [*((f"input {number}", tensor) for number, tensor in enumerate(inputs)), ("target", target)]
    if bad := _not_finite(named):
        return f"{bad} of this batch holds NaN or infinity, so clean the data"
    if bad := _not_finite(run.model.named_parameters()):
        return f"the weights of {bad} were not finite any more: {_smaller_steps(run)}"
    size, name = max((parameter.abs().max().item(), name) for name, parameter in run.model.named_parameters())
    if size > _HUGE:
        return f"the weights of {name} have grown to {size:.1e}: {_smaller_steps(run)}"
    return f"data and weights look sane, so look for log(0) or 1/0 in the model and the loss; or {_smaller_steps(run)}"


def _smaller_steps(run):
    return f"try a smaller learning rate (now {run.lr:.3g}), clip=1.0, or amp=False"


def _kept(run):
    done = f"{len(run.history)} completed epoch{'' if len(run.history) == 1 else 's'}"
    return f"This error's .history has the {done}" + (f", {run.checkpoint} their last checkpoint" if run.checkpoint else "")


def _not_finite(named):
    """The first name whose tensor holds NaN or infinity, or None."""
    return next((name for name, tensor in named if torch.is_tensor(tensor) and not torch.isfinite(tensor).all().item()), None)
