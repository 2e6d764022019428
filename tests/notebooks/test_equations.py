"""The equation index, both ways: every numbered equation is computed by exactly one function, and every claim has its equation.

A function claims an equation in the first sentence of its docstring, after a dash: `"…formula… — Eq. 4.1 (source)."`.
Other mentions, in brackets or in running text, claim nothing. Kernels do not count: they are the same functions again, for a GPU.
"""

import ast
import json
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLAIM = re.compile(r"— Eq\. (\d+\.\d+)")
TAG = re.compile(r"\\tag\{([^}]*)\}")


def functions(tree, prefix):
    """(qualified name, docstring) of the public functions and methods of a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node, f"{prefix}.{node.name}")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            yield f"{prefix}.{node.name}", ast.get_docstring(node) or ""


def claims(sources):
    """{equation: names of the functions that claim it}, from {module name: source}."""
    found = defaultdict(list)
    for module, source in sources.items():
        for name, docstring in functions(ast.parse(source), module):
            for number in CLAIM.findall(docstring.split("\n\n")[0]):
                found[number].append(name)
    return dict(found)


def tagged(notebooks):
    """{equation: names of the notebooks that number it}, once for each time, from {name: parsed notebook}."""
    found = defaultdict(list)
    for name, notebook in notebooks.items():
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                for number in TAG.findall("".join(cell["source"])):
                    found[number].append(name)
    return dict(found)


def disagreements(equations, claimed):
    """What is wrong between the two, in words."""
    said = []
    for number, where in sorted(equations.items()):
        if len(where) > 1:
            said.append(f"Eq. {number} is numbered {len(where)} times: {', '.join(where)}")
        if not re.fullmatch(r"\d+\.\d+", number):
            said.append(f"\\tag{{{number}}} in {where[0]} is not of the form chapter.number")
        elif any(int(name[:2]) != int(number.split(".")[0]) for name in where):
            said.append(f"Eq. {number} stands in {', '.join(where)}, another chapter's notebook")
        elif number not in claimed:
            said.append(f"Eq. {number} of {where[0]} is computed by no function: no docstring begins with `… — Eq. {number}`")
    for number, names in sorted(claimed.items()):
        if len(names) > 1:
            said.append(f"Eq. {number} is claimed by {len(names)} functions: {', '.join(names)}")
        if number not in equations:
            said.append(f"Eq. {number}, claimed by {names[0]}, is in no notebook of solutions/")
    return said


def package_sources():
    paths = sorted((ROOT / "mmlearn").rglob("*.py"))
    modules = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if "kernels" not in path.parts}
    return {module: path.read_text(encoding="utf-8") for path, module in modules.items()}


def notebooks(folder):
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / folder).glob("*.ipynb"))}


def test_every_numbered_equation_is_computed_by_one_function_and_back():
    assert disagreements(tagged(notebooks("solutions")), claims(package_sources())) == []


def test_the_student_reads_the_same_equations():
    assert tagged(notebooks("chapters")) == tagged(notebooks("solutions"))


def test_no_reference_to_an_equation_that_does_not_exist():
    solutions = notebooks("solutions")
    known = tagged(solutions)
    mentioned = [
        (number, name)
        for name, notebook in solutions.items()
        for cell in notebook["cells"]
        for number in re.findall(r"\bEqs?\. ?\(?(\d+\.\d+)", "".join(cell["source"]))
    ]
    written = {name[:2].lstrip("0") for name in solutions}
    assert [(number, name) for number, name in mentioned if number not in known and number.split(".")[0] in written] == []


FUNCTION = 'def {name}(x):\n    """y = x — Eq. {number} (Someone 1999).\n\n    See Eq. 9.9 and — Eq. 8.8.\n    """\n'


def page(text):
    return {"cells": [{"cell_type": "markdown", "source": [text]}]}


def test_each_disagreement_is_named():
    functions = [("f", "4.1"), ("g", "4.1"), ("h", "4.7"), ("_i", "4.8")]
    claimed = claims({"m": "".join(FUNCTION.format(name=name, number=number) for name, number in functions)})
    assert claimed == {"4.1": ["m.f", "m.g"], "4.7": ["m.h"]}
    pages = {"04-a": page(r"$$y = x \tag{4.1}$$ $$\tag{4.2}$$ $$\tag{4.2}$$"), "05-b": page(r"$$\tag{4.7}$$ $$\tag{5}$$")}
    said = "\n".join(disagreements(tagged(pages), claimed))
    for words in ("4.1 is claimed by 2 functions: m.f, m.g", "4.2 is numbered 2 times", "4.2 of 04-a is computed by no function"):
        assert words in said
    for words in ("4.7 stands in 05-b", r"\tag{5} in 05-b is not of the form"):
        assert words in said
    assert "4.1, claimed by m.f, is in no notebook" in "\n".join(disagreements({}, claimed))
