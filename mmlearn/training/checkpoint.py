"""Checkpoints that a kill cannot harm: safetensors (never pickle), written aside and renamed, with the previous one kept.

A file ``run.safetensors`` has up to three companions: ``run.safetensors.previous``, the checkpoint before it;
``run.safetensors.partial``, one that was being written when the process died; ``….damaged``, one that could not be
read and was set aside.
"""

import hashlib
import json
import os
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


class CheckpointMismatch(ValueError):
    """The checkpoint belongs to another model or to a run with other settings."""


def save_checkpoint(path, state):
    """Write ``state`` (nested dicts, lists, tuples, tensors, numbers, strings, None) so that ``path`` is always whole.

    A kill at any moment leaves the old checkpoint or the new one. The one before is kept as ``<path>.previous``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    skeleton = json.dumps(_take_apart(state, "state", tensors))
    partial = _companion(path, "partial")
    save_file(tensors, partial, metadata={"state": skeleton, "sha256": _digest(skeleton, tensors)})
    with open(partial, "rb") as file:
        os.fsync(file.fileno())  # on the disk before it gets its name
    if path.exists():
        os.replace(path, _companion(path, "previous"))
    os.replace(partial, path)


def load_checkpoint(path):
    """The last state that was saved whole, or None. A damaged file is set aside with a warning, and the previous one read."""
    path = Path(path)
    for candidate in (path, _companion(path, "previous")):
        if not candidate.exists():
            continue
        try:
            return _read(candidate)
        except (SafetensorError, ValueError, KeyError, OSError) as error:
            aside = _companion(candidate, "damaged")
            os.replace(candidate, aside)
            warnings.warn(f"{candidate} is damaged ({error}): set aside as {aside.name}", stacklevel=2)
    return None


def check_same_run(path, saved, settings):
    """Raise CheckpointMismatch naming the first setting in which the run in ``path`` differs from this one."""
    for name, value in settings.items():
        if saved.get(name) != value:
            raise CheckpointMismatch(
                f"{path} was written with {name}={saved.get(name)}, now {name}={value}: "
                "go on with the old setting, give another checkpoint file, or pass resume=False to start again"
            )


def check_same_model(path, saved, model):
    """Raise CheckpointMismatch naming the first entry in which the saved state_dict does not fit ``model``."""
    here = model.state_dict()
    for name in [*saved, *here]:
        theirs, ours = (_shape(state[name]) if name in state else "no such entry" for state in (saved, here))
        if theirs != ours:
            raise CheckpointMismatch(
                f"{path} was written for another model: for {name} the checkpoint has {theirs}, the model {ours}. "
                "Build the model that was trained, or give another checkpoint file"
            )


def _companion(path, kind):
    return path.with_name(f"{path.name}.{kind}")


def _read(path):
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if "state" not in metadata:
        raise ValueError("not a checkpoint of mmlearn.training")
    if _digest(metadata["state"], tensors) != metadata["sha256"]:
        raise ValueError("its checksum does not match its content")
    return _put_together(json.loads(metadata["state"]), tensors)


def _digest(skeleton, tensors):
    digest = hashlib.sha256(skeleton.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _shape(value):
    return tuple(value.shape) if isinstance(value, torch.Tensor) else value


def _take_apart(tree, name, tensors):
    """A copy of ``tree`` that JSON can hold; its tensors go into ``tensors`` under the name of their place."""
    if isinstance(tree, torch.Tensor):
        tensors[name] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(tree, dict):  # as pairs: the keys of an optimizer's state are ints, which JSON would turn into strings
        return {"dict": [[key, _take_apart(value, f"{name}.{key}", tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        items = [_take_apart(value, f"{name}.{index}", tensors) for index, value in enumerate(tree)]
        return {"tuple": items} if isinstance(tree, tuple) else items
    if tree is None or isinstance(tree, str | int | float):
        return tree
    raise TypeError(f"a checkpoint holds dicts, lists, tuples, tensors, numbers and strings; {name} is a {type(tree).__name__}")


def _put_together(tree, tensors):
    if isinstance(tree, list):
        return [_put_together(value, tensors) for value in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_put_together(value, tensors) for value in content)
    return {key: _put_together(value, tensors) for key, value in content}
