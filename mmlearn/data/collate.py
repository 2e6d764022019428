"""One batch out of samples of different lengths, some with a modality missing: padded, with masks that say what is real."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
import torch


@dataclass(frozen=True)
class Batch:
    """N samples, key by key. ``batch["sound"]`` is ``batch.values["sound"]``.

    values   key → tensor (N, …), or a list of N strings; where a sample lacks the key: zeros, or ""
    mask     key → (N, T) bool for every key with a time axis: True where there is data, False where there is padding
    present  key → (N,) bool for every key: the sample has it
    """

    values: dict
    mask: dict
    present: dict

    def __len__(self):
        return len(next(iter(self.present.values())))

    def __getitem__(self, key):
        if key not in self.values:
            raise KeyError(f"the batch has no {key!r}; it has {', '.join(map(repr, self.values))}")
        return self.values[key]

    def to(self, device):
        return self._each(lambda tensor: tensor.to(device))

    def pin_memory(self):
        """What ``DataLoader(pin_memory=True)`` calls."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change):
        values = {key: change(value) if isinstance(value, torch.Tensor) else value for key, value in self.values.items()}
        mask, present = ({key: change(flags) for key, flags in group.items()} for group in (self.mask, self.present))
        return replace(self, values=values, mask=mask, present=present)

    def __repr__(self):
        def says(key, value):
            shape = f"{N} strings" if isinstance(value, list) else str(tuple(value.shape))
            return f"{key}: {shape}" + ("" if self.present[key].all() else f", {int(self.present[key].sum())} present")

        N = len(self)
        return f"Batch({N} samples; {'; '.join(says(key, value) for key, value in self.values.items())})"


def collate(samples, shapes=None, time_axis=None):
    """A list of N samples → Batch. For ``DataLoader(…, collate_fn=collate)``; with options, ``functools.partial(collate, …)``.

    samples: dicts of tensors or arrays, numbers, strings; a key that is absent or None is a missing modality
    Tensors are stacked. Along their time axis they may differ: zeros are put at the end, up to the longest of the batch.
    time_axis: key → the axis of one sample that is time, or None: it has none. Else the first axis, except in tensors with
    no axis or with three (C, H, W). A key with a time axis always has a mask, also when the lengths happen to agree.
    shapes: key → what one sample's value looks like, for keys that may be missing from a whole batch: a shape (float32), or an
    example (a tensor, a number, a string) for another type. It also promises the shape: what differs is refused.
    Raises ValueError (no sample, conflicting shapes, a key missing everywhere) or TypeError (types), naming sample and key.

    >>> batch = collate([{"ids": torch.tensor([4, 5, 6]), "label": 1}, {"ids": torch.tensor([7]), "label": 0}])
    >>> batch["ids"], batch.mask["ids"][1], batch["label"]
    (tensor([[4, 5, 6],
            [7, 0, 0]]), tensor([ True, False, False]), tensor([1, 0]))
    >>> collate([{"image": torch.ones(3, 8, 8), "text": "a cat"}, {"text": "a dog"}])
    Batch(2 samples; image: (2, 3, 8, 8), 1 present; text: 2 strings)
    """
    samples = list(samples)
    if not samples:
        raise ValueError("there is no sample to make a batch of: got an empty list")
    for number, sample in enumerate(samples):
        if not isinstance(sample, Mapping):
            raise TypeError(f"samples must be dicts of tensors, numbers and strings; sample {number} is {type(sample).__name__}")
    shapes, time_axis = shapes or {}, time_axis or {}
    keys = list(dict.fromkeys([key for sample in samples for key in sample] + list(shapes)))
    if not keys:
        raise ValueError(f"the {len(samples)} samples have no keys, and shapes names none")
    if unknown := [key for key in time_axis if key not in keys]:
        raise ValueError(f"time_axis names {unknown[0]!r}, which no sample has; there are {', '.join(map(repr, keys))}")

    values, mask, present = {}, {}, {}
    for key in keys:
        items = {number: _item(sample[key], key, number) for number, sample in enumerate(samples) if sample.get(key) is not None}
        blank = _blank(shapes[key], key) if key in shapes else None
        present[key] = torch.tensor([number in items for number in range(len(samples))])
        if not items and blank is None:
            raise ValueError(
                f"{key!r} is missing from all {len(samples)} samples, so its shape is unknown: "
                f"give collate(…, shapes={{{key!r}: …}}) the shape of one sample's value, or an example"
            )
        _check_types(items, blank, key)
        first = next(iter(items.values()), blank)
        if isinstance(first, str):
            values[key] = [items.get(number, "") for number in range(len(samples))]
            continue
        axis = time_axis.get(key, None if first.ndim in (0, 3) else 0)
        if axis is not None and not -first.ndim <= axis < first.ndim:
            raise ValueError(f"time_axis[{key!r}] is {axis}, but a sample's {key!r} has shape {tuple(first.shape)}")
        axis = axis if axis is None else axis % first.ndim
        _check_shapes(items, blank, key, axis)
        values[key], lengths = _padded(items, len(samples), first, axis)
        if axis is not None:
            mask[key] = torch.arange(values[key].shape[1 + axis]) < lengths[:, None]  # (N, T)
    return Batch(values, mask, present)


def _padded(items, N, like, axis):
    """(N, …) with zeros where there is nothing, and (N,) lengths along the time axis."""
    shape, lengths = list(like.shape), torch.zeros(N, dtype=torch.int64)
    if axis is not None:
        for number, item in items.items():
            lengths[number] = item.shape[axis]
        shape[axis] = int(lengths.max()) if items else like.shape[axis]
    batch = like.new_zeros(N, *shape)
    for number, item in items.items():
        place = batch[number] if axis is None else batch[number].narrow(axis, 0, item.shape[axis])
        place.copy_(item)
    return batch, lengths


def _item(value, key, number):
    """A sample's value as a tensor or a string."""
    if isinstance(value, torch.Tensor | str):
        return value
    if isinstance(value, bool | np.bool_):
        return torch.tensor(bool(value))
    if isinstance(value, Integral):
        return torch.tensor(int(value))
    if isinstance(value, Real):
        return torch.tensor(float(value))
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.ascontiguousarray(value))
    raise TypeError(
        f"{key!r} of sample {number} is {type(value).__name__}: a batch is made of tensors, numeric arrays, numbers and strings "
        "(None for what is missing); make a list of numbers a tensor"
    )


def _blank(shape, key):
    """An example of a key's value, from ``shapes``."""
    if isinstance(shape, tuple | list | torch.Size):
        if not all(isinstance(size, int) and size >= 0 for size in shape):
            raise ValueError(f"shapes[{key!r}] must be whole numbers ≥ 0, or an example; got {tuple(shape)}")
        return torch.zeros(tuple(shape))
    return _item(shape, key, "“shapes”")


def _kind(item):
    return "a string" if isinstance(item, str) else f"{str(item.dtype).removeprefix('torch.')} with {item.ndim} axes"


def _check_types(items, blank, key):
    """All strings, or all tensors of one dtype and number of axes."""
    reference, whose = (
        (blank, "shapes says") if blank is not None else (next(iter(items.values())), f"sample {next(iter(items))} has")
    )
    for number, item in items.items():
        if _kind(item) != _kind(reference):
            raise TypeError(
                f"{key!r} of sample {number} is {_kind(item)}, where {whose} {_kind(reference)}: "
                "bring them to one type and number of axes before the batch is made"
            )


def _check_shapes(items, blank, key, axis):
    """Equal shapes but for the time axis."""
    number, reference = ("shapes", blank) if blank is not None else next(iter(items.items()))
    whose = "shapes says" if blank is not None else f"sample {number} has"
    for number, item in items.items():
        same = [mine == other for mine, other in zip(item.shape, reference.shape, strict=True)]
        if not all(equal or place == axis for place, equal in enumerate(same)):
            free = (
                "all axes must agree (time_axis names one along which to pad)" if axis is None else f"only axis {axis} may differ"
            )
            raise ValueError(f"{key!r} of sample {number} is {tuple(item.shape)}, where {whose} {tuple(reference.shape)}: {free}")
