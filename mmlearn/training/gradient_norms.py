"""How long each part's gradient is, step by step, while something trains."""

from contextlib import contextmanager

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook


@contextmanager
def gradient_norms(parts):
    """The norms of the gradients of a model's parts at every optimiser step, while the ``with`` lasts.

        with gradient_norms({"image": model.picture, "text": model.text}) as norms:
            fit(model, train, epochs=5)
        norms["image"]  # a number for each step

    parts: name → module. Recorded just before the step: after clipping, and without the scale of mixed precision. An optimiser
    that holds none of a part's parameters records nothing for it; a part that no example reached has the norm 0.
    yields: name → list of floats
    """
    parameters = {name: list(module.parameters()) for name, module in parts.items()}
    norms = {name: [] for name in parts}

    def record(optimizer, args, kwargs):
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name, mine in parameters.items():
            if any(id(parameter) in held for parameter in mine):
                squares = [p.grad.detach().float().square().sum() for p in mine if p.grad is not None]
                norms[name].append(torch.stack(squares).sum().sqrt().item() if squares else 0.0)

    hook = register_optimizer_step_pre_hook(record)
    try:
        yield norms
    finally:
        hook.remove()
