"""Every example in a docstring runs and prints what it says.

Docstrings are read from the source, not from the imported objects, so that those of decorated functions count too.
"""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["data", "models", "ops"]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def examples(path):
    """The doctests of a source file; one for each docstring with examples."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = ast.get_docstring(node)
            if any(doctest.SKIP not in example.options for example in doctest.DocTestParser().get_examples(docstring or "")):
                name = f"{module}.{getattr(node, 'name', '')}".rstrip(".")
                yield pytest.param(module, name, docstring, str(path), getattr(node, "lineno", 0), id=name)


FILES = [path for package in PACKAGES for path in sorted((ROOT / "mmlearn" / package).rglob("*.py"))]


@pytest.mark.parametrize(("module", "name", "docstring", "path", "line"), [case for path in FILES for case in examples(path)])
def test_the_example_prints_what_it_says(module, name, docstring, path, line):
    names = dict(vars(importlib.import_module(module)))
    test = doctest.DocTestParser().get_doctest(docstring, names, name, path, line)
    said = []
    failed, tried = doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=said.append)
    assert tried > 0
    assert failed == 0, "".join(said)
