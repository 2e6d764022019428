"""Find what the wrong cases have in common: "wrong exactly when `stride` is not 1"."""

import torch

from .case import named_arguments, tensors


def shared_property(cases, wrong, signature, shapes=None):
    """What all wrong cases have and no right case has, or "".

    cases: the cases · wrong: list of bool, one each · shapes: {"input": "N C H W"} names the dimensions of tensor arguments
    """
    if all(wrong) or not any(wrong):
        return ""
    facts = [dict(_facts(case, signature, shapes or {})) for case in cases]
    names = dict.fromkeys(name for one in facts for name in one)  # in order, without repeats
    found = [name for name in names if [one.get(name, False) for one in facts] == list(wrong)]
    return found[0] if found else ""


def _facts(case, signature, shapes):
    """Yield (words, whether they hold) for everything about a case that may decide whether an answer is right."""
    named = named_arguments(case, signature, defaults=True)
    for name, value in named.items():
        default = signature.parameters[name].default if signature and name in signature.parameters else None
        if isinstance(value, torch.Tensor):
            yield f"`{name}` is given", default is None
        elif not tensors(value):
            yield from _option_facts(name, value, default)
    for name, value in named.items():
        if isinstance(value, torch.Tensor):
            yield from _tensor_facts(name, value, shapes.get(name, "").split())
    yield "the input is float32", any(t.dtype == torch.float32 for value in named.values() for t in tensors(value))


def _option_facts(name, value, default):
    yield f"`{name}` is None", value is None
    if isinstance(default, (bool, int, float, str)):
        yield f"`{name}` is not {default!r}", value != default and value != (default, default)
        yield f"`{name}` is {default!r}", value == default or value == (default, default)
    if isinstance(value, bool):
        yield f"`{name}` is {value}", True
    elif isinstance(value, (str, float)):
        yield f"`{name}` is {value!r}", True
    elif isinstance(value, int):
        yield f"`{name}` is more than 1", value > 1
    elif isinstance(value, (tuple, list)):
        yield f"`{name}` is a pair", len(value) == 2
        yield f"the numbers in `{name}` differ", len(set(map(str, value))) > 1


def _tensor_facts(name, tensor, letters):
    sizes = list(tensor.shape)
    lettered = len(letters) == len(sizes)
    letters = letters if lettered else [f"dimension {i} of `{name}`" for i in range(len(sizes))]
    for letter, size in zip(letters, sizes, strict=True):
        yield f"{letter} is more than 1", size > 1
    if len(sizes) >= 2:
        sides = f" ({letters[-2]} ≠ {letters[-1]})" if lettered else ""
        yield f"`{name}` is not square{sides}", sizes[-1] != sizes[-2]
    yield f"`{name}` is not contiguous in memory", not tensor.is_contiguous()
    yield f"`{name}` requires grad", tensor.requires_grad
