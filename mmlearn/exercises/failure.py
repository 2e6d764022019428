"""Turn an exception from a student's code into a friendly text: what it says, where it happened, what it usually means."""

import os
import re
import sysconfig
import textwrap
import traceback
from pathlib import Path

from .timeout import TimeLimit

_OURS = str(Path(__file__).parent.parent) + os.sep
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))

# (exception types, pattern in the message, what it usually means); the first that fits is shown.
_NONE = "Something is None: an optional argument that was not given, or a function of yours without `return`."
_HUGE = "A tensor grew far too large. Print the shapes on the way."
USUAL = [
    (RuntimeError, r"shapes cannot be multiplied|size mismatch|inconsistent tensor size|batch2 tensor",
     "The inner sizes of a matrix product differ: (m × k) @ (k × n) needs the same k. Is a transpose (`.mT`) missing?"),
    (RuntimeError, r"must match the (existing )?size|broadcastable|shape mismatch|can't be expanded|match the broadcast shape",
     "Two tensors do not broadcast: counted from the right, sizes must be equal or 1. Print both shapes on the line before."),
    (RuntimeError, r"view size is not compatible",
     "`view` needs values that lie side by side in memory; those of a transposed or sliced tensor do not: use `reshape`."),
    (RuntimeError, r"shape '.*' is invalid for input of size",
     "A reshape must keep the number of values. Multiply the sizes you ask for and compare."),
    (RuntimeError, r"same dtype|expected scalar type|dtypes match|should be the same|can't be cast to the desired|Found dtype",
     "Two dtypes meet. A new tensor should take its dtype from the input: `torch.zeros(…, dtype=x.dtype)`, `x.new_zeros(…)`."),
    (RuntimeError, r"out of bounds for storage",
     "The strides reach beyond the end of memory: check the size first, then the strides."),
    (RuntimeError, r"negative dimension|must be non-negative|maximum size for tensor at dimension|greater than actual input size",
     "The output size came out too small or negative. Check its formula, and that the padding was added."),
    (RuntimeError, r"equal size|Sizes of tensors must match|same number of dimensions",
     "Tensors that are stacked or concatenated need equal shapes, except along the dimension joined by `torch.cat`."),
    ((RuntimeError, ValueError), r"einsum\(\)",
     "In `einsum`, each operand needs one letter for each dimension, and a letter has one size everywhere."),
    (RuntimeError, r"Boolean value of Tensor",
     "`if` and `and` need one truth value: use `.all()` or `.any()`, or `torch.where` to decide entry by entry."),
    (RuntimeError, r"in-place operation|inplace operation",
     "Autograd needs the value that was overwritten: write `x = x + …` in place of `x += …`, or work on a `.clone()`."),
    (RuntimeError, r"does not require grad",
     "The result depends on nothing that requires grad: `.item()`, `.detach()`, `torch.tensor(…)` or `no_grad` cut it off."),
    (RuntimeError, r"numpy\(\) on Tensor that requires grad", "Stay with torch, or call `.detach()` first."),
    (RuntimeError, r"not enough memory|out of memory", _HUGE),
    (MemoryError, r"", _HUGE),
    (IndexError, r"too many indices", "There are more indices than dimensions. Print the shape: which dimension is missing?"),
    (IndexError, r"Dimension out of range",
     "`dim=` names a dimension that the tensor has not got. They count from 0 forwards or from −1 backwards."),
    (IndexError, r"out of bounds|out of range",
     "Indices go from 0 to size − 1, and one runs past the end. Check the largest; of a sliding window, where the last starts."),
    (UnboundLocalError, r"", "The name is assigned further down in the function, or in a branch or loop that did not run."),
    (NameError, r"", "A name is misspelt, not imported, or its cell has not been run since the kernel started."),
    (TypeError, r"interpreted as an integer|must be integers|type float|must be tuple of ints",
     "A size or an index must be a whole number: `/` gives a float, `//` a whole number."),
    ((TypeError, AttributeError), r"NoneType", _NONE),
    (AttributeError, r"object has no attribute",
     "The name after the dot is misspelt, or the value is of another type than you think. Print `type(…)` on the line before."),
    (TypeError, r"positional argument|unexpected keyword|multiple values|missing \d+ required",
     "A call hands over too many, too few or misnamed arguments. Compare it with the function's first line."),
    (ValueError, r"values to unpack",
     "Left and right of `=` differ in number: `N, C, H, W = x.shape` needs four dimensions, `a, b = x` goes along the first."),
    (ValueError, r"step must be greater than zero|negative strides", "Torch has no negative strides; use `.flip(-1)`."),
    (ZeroDivisionError, r"", "A number is divided by 0: which size or sum is 0 for this input?"),
    (RecursionError, r"", "The function calls itself and never stops: is the case that ends it missing?"),
    (SystemExit, r"", "The function calls `exit()` or `sys.exit()`, which ends the program: use `return`."),
    (NotImplementedError, r"", "Some inputs work already; for these the function still raises NotImplementedError."),
    (AssertionError, r"", "An `assert` in your code does not hold for this input."),
    (KeyError, r"", "The dictionary has no such key."),
]  # fmt: skip


def usual_meaning(error):
    """What an exception usually means, in a sentence or two, or ""."""
    if isinstance(error, ValueError) and "values to unpack" in str(error) and (name := _unpacked_tensor(error)):
        return f"`{name}` is a tensor, and `=` unpacks it along its first axis: use `{name}.unbind(-1)` for the last one."
    for types, pattern, meaning in USUAL:
        if isinstance(error, types) and re.search(pattern, str(error)):
            return meaning
    return ""


def _unpacked_tensor(error):
    """The name on the right of a student's line such as ``x1, y1, x2, y2 = boxes``, if it is a tensor's; else ""."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    told = traceback.extract_tb(error.__traceback__)
    students = [(frame, line.line) for frame, line in zip(frames, told, strict=True) if is_students(line.filename)]
    if not students:
        return ""
    frame, line = students[-1]
    name = re.fullmatch(r"[^=]+=\s*(\w+)\s*(#.*)?", line or "")
    return name[1] if name and hasattr(frame.f_locals.get(name[1]), "unbind") else ""


def what_it_says(error):
    """``IndexError: index 5 is out of bounds…``: the first lines of the message, without torch's C++ stack."""
    message = str(error).split("\nException raised from")[0].strip()
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return "\n".join(textwrap.fill(line, 100, subsequent_indent="    ") for line in text.splitlines()[:4])


def students_line(error):
    """Where it happened in the student's own code, as text, or "" when none of it was running.

    The deepest frame counts that belongs neither to Python, nor to an installed library, nor to this package.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_students(frame.filename)]
    if not frames:
        return ""
    frame = frames[-1]
    in_cell = frame.filename.startswith("<ipython-input") or "ipykernel" in frame.filename
    where = "the cell" if in_cell else Path(frame.filename).name
    return f"line {frame.lineno} of {where}, in {frame.name}:" + (f"\n    {frame.line}" if frame.line else "")


def raised_by_student(error):
    """Whether the exception was raised in the student's own line, not in a function that it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and is_students(frames[-1].filename)


def is_students(filename):
    """Whether a file is a notebook cell or a script, rather than Python, a library or this package."""
    if filename.startswith("<"):
        return not filename.startswith("<frozen")
    return not filename.startswith((_OURS, *_LIBRARIES)) and not re.search(r"[\\/](site|dist)-packages[\\/]", filename)


def headline(error, seconds=None):
    """One sentence for the top of the message."""
    if isinstance(error, TimeLimit):
        return f"your code did not finish within {seconds:g} second{'s' * (seconds != 1)}"
    if isinstance(error, SystemExit):
        return "your code ended the program"
    return f"your code stops with {_article(type(error).__name__)}"


def _article(name):
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
