"""Cases: the calls an exercise's answer is tried on, and how to draw, copy and describe them."""

import copy
import inspect
import zlib
from dataclasses import dataclass, field

import numpy as np
import torch

SMALL = 36  # tensors up to this many values are printed in full


class Case:
    """One call of the exercise's function, written as the call itself.

    >>> Case(torch.ones(3), 2, stride=2, label="every second window")
    Case(tensor (3,), 2, stride=2)
    """

    def __init__(self, *args, label="", **kwargs):
        self.args, self.kwargs, self.label = args, kwargs, label

    def __repr__(self):
        words = [_word(a) for a in self.args] + [f"{k}={_word(v)}" for k, v in self.kwargs.items()]
        return f"Case({', '.join(words)})"

    @property
    def size(self):
        """Number of values in all tensor arguments: small cases make readable messages."""
        return sum(t.numel() for t in tensors([*self.args, *self.kwargs.values()]))

    def map(self, change):
        """The same call with `change` applied to every argument."""
        kwargs = {name: change(value) for name, value in self.kwargs.items()}
        return Case(*(change(value) for value in self.args), label=self.label, **kwargs)

    def fresh(self):
        """The same call on copies, so that nobody can disturb anybody else's inputs."""
        return self.map(duplicate)


@dataclass
class Draw:
    """Random inputs from one seeded generator; floats are float64.

    >>> draw = Draw("docs")
    >>> draw.integers(2, 3).shape, draw.integers(2, 3).dtype
    (torch.Size([2, 3]), torch.float64)
    """

    seed: str
    generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self):
        self.generator = torch.Generator().manual_seed(zlib.crc32(self.seed.encode()))

    def integers(self, *shape, low=-4, high=5, dtype=torch.float64):
        """Whole numbers low … high − 1, as floats unless `dtype` says otherwise: messages can print them."""
        return torch.randint(low, high, shape, generator=self.generator).to(dtype)

    def normal(self, *shape, dtype=torch.float64):
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64).to(dtype)

    def uniform(self, *shape, low=0.0, high=1.0, dtype=torch.float64):
        """Numbers spread evenly over [low, high)."""
        return (low + (high - low) * torch.rand(shape, generator=self.generator, dtype=torch.float64)).to(dtype)

    def distinct(self, *shape, dtype=torch.float64):
        """The numbers 0, 1, 2, … shuffled: no two are equal, so a maximum has one place."""
        count = int(np.prod(shape))
        return torch.randperm(count, generator=self.generator).reshape(shape).to(dtype)

    def number(self, low, high):
        """One whole number, low … high inclusive."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))


def tensors(value):
    """All tensors inside nested tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [t for item in value for t in tensors(item)]


def replace_tensors(value, change):
    """The same nested value with `change` applied to each tensor."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {k: replace_tensors(v, change) for k, v in value.items()}
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        items = [replace_tensors(v, change) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def duplicate(value):
    """A copy to hand out: tensors keep their strides and `requires_grad`, modules are copied deeply, functions are shared."""
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value)
    return replace_tensors(value, _clone)


def _clone(tensor):
    source = tensor.detach()
    if tensor.layout is torch.strided and not source.is_contiguous() and 0 not in source.stride():
        twin = torch.empty_strided(source.size(), source.stride(), dtype=source.dtype, device=source.device).copy_(source)
    else:
        twin = source.clone()
    return twin.requires_grad_(tensor.requires_grad)


def to_dtype(value, dtype):
    """The same nested value with every floating-point tensor in `dtype`."""
    return replace_tensors(value, lambda t: t.to(dtype) if t.is_floating_point() else t)


def signature_of(function, skip=0):
    """`inspect.signature` without the first `skip` parameters, or None for the callables that have none."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    return signature.replace(parameters=list(signature.parameters.values())[skip:])


def named_arguments(case, signature, defaults=False):
    """The case's arguments by parameter name: ``{"input": …, "stride": 2}``, with unset defaults when asked."""
    try:
        bound = signature.bind(*case.args, **case.kwargs)
    except (AttributeError, TypeError):
        return {**{f"argument {i + 1}": a for i, a in enumerate(case.args)}, **case.kwargs}
    if defaults:
        bound.apply_defaults()
    named = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            named.update({f"{name}[{i}]": item for i, item in enumerate(value)})
        else:
            named[name] = value
    return named


def describe(case, name, signature):
    """The call as text: ``im2col(images, 2, stride=2)`` and below it each tensor's dtype, shape and, when small, values."""
    named = named_arguments(case, signature)
    words = []
    for i, (key, value) in enumerate(named.items()):
        word = key if tensors(value) or callable(value) else _word(value)
        words.append(word if i < len(case.args) else f"{key}={word}")
    lines = [f"{name}({', '.join(words)})" + (f"   # {case.label}" if case.label else "")]
    for key, value in named.items():
        if isinstance(value, torch.Tensor):
            lines.append(f"  {key}: {describe_value(value, indent=4)}")
        elif tensors(value):
            lines += [f"  {place}: {describe_value(part, indent=4)}" for place, part in _parts(key, value)]
    return "\n".join(lines)


def _parts(name, value):
    """What nested tuples, lists and dicts hold, each with its place: ``("samples[0]['image']", tensor)``, None included."""
    if not isinstance(value, (tuple, list, dict)):
        yield name, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _parts(f"{name}[{key!r}]", item)


def describe_value(value, indent=2):
    """``float64 (2, 3)`` and, when there are few, the values; a plain number or word as it is."""
    if not isinstance(value, torch.Tensor):
        return _word(value)
    head = f"{dtype_name(value.dtype)} {tuple(value.shape)}"
    if value.numel() == 0 or value.numel() > SMALL:
        return head
    if value.numel() == 1:
        return f"{head} = {number(value.item())}"
    value = value.detach().cpu().to_dense().resolve_conj()
    array = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]  # the shape is in the head; fewer brackets read better
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == array.round()).all() and abs(array).max() < 1e9:
        array = array.astype(np.int64)
    text = np.array2string(array, precision=4, suppress_small=True, max_line_width=100)
    return head + "\n" + "\n".join(" " * indent + line for line in text.splitlines())


def number(value):
    """A number as a reader would write it: 3, 0.25, 1.667, 1e-09."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.")


def _word(value):
    """An argument in a few characters."""
    if isinstance(value, torch.Tensor):
        return f"tensor {tuple(value.shape)}"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    try:
        text = number(value) if isinstance(value, float) else repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "…"
