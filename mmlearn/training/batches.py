"""Cut data into batches: tensors directly on their device (fast for what fits in memory), anything else as it comes."""

import torch


def batches(data, batch_size, device, *, shuffle=False):
    """Yield tuples (inputs…, target) on ``device``, the last one maybe smaller.

    data: a Labelled or TensorDataset, a tuple of tensors (inputs…, target) of one length, a DataLoader, any iterable of
    batches that can be walked more than once, or a function that returns a fresh iterable of batches.
    With ``shuffle``, tensors are visited in an order drawn from torch's random state; loaders shuffle themselves.
    """
    tensors = as_tensors(data)
    if tensors is None:
        yield from _walk(data, device)
        return
    count = len(tensors[0])
    order = torch.randperm(count) if shuffle else None
    for start in range(0, count, batch_size):
        here = slice(start, start + batch_size)
        if shuffle:
            here = order[here].to(tensors[0].device)
        yield tuple(tensor[here].to(device) for tensor in tensors)


def as_tensors(data):
    """The tensors of an in-memory data set as a tuple (inputs…, target); None for a loader. Raises on what is neither."""
    tensors = getattr(data, "tensors", data)
    if not (isinstance(tensors, tuple | list) and tensors and all(isinstance(tensor, torch.Tensor) for tensor in tensors)):
        return None
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len(tensors) < 2:
        raise ValueError(f"data must be tensors (inputs…, target), at least two; got one of shape {shapes[0]}")
    if any(len(tensor) != len(tensors[0]) for tensor in tensors):
        raise ValueError(f"inputs and target must have one row for each example; got shapes {shapes}")
    return tuple(tensors)


def check_data(data, name):
    """Raise unless ``data`` can be walked again and again and is not known to be empty. ``name`` is what the caller calls it."""
    tensors = as_tensors(data)
    if tensors is not None:
        if len(tensors[0]) == 0:
            raise ValueError(f"{name} holds no examples: got tensors of shapes {[tuple(tensor.shape) for tensor in tensors]}")
    elif callable(data):
        pass
    elif not hasattr(data, "__iter__"):
        raise TypeError(
            f"{name} must be a Labelled, a tuple of tensors (inputs…, target), or a DataLoader; got {type(data).__name__}"
        )
    elif iter(data) is data:
        raise TypeError(
            f"{name} is a {type(data).__name__}, empty after one epoch: give a DataLoader, a list of batches, "
            "or a function that returns a fresh one"
        )


def count_batches(data, batch_size):
    """How many batches one epoch has, or None when it cannot be known beforehand."""
    tensors = as_tensors(data)
    if tensors is not None:
        return -(-len(tensors[0]) // batch_size)
    return len(data) if hasattr(data, "__len__") else None


def reseed(data, seed):
    """Make the order of a DataLoader follow from ``seed`` where it has a random generator of its own."""
    for holder in (data, getattr(data, "sampler", None)):
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed)


def _walk(data, device):
    empty = True
    for batch in data() if callable(data) else data:
        if not (isinstance(batch, tuple | list) and len(batch) >= 2):
            raise TypeError(f"a batch must be a tuple (inputs…, target); got {type(batch).__name__}")
        if len(batch[-1]) == 0:
            raise ValueError(f"a batch holds no examples: its target has shape {tuple(batch[-1].shape)}")
        empty = False
        yield tuple(tensor.to(device, non_blocking=True) for tensor in batch)
    if empty:
        raise ValueError("the data gave no batches: it is empty, or batch_size with drop_last is larger than it")
