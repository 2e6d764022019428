"""What the world can be asked for, checked before anything is drawn."""

from itertools import product

import numpy as np
import torch

from .attributes import COLOURS, MAX_OBJECTS, SHAPES, SIZES, numbers_of


def check_attributes(N, **attributes):
    """shape, colour, size as (N, K) int64, checked against the names there are and against each other."""
    values = {name: whole_numbers(given, name, 2) for name, given in attributes.items()}
    first = values["shape"]
    for (name, given), known in zip(values.items(), (SHAPES, COLOURS, SIZES), strict=True):
        if given.shape != first.shape or len(given) != N or not 1 <= given.shape[1] <= MAX_OBJECTS:
            raise ValueError(
                f"{name} must be (N, K), a row for each of the {N} scenes of index and 1 to {MAX_OBJECTS} slots, alike for "
                f"shape, colour and size; got {tuple(given.shape)}, and {tuple(first.shape)} for shape"
            )
        if given.numel() and not (given.min() >= -1 and given.max() < len(known)):
            raise ValueError(
                f"{name} must hold numbers from 0 to {len(known) - 1}, or −1 for no object; got {given.min()} to {given.max()}"
            )
        if ((given < 0) != (first < 0)).any():
            raise ValueError(f"shape, colour and size must be −1 in the same slots; {name} differs from shape")
    return values.values()


def check_places(name, places, present):
    """Centres (N, K) float32 that were given, 0 where there is no object; None when they are to be drawn."""
    if places is None:
        return None
    places = torch.as_tensor(places, dtype=torch.float32).cpu()
    if places.shape != present.shape:
        raise ValueError(f"{name} must be {tuple(present.shape)}, as shape is; got {tuple(places.shape)}")
    places = places.where(present, 0)
    if not ((places >= 0) & (places <= 1)).all():  # NaN, too, is not
        raise ValueError(f"{name} must lie from 0 to 1, in image widths; got {places.min():.4g} to {places.max():.4g}")
    return places


def scene_numbers(n, start, index):
    """The numbers of the scenes that are asked for: (N,) int64."""
    if index is not None:
        index = whole_numbers(index, "index", 1)
        if start != 0 or n not in (None, len(index)):
            raise ValueError(f"index names the {len(index)} scenes: leave start and n out; got n={n!r}, start={start!r}")
        return index
    for name, value in (("n", n), ("start", start)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise ValueError(f"{name} must be a whole number, at least 0; got {value!r}")
    return torch.arange(int(start), int(start) + int(n))


def object_counts(objects):
    """(fewest, most) of the objects in a scene."""
    counts = tuple(objects) if isinstance(objects, tuple | list) else (objects, objects)
    whole = all(isinstance(count, int | np.integer) and not isinstance(count, bool) for count in counts)
    if not whole or len(counts) != 2 or not 0 <= counts[0] <= counts[1] <= MAX_OBJECTS or counts[1] == 0:
        raise ValueError(
            f"objects must be a whole number from 1 to {MAX_OBJECTS}, or (fewest, most) with 0 ≤ fewest ≤ most ≤ {MAX_OBJECTS}; "
            f"got {objects!r}"
        )
    return int(counts[0]), int(counts[1])


def allowed_pairs(pairs, shapes, colours):
    """The combinations to draw from: sorted (colour, shape) numbers."""
    allowed = list(product(numbers_of(colours, COLOURS, "colour"), numbers_of(shapes, SHAPES, "shape")))
    if pairs is None:
        return allowed
    names = [tuple(pair) for pair in pairs]
    if not names or any(len(pair) != 2 for pair in names):
        raise ValueError(f"pairs must be (colour, shape) names, at least one, such as ('red', 'circle'); got {pairs!r}")
    chosen = {(*numbers_of(colour, COLOURS, "colour"), *numbers_of(shape, SHAPES, "shape")) for colour, shape in names}
    for colour, shape in sorted(chosen - set(allowed)):
        raise ValueError(
            f"pairs name ({list(COLOURS)[colour]!r}, {SHAPES[shape]!r}), but shapes={shapes!r}, colours={colours!r} lack it: "
            "drop it from pairs, or name neither shapes nor colours"
        )
    return sorted(chosen)


def whole_numbers(values, name, dims):
    """An int64 tensor on the CPU, from whatever holds whole numbers."""
    values = values.cpu() if isinstance(values, torch.Tensor) else torch.from_numpy(np.asarray(values))
    if not values.numel():
        values = values.long()
    if values.dim() != dims or values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(
            f"{name} must be whole numbers, {'(N,)' if dims == 1 else '(N, K)'}; got {values.dtype} {tuple(values.shape)}"
        )
    return values.long()


def check_share(name, value, most):
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most}; got {value!r}")
