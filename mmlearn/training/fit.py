"""The training loop of the course."""

import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mmlearn.training.batches import as_tensors, batches, check_data, count_batches, reseed
from mmlearn.training.evaluate import Means, device_of, evaluate, modes_kept
from mmlearn.training.history import History
from mmlearn.training.nonfinite import check_epoch, check_loss
from mmlearn.training.progress import Progress
from mmlearn.training.run import Run


def fit(
    model,
    train,
    validation=None,
    *,
    epochs,
    loss=F.cross_entropy,
    metrics=None,
    lr=1e-3,
    optimizer=None,
    scheduler=None,
    batch_size=64,
    seed=0,
    device=None,
    amp=None,
    clip=None,
    patience=None,
    monitor=None,
    checkpoint=None,
    resume=True,
    progress=True,
):
    """Train ``model`` for up to ``epochs`` passes over ``train``; return the History of losses and metrics.

    train, validation   a Labelled, a tuple of tensors (inputs…, target), a DataLoader, or what else ``batches`` takes
    loss, metrics       loss(outputs, target) → mean over the batch; metrics: name → function of the same, by default the
                        accuracy where targets are classes
    optimizer           a class or function called as optimizer(parameters, lr=lr), or an optimizer; by default AdamW
    scheduler           a function called as scheduler(optimizer), or a scheduler; it steps after each epoch
    seed                decides the order of the data and the noise (dropout) of every epoch. The random state of the caller
                        is neither used nor changed; the initial weights are the model's own
    device              where to train; by default where the model is
    amp                 mixed precision: bfloat16, or float16 with loss scaling where the GPU has no bfloat16; by default on
                        a CUDA device only
    clip                largest norm of the gradient
    patience            stop after so many epochs without a better ``monitor`` (default "validation_loss"), and put the
                        weights of the best epoch back; names that end in loss or error are better when smaller
    checkpoint          a file to save to after each epoch; with ``resume``, a run that was killed goes on from it to the very
                        numbers it would have reached

    Raises NonFiniteError (a FloatingPointError) when the loss is NaN or infinite, CheckpointMismatch when the checkpoint is
    of another model or run, ValueError on data without examples. An interrupt from the keyboard ends training: the history
    of the completed epochs is returned, and the checkpoint is that of the last one.
    """
    _check_numbers(epochs, batch_size, patience, monitor, validation)
    device = torch.device(device) if device is not None else device_of(model)
    model.to(device)
    train, validation = _on_device(train, device, "train"), _on_device(validation, device, "validation")
    optimizer = _make_optimizer(optimizer, model, lr)
    scheduler = _make_scheduler(scheduler, optimizer)
    dtype = _amp_dtype(amp, device)
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    history = History(monitor or ("train_loss" if validation is None else "validation_loss"))

    settings = {"model": _name(model), "loss": _name(loss), "optimizer": _name(optimizer), "scheduler": _name(scheduler)}
    settings |= {"lr": optimizer.param_groups[0]["lr"], "clip": clip, "amp": str(dtype), "seed": seed, "batch_size": batch_size}
    settings |= {"examples": _count_examples(train), "monitor": history.monitor, "patience": patience}
    run = Run(model, optimizer, scheduler, scaler, history, settings, patience, checkpoint and Path(checkpoint))
    if checkpoint and resume:
        run.restore()

    before = len(history)
    bar = Progress(progress, epochs=epochs, steps=count_batches(train, batch_size), done=before)
    with closing(bar), modes_kept(model), _random_state_kept(device):
        try:
            while len(history) < epochs and not run.out_of_patience:
                epoch, started = len(history) + 1, time.perf_counter()
                bar.epoch(epoch)
                _seed_epoch(seed, epoch, device, train)
                record = {"epoch": epoch, "lr": run.lr}
                record |= train_epoch(run, batches(train, batch_size, device, shuffle=True), loss, metrics, autocast, clip, bar)
                if validation is not None:
                    with autocast:
                        scores = evaluate(model, validation, loss=loss, metrics=metrics, batch_size=batch_size, device=device)
                    record |= {f"validation_{name}": score for name, score in scores.items()}
                record["seconds"] = time.perf_counter() - started
                check_epoch(record, run)
                run.complete(record)
                bar.record(record)
            history.stopped = f"{len(history)} epochs done"
            if run.out_of_patience:
                history.stopped = f"no better {history.monitor} for {patience} epochs"
        except KeyboardInterrupt:
            history.stopped = f"interrupted in epoch {len(history) + 1}"
        if run.best is not None:
            model.load_state_dict(run.best)
            bar.record(history.best)
            history.stopped += f", weights of epoch {history.best['epoch']} put back"
        if before:
            history.stopped += f", the first {before} epochs read from {checkpoint}"
        bar.finish(history.stopped)
    return history


def train_epoch(run, data, loss, metrics, autocast, clip, bar):
    """One pass over the batches of ``data``: forward, loss, backward, step. Returns the mean loss and metrics."""
    model, optimizer, scaler = run.model, run.optimizer, run.scaler
    model.train()
    means, last = Means("train_"), None
    for step, batch in enumerate(data, start=1):
        *inputs, target = batch
        with autocast:
            outputs = model(*inputs)  # (N, …)
            batch_loss = loss(outputs, target)  # ()
        last = check_loss(batch_loss, run, step, last, batch)

        optimizer.zero_grad()
        scaler.scale(batch_loss).backward()
        if clip is not None:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        scaler.step(optimizer)
        scaler.update()

        means.add(batch_loss, outputs, target, metrics)
        bar.step(last)
    return means.result()


@contextmanager
def _random_state_kept(device):
    """Give the caller's random state back, on the CPU and on the GPUs that training uses."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device.type == "cuda" else []):
        yield


def _seed_epoch(seed, epoch, device, train):
    """Let all of an epoch's randomness follow from (seed, epoch): resuming there then equals never having stopped."""
    number = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    torch.default_generator.manual_seed(number)
    if device.type != "cpu":
        torch.manual_seed(number)
    reseed(train, number)


def _amp_dtype(amp, device):
    """The dtype of mixed precision, or None for none. A GPU that only emulates bfloat16 (a T4) gets float16."""
    if not (device.type == "cuda" if amp is None else amp):
        return None
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def _make_optimizer(optimizer, model, lr):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("the model has no parameter to train: none, or each has requires_grad=False")
    if not isinstance(optimizer, torch.optim.Optimizer):
        return (optimizer or torch.optim.AdamW)(trained, lr=lr)
    mine = {id(parameter) for parameter in model.parameters()}
    if any(id(parameter) not in mine for group in optimizer.param_groups for parameter in group["params"]):
        raise ValueError("the optimizer holds parameters that are not this model's: make it from model.parameters()")
    return optimizer


def _make_scheduler(scheduler, optimizer):
    if scheduler is None or not isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler):
        return scheduler and scheduler(optimizer)
    if scheduler.optimizer is not optimizer:
        raise ValueError("the scheduler belongs to another optimizer: pass that optimizer too, or scheduler=lambda optimizer: …")
    return scheduler


def _on_device(data, device, name):
    """Tensors go to the device once, for the whole training; loaders stay as they are."""
    if data is None and name == "validation":
        return None
    check_data(data, name)
    tensors = as_tensors(data)
    return data if tensors is None else tuple(tensor.to(device) for tensor in tensors)


def _count_examples(data):
    tensors = as_tensors(data)
    return None if tensors is None else len(tensors[0])


def _name(thing):
    return None if thing is None else getattr(thing, "__name__", type(thing).__name__)


def _check_numbers(epochs, batch_size, patience, monitor, validation):
    for name, value in {"epochs": epochs, "batch_size": batch_size, "patience": 1 if patience is None else patience}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}")
    if validation is None and (monitor or "").startswith("validation"):
        raise ValueError(f"monitor={monitor!r} needs validation data: pass validation=…")
    if validation is None and patience is not None and monitor is None:
        raise ValueError("patience waits for a better validation loss: pass validation=…, or monitor='train_loss'")
