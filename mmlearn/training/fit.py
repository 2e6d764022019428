"""The training loop of the course."""

import time
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mmlearn.training.batches import as_tensors, batches, check_data, count_batches, reseed
from mmlearn.training.evaluate import Means, device_of, evaluate, modes_kept
from mmlearn.training.history import History
from mmlearn.training.multitask.task_gradients import TaskGradients
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
    accumulate=1,
    combine=None,
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
    accumulate          make one step of so many batches, as if they were one: the memory is that of a small batch
    combine             for several tasks: ``loss`` then returns (K,) losses, and combine makes one step of them (see
                        ``mmlearn.training.multitask``). A function or Module (K,) → (), whose parameters are trained, too; or
                        a TaskGradients. The recorded losses are plain sums, whatever the weights are
    patience            stop after so many epochs without a better ``monitor`` (default "validation_loss"), and put the
                        weights of the best epoch back; names that end in loss or error are better when smaller
    checkpoint          a file to save to after each epoch; with ``resume``, a run that was killed goes on from it to the very
                        numbers it would have reached

    Raises NonFiniteError (a FloatingPointError) when the loss, or one task's, is NaN or infinite, CheckpointMismatch when the
    checkpoint is of another model or run, ValueError on data without examples. An interrupt from the keyboard ends training: the
    history of the completed epochs is returned, and the checkpoint is that of the last one.
    """
    _check_numbers(epochs, batch_size, patience, monitor, validation, accumulate)
    device = torch.device(device) if device is not None else device_of(model)
    model.to(device)
    if isinstance(combine, torch.nn.Module):
        combine.to(device)
    train, validation = _on_device(train, device, "train"), _on_device(validation, device, "validation")
    optimizer = _make_optimizer(optimizer, model, lr, combine)
    scheduler = _make_scheduler(scheduler, optimizer)
    dtype = _amp_dtype(amp, device)
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    history = History(monitor or ("train_loss" if validation is None else "validation_loss"))

    settings = {"model": _name(model), "loss": _name(loss), "optimizer": _name(optimizer), "scheduler": _name(scheduler)}
    settings |= {"lr": optimizer.param_groups[0]["lr"], "clip": clip, "amp": str(dtype), "seed": seed, "batch_size": batch_size}
    settings |= {"examples": _count_examples(train), "monitor": history.monitor, "patience": patience}
    settings |= {"combine": _name(combine), "accumulate": accumulate if accumulate > 1 else None}
    run = Run(model, optimizer, scheduler, scaler, history, settings, patience, checkpoint and Path(checkpoint), combine)
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
                here = batches(train, batch_size, device, shuffle=True)
                record |= train_epoch(run, here, loss, metrics, autocast, clip, accumulate, bar)
                if validation is not None:
                    whole = loss if combine is None else lambda outputs, target: loss(outputs, target).sum()
                    with autocast:
                        scores = evaluate(model, validation, loss=whole, metrics=metrics, batch_size=batch_size, device=device)
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


def train_epoch(run, data, loss, metrics, autocast, clip, accumulate, bar):
    """One pass over the batches of ``data``: forward, loss, backward, step. Returns the mean loss and metrics."""
    model, optimizer, scaler = run.model, run.optimizer, run.scaler
    model.train()
    _call(run.combine, "begin_epoch")
    means, last, step = Means("train_"), None, 0
    data = iter(data)
    while group := list(islice(data, accumulate)):
        optimizer.zero_grad()
        examples, rows = sum(len(batch[-1]) for batch in group), None
        for batch in group:
            *inputs, target = batch
            with autocast:
                outputs = model(*inputs)  # (N, …)
                losses = loss(outputs, target)  # (), or (K,) with combine
            step += 1
            last = check_loss(losses, run, step, last, batch)
            rows = _backward(run, losses, len(target) / examples, rows)
            means.add(losses if run.combine is None else losses.sum(), outputs, target, metrics)
            bar.step(last)
        if rows is not None:
            run.combine.write(rows, _trained(model), scaler.get_scale())
        if clip is not None:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        scaler.step(optimizer)
        scaler.update()
    _call(run.combine, "end_epoch")
    return means.result()


def _backward(run, losses, share, rows):
    """The gradients of one batch, whose examples are this share of the step's; the tasks' own where combine wants them."""
    if isinstance(run.combine, TaskGradients):
        return run.combine.add(rows, run.scaler.scale(share * losses), _trained(run.model))
    whole = losses if run.combine is None else run.combine(losses)
    run.scaler.scale(share * whole).backward()
    return None


def _call(thing, method):
    """What some ways to combine want to know: that an epoch begins or ends."""
    if hasattr(thing, method):
        getattr(thing, method)()


def _trained(module):
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


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


def _make_optimizer(optimizer, model, lr, combine=None):
    trained = _trained(model)
    if not trained:
        raise ValueError("the model has no parameter to train: none, or each has requires_grad=False")
    weights = _trained(combine) if isinstance(combine, torch.nn.Module) else []
    if not isinstance(optimizer, torch.optim.Optimizer):
        groups = trained
        if weights:  # without decay, which would pull the weights of tasks towards nothing that means anything
            own = getattr(combine, "lr", None)
            groups = [{"params": trained}, {"params": weights, "lr": lr if own is None else own, "weight_decay": 0.0}]
        return (optimizer or torch.optim.AdamW)(groups, lr=lr)
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if held - {id(parameter) for parameter in [*model.parameters(), *weights]}:
        raise ValueError("the optimizer holds parameters that are not this model's: make it from model.parameters()")
    if any(id(parameter) not in held for parameter in weights):
        raise ValueError(
            f"the optimizer does not hold the parameters of combine={_name(combine)}, which would never move: make it from "
            "[*model.parameters(), *combine.parameters()], or pass a function, such as optimizer=torch.optim.AdamW"
        )
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


def _check_numbers(epochs, batch_size, patience, monitor, validation, accumulate):
    numbers = {"epochs": epochs, "batch_size": batch_size, "patience": 1 if patience is None else patience}
    for name, value in (numbers | {"accumulate": accumulate}).items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}")
    if validation is None and (monitor or "").startswith("validation"):
        raise ValueError(f"monitor={monitor!r} needs validation data: pass validation=…")
    if validation is None and patience is not None and monitor is None:
        raise ValueError("patience waits for a better validation loss: pass validation=…, or monitor='train_loss'")
