"""Compare an answer's result with the right one, part by part, and say in words how they differ."""

from dataclasses import dataclass

import torch

from .case import describe_value, dtype_name, number
from .shapes import shape_hint

# Relative error allowed when the less precise of the two results has this dtype.
PRECISION = {torch.float64: 1e-8, torch.complex128: 1e-8, torch.float32: 1e-4, torch.complex64: 1e-4}
HALF_PRECISION = 2e-2


@dataclass(frozen=True)
class Difference:
    """One way in which a result is wrong.

    kind      "nothing" (None returned), "type", "count" (of results), "shape", "dtype", "nan" or "value"
    part      which of several results ("grad_weight"), "" when there is one
    text      what is wrong, in one sentence
    hint      the usual reason, and what to do
    """

    kind: str
    part: str
    text: str
    hint: str = ""
    got: object = None
    expected: object = None

    @property
    def comparable(self):
        """Whether got and expected are both tensors, or both numbers."""
        kinds = torch.Tensor, (int, float)
        return any(isinstance(self.got, kind) and isinstance(self.expected, kind) for kind in kinds)

    def detail(self):
        """Got and expected, with their values when they are few, and the first place that differs."""
        if self.kind == "count":
            return ""
        prefix = f"{self.part}, " if self.part else ""
        lines = [f"{prefix}expected: {describe_value(self.expected)}", f"{prefix}got:      {describe_value(self.got)}"]
        if isinstance(self.got, torch.Tensor) and self.kind in ("value", "nan") and isinstance(self.expected, torch.Tensor):
            lines.append(_first_difference(self.got, self.expected))
        return "\n".join(lines)


def differences(got, expected, names=(), tolerance=None, noise=0.0, part=""):
    """Every `Difference` between a result and the right one; an empty list when they agree.

    Tensors are compared on the CPU within a tolerance relative to the largest expected value, and differences up to `noise` do
    not count. Tuples, lists, NamedTuples and dicts are compared part by part; `names` names the parts of a plain tuple. Nothing
    is converted silently: a list or numpy array in place of a tensor is a difference. A 0-dimensional tensor may stand for a
    number.
    """
    if isinstance(expected, (tuple, list, dict)):
        return _compare_parts(got, expected, names, tolerance, noise, part)
    if expected is not None and got is None:
        text, hint = (f"`{part}` is None", "") if part else ("your function returned None", "is a `return` missing?")
        return [Difference("nothing", part, text, hint, got, expected)]
    if isinstance(expected, torch.Tensor):
        found = _compare_tensors(got, expected, tolerance, noise, f"`{part}`" if part else "your result")
    else:
        found = _compare_plain(got, expected, tolerance, noise, f"`{part}`" if part else "your result")
    return [Difference(kind, part, text, hint, got, expected) for kind, text, hint in found]


def _compare_parts(got, expected, names, tolerance, noise, part):
    kind = "dict" if isinstance(expected, dict) else "tuple"
    rights = list(expected.values()) if kind == "dict" else list(expected)
    names = list(expected) if kind == "dict" else list(getattr(expected, "_fields", names))
    listed = f": ({', '.join(map(str, names))})" if names else ""
    names = names or [f"result {i + 1}" for i in range(len(rights))]
    if got is None:
        text = f"your function returned None, expected {len(rights)} results{listed}"
        return [Difference("nothing", part, text, "is a `return` missing?")]
    if isinstance(got, dict) and set(got) == set(names):
        given = [got[name] for name in names]
    elif kind == "dict" or not isinstance(got, (tuple, list)):
        text = f"your function returned {kind_of(got)}, expected a {kind} of {len(rights)} results{listed}"
        return [Difference("count", part, text)]
    elif set(getattr(got, "_fields", ())) == set(names):
        given = [getattr(got, name) for name in names]
    else:
        given = list(got)
    if len(given) != len(rights):
        return [Difference("count", part, f"your function returned {len(given)} results, expected {len(rights)}{listed}")]
    inside = [f"{part}.{name}" if part else str(name) for name in names]
    return [d for g, e, name in zip(given, rights, inside, strict=True) for d in differences(g, e, (), tolerance, noise, name)]


def _compare_tensors(got, expected, tolerance, noise, whose):
    """Yield (kind, text, hint) of the one thing that is wrong, if any."""
    if not isinstance(got, torch.Tensor):
        yield "type", f"{whose} is {kind_of(got)}, expected a tensor", _make_a_tensor(got, expected)
    elif got.shape != expected.shape:
        shapes = tuple(got.shape), tuple(expected.shape)
        yield "shape", f"{whose} has shape {shapes[0]}, expected {shapes[1]}", shape_hint(*shapes)
    elif not close(got, expected, tolerance, noise):
        values = plain(got)
        if torch.isfinite(values).all() or not torch.isfinite(plain(expected)).all():
            yield "value", f"{whose} has the right shape and wrong values", ""
        elif torch.isnan(values).any():
            why = "0/0, ∞ − ∞, the root or log of a negative number, or memory from `torch.empty` that was never filled"
            yield "nan", f"{whose} contains NaN", f"NaN comes from {why}"
        else:
            yield "nan", f"{whose} contains infinity", "infinity comes from a division by 0, log 0, or exp of a large number"
    elif got.dtype != expected.dtype:
        floats = got.is_floating_point() and expected.is_floating_point()
        made = str(torch.get_default_dtype()).removeprefix("torch.")
        if floats:
            hint = (
                f"keep the dtype of the input: `torch.zeros(…)` takes the default dtype, here {made}; `x.new_zeros(…)` takes x's"
            )
        elif expected.dtype == torch.bool:
            hint = "a comparison such as `x > 0` gives True and False; `.bool()` converts"
        elif got.is_floating_point():
            whole = dtype_name(expected.dtype)
            hint = f"`torch.zeros(…)` makes {made} where whole numbers are asked for: say `dtype=torch.{whole}`, or convert"
        else:
            hint = ""
        kinds = f"{dtype_name(got.dtype)}, expected {dtype_name(expected.dtype)}"
        yield "dtype", f"the values are right, but the dtype of {whose} is {kinds}", hint


def _compare_plain(got, expected, tolerance, noise, whose):
    if isinstance(got, torch.Tensor) and got.numel() == 1 and isinstance(expected, (bool, int, float, complex)):
        got = got.item()
    elif not isinstance(got, torch.Tensor) and hasattr(got, "dtype") and getattr(got, "shape", None) == ():
        got = got.item()  # a numpy number
    if isinstance(expected, (int, float, complex)) and not isinstance(expected, bool):
        if isinstance(got, bool) or not isinstance(got, (int, float, complex)):
            yield "type", f"{whose} should be a number; it is {kind_of(got)}", ""
        elif got != got and expected == expected:
            yield "nan", f"{whose} is NaN", "NaN comes from 0/0, ∞ − ∞, or the root or log of a negative number"
        elif not close(torch.tensor(got), torch.tensor(expected), tolerance or 1e-6, noise):
            yield "value", f"{whose} is {number(got)}, expected {number(expected)}", ""
    elif isinstance(expected, (bool, str)) and type(got) is not type(expected):
        kind = "True or False" if isinstance(expected, bool) else "a string"
        yield "type", f"{whose} should be {kind}; it is {kind_of(got)}", ""
    elif type(got).__eq__(got, expected) is not True:
        yield "value", f"{whose} is {kind_of(got)}, expected {expected!r}", ""


def close(got, expected, tolerance=None, noise=0.0):
    """Whether two tensors of equal shape hold equal values, within the precision of the coarser dtype; NaN equals NaN."""
    floats = [t.dtype for t in (got, expected) if t.is_floating_point() or t.is_complex()]
    if not floats:
        return torch.equal(got.detach().cpu().long(), expected.detach().cpu().long())
    if tolerance is None:
        tolerance = max(PRECISION.get(dtype, HALF_PRECISION) for dtype in floats)
    got, expected = plain(got), plain(expected)
    return got.shape == expected.shape and bool(_near(got, expected, tolerance, noise).all())


def plain(tensor):
    """Detached float64 values on the CPU; a complex number becomes two real ones."""
    tensor = tensor.detach().cpu()
    tensor = tensor.to_dense() if tensor.layout is not torch.strided else tensor
    return torch.view_as_real(tensor.resolve_conj()).double() if tensor.is_complex() else tensor.double()


def kind_of(value):
    """What a value is, for a sentence: "a tensor of shape (2, 3)", "the string 'no'", "a function"."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if type(value).__module__ == "numpy" and getattr(value, "shape", ()):
        return f"a numpy array of shape {value.shape}"
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        text = repr(value)
        return {"str": "the string ", "int": "the number ", "float": "the number "}.get(type(value).__name__, "") + text[:60]
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _near(got, expected, tolerance, noise=0.0):
    finite = expected[torch.isfinite(expected)].abs()
    scale = finite.max().item() if finite.numel() else 0.0
    allowed = max(noise, tolerance * scale) if scale or noise else tolerance
    return torch.isclose(got, expected, rtol=tolerance, atol=allowed, equal_nan=True)


def _first_difference(got, expected):
    got, expected = plain(got), plain(expected)
    wrong = ~_near(got, expected, 1e-4)
    wrong = wrong if wrong.any() else got != expected  # tiny differences only
    first = tuple(wrong.nonzero()[0].tolist())
    place = f"first difference at [{', '.join(map(str, first))}]: " if first else "difference: "
    ours, theirs = got[first].item(), expected[first].item()
    texts = [(f"{ours:.{digits}g}", f"{theirs:.{digits}g}") for digits in (6, 9, 12, 17)]  # until the digits differ
    pairs = [(number(ours), number(theirs)), *texts]
    mine, right = next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])
    values = f"got {mine}, expected {right}"
    return place + values + (f"   ({int(wrong.sum())} of {wrong.numel()} values differ)" if wrong.numel() > 1 else "")


def _make_a_tensor(got, expected):
    if type(got).__module__ == "numpy":
        return "stay with torch, so that gradients can flow; `torch.from_numpy(…)` converts an array"
    if type(got).__name__ == "generator":
        return "`yield` makes a generator: use `return`"
    if callable(got):
        return "are the parentheses of a call missing?"
    if isinstance(got, (int, float)) and expected.ndim == 0:
        return "leave out `.item()` and `float(…)`, which cut the gradient off"
    if isinstance(got, tuple) and len(got) == 1 and isinstance(got[0], torch.Tensor):
        return "is there a comma too many at the end of the `return` line?"
    if isinstance(got, (list, tuple)) and got and all(isinstance(item, torch.Tensor) for item in got):
        return "`torch.stack(…)` or `torch.cat(…)` joins a list of tensors"
    if isinstance(got, (list, tuple)):
        return "`torch.tensor(…)` makes a tensor of a list of numbers"
    return ""
