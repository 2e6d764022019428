"""A gradient check that a student can read: for every input, the derived gradient beside the measured one."""

import inspect
from dataclasses import dataclass
from numbers import Real

import torch

from mmlearn.ops.arguments import require, shape
from mmlearn.ops.gradient_check import numerical_gradient

HEADINGS = ("input", "shape", "abs error", "rel error", "worst at", "derived", "measured", "")


@dataclass(frozen=True)
class GradientRow:
    """One input: its largest errors, and the place where derived and measured differ most beyond the tolerance."""

    name: str
    shape: tuple
    absolute: float
    relative: float
    where: tuple | None
    derived: float | None
    measured: float | None
    passed: bool

    def cells(self):
        size = "×".join(map(str, self.shape)) or "a number"
        errors = [f"{error:.1e}" for error in (self.absolute, self.relative)]
        place = "" if self.where is None else "[" + ", ".join(map(str, self.where)) + "]"
        gradients = ["" if value is None else f"{value:.6g}" for value in (self.derived, self.measured)]
        return (self.name, size, *errors, place, *gradients, "ok" if self.passed else "WRONG")


@dataclass(frozen=True)
class GradientTable:
    """What gradcheck found. It is true when every gradient passed, and prints as a table; ``rows`` holds the numbers."""

    rows: tuple
    rtol: float
    atol: float

    @property
    def passed(self):
        return all(row.passed for row in self.rows)

    def __bool__(self):
        return self.passed

    def __str__(self):
        lines = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        written = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
        right = sum(row.passed for row in self.rows)
        allowed = f"|derived − measured| ≤ {self.atol:g} + {self.rtol:g}·|measured|"
        ruler = "─" * max(map(len, written))
        return "\n".join([written[0], ruler, *written[1:], f"{right} of {len(self.rows)} right: {allowed}"])

    __repr__ = __str__


def _named(function, inputs):
    """The inputs as {name: value}, and how to call a function with them; a list takes the names of the function's parameters."""
    if isinstance(inputs, dict):
        return dict(inputs), lambda callee, values, *front: callee(*front, **values)
    given = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    expected = "a tensor, a list of them, or a dict name → tensor"
    require(isinstance(given, (list, tuple)), "inputs", type(inputs).__name__, expected)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some of torch's own functions have no signature
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][: len(given)]
    names += [f"input {place}" for place in range(len(names), len(given))]
    return dict(zip(names, given, strict=True)), lambda callee, values, *front: callee(*front, *values.values())


def _outputs(output):
    """The outputs that have gradients: both of a cell's (h, c), the values of a max-pool without its indices."""
    outputs = output if isinstance(output, (tuple, list)) else (output,)
    found = [value for value in outputs if isinstance(value, torch.Tensor) and value.is_floating_point()]
    got = f"one that returns {type(output).__name__}"
    require(found, "function", got, "a function that returns a floating-point tensor, or several")
    return found


def _flat(tensors):
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _compare(name, derived, measured, rtol, atol):
    """One row of the table."""
    if derived.numel() == 0:
        return GradientRow(name, tuple(derived.shape), 0.0, 0.0, None, None, None, True)
    error = (derived - measured).abs()
    excess = (error / (atol + rtol * measured.abs())).nan_to_num(nan=torch.inf)
    worst = int(excess.argmax())
    largest = max(derived.abs().max().item(), measured.abs().max().item())
    where = tuple(int(i) for i in torch.unravel_index(torch.tensor(worst), derived.shape))
    return GradientRow(
        name,
        tuple(derived.shape),
        error.max().item(),
        error.max().item() / largest if largest else 0.0,
        where,
        derived.flatten()[worst].item(),
        measured.flatten()[worst].item(),
        bool(excess.max() <= 1),
    )


def gradcheck(function, inputs, backward=None, *, step=1e-6, rtol=1e-5, atol=1e-7, seed=0):
    """∂⟨g, f(x)⟩/∂x from the backward pass beside its central difference, for one random g and every number of every input.

    With ones for g, a gradient that sums to zero, such as the softmax's, would hide mistakes.
    With mmlearn.ops in the function, the backward pass runs the hand-written gradients. ``backward`` checks a gradient that no
    function is coupled to yet: backward(g, *inputs) returns a gradient for each floating-point input, in their order or by name.
    function: returns a floating-point tensor, or several   inputs: a list, or a dict name → tensor; float64 where they are
    floating-point, anything else is passed along   step: h of the difference   rtol, atol: what is right, number by number
    returns: GradientTable; true when all are right, a table as a string. The relative error is that to the largest gradient.
    Raises ValueError for inputs that are not float64 and for a function that answers differently when it is called again.
    At a corner, as of relu at 0, the difference lies between the slopes on both sides: choose inputs away from it.

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    >>> print(gradcheck(lambda x: x**2, [x], backward=lambda g, x: 2 * x))  # the factor g is forgotten
    input  shape  abs error  rel error  worst at  derived  measured
    ──────────────────────────────────────────────────────────────────────
    x      2      5.2e+00    1.3e+00    [1]       4        -1.17372  WRONG
    0 of 1 right: |derived − measured| ≤ 1e-07 + 1e-05·|measured|
    """
    for argument, value in {"step": step, "rtol": rtol, "atol": atol}.items():
        require(isinstance(value, Real) and value > 0, argument, repr(value), "a number > 0")
    values, call = _named(function, inputs)
    names = [name for name, x in values.items() if isinstance(x, torch.Tensor) and x.is_floating_point()]
    require(names, "inputs", f"{len(values)} without floating-point numbers", "at least one float64 tensor")
    for name in names:
        got = f"{name} as {str(values[name].dtype).removeprefix('torch.')} of {shape(values[name])}"
        require(values[name].dtype == torch.float64, "inputs", got, "float64, or rounding drowns the difference: call .double()")
        values[name] = values[name].detach()

    with torch.no_grad():
        outputs, again = (_outputs(call(function, values)) for _ in range(2))
    expected = "a function that returns the same for the same inputs; set the seed inside it, or give it the noise"
    same = torch.equal(_flat(outputs).nan_to_num(7), _flat(again).nan_to_num(7))
    require(same, "function", "one that returned two different outputs", expected)
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.device, y.dtype) for y in outputs]

    if backward is None:
        derived = _by_autograd(function, call, values, names, weights)
    else:
        derived = _by_hand(call(backward, values, *weights), values, names)
    rows = []
    for name in names:

        def at(value, name=name):
            return _flat(_outputs(call(function, {**values, name: value})))

        measured = numerical_gradient(at, values[name], _flat(weights), step)
        gradient = torch.zeros_like(measured) if derived[name] is None else derived[name].detach()
        rows.append(_compare(name, gradient, measured, rtol, atol))
    return GradientTable(tuple(rows), rtol, atol)


def _by_autograd(function, call, values, names, weights):
    """{name: gradient} by autograd; None where none arrives."""
    leaves = {name: values[name].clone().requires_grad_() for name in names}
    outputs = _outputs(call(function, {**values, **leaves}))
    reached = [(output, weight) for output, weight in zip(outputs, weights, strict=True) if output.requires_grad]
    if not reached:  # the function cuts its inputs off
        return dict.fromkeys(names)
    outputs, weights = zip(*reached, strict=True)
    return dict(zip(names, torch.autograd.grad(outputs, leaves.values(), weights, allow_unused=True), strict=True))


def _by_hand(grads, values, names):
    """{name: gradient} from what backward returned: a NamedTuple with these names, or gradients in the order of the inputs."""
    if hasattr(grads, "_asdict") and set(names) <= set(grads._fields):
        found = {name: getattr(grads, name) for name in names}
    else:
        grads = grads if isinstance(grads, (tuple, list)) else (grads,)
        require(len(grads) >= len(names), "backward", f"{len(grads)} gradients", f"{len(names)}, for {', '.join(names)}")
        found = dict(zip(names, grads, strict=False))
    for name, grad in found.items():
        got = shape(grad) if isinstance(grad, torch.Tensor) else type(grad).__name__
        good = isinstance(grad, torch.Tensor) and grad.shape == values[name].shape
        require(grad is None or good, "backward", f"{got} for {name}", f"{name}'s shape {tuple(values[name].shape)}")
    return found
