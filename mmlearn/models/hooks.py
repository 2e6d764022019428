"""Hooks: what any layer of a network gives while the network runs."""

from contextlib import contextmanager
from difflib import get_close_matches

import torch


@contextmanager
def hooked(model, names, grad=False):
    """The outputs of named modules while the ``with`` block runs ``model``: {name: tensor}, the last call's.

    grad: keep the graph; by default tensors are detached, so that keeping them keeps nothing else alive. The hooks are removed
    at the end, also after an error. A module that returns a tuple or a ModelOutput counts with its first tensor.
    Raises ValueError on an unknown name, with the nearest, before any hook is set.

    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> with hooked(model, ["0"]) as seen:
    ...     _ = model(torch.zeros(5, 2))
    >>> seen["0"].shape, seen["0"].requires_grad
    (torch.Size([5, 3]), False)
    """
    modules = dict(model.named_modules())
    for name in names:
        if name not in modules:
            near = get_close_matches(str(name), modules, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise ValueError(f"no module is called {name!r}: {hint}model.named_modules() lists all {len(modules)}")
    seen = {}

    def keep(name):
        def hook(module, inputs, output):
            tensor = output if isinstance(output, torch.Tensor) else next(part for part in _parts(output) if part is not None)
            seen[name] = tensor if grad else tensor.detach()

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _parts(output):
    return output.values() if hasattr(output, "values") else output
