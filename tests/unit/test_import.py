"""`import mmlearn` is nearly free: what it offers is loaded when it is first used."""

import subprocess
import sys


def modules_after(statement):
    """The names of the modules that are loaded in a fresh interpreter after a statement."""
    program = f"import sys; {statement}; print(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "torchvision", "numpy", "matplotlib", "sklearn", "skimage", "transformers", "ipywidgets", "IPython", "rich"}
    assert modules_after("import mmlearn") & heavy == set()


def test_a_submodule_is_loaded_when_it_is_named():
    loaded = modules_after("import mmlearn; mmlearn.ops.relu")
    assert {"torch", "mmlearn.ops"} <= loaded


def test_the_equations_need_torch_alone():
    others = {"mmlearn.data", "mmlearn.models", "mmlearn.training", "mmlearn.show", "mmlearn.exercises", "mmlearn.course"}
    assert (
        modules_after("import mmlearn.ops") & (others | {"matplotlib", "sklearn", "skimage", "torchvision", "IPython"}) == set()
    )


def test_a_name_that_does_not_exist_is_an_attribute_error():
    done = subprocess.run([sys.executable, "-c", "import mmlearn; mmlearn.no_such_part"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "AttributeError: module 'mmlearn' has no attribute 'no_such_part'" in done.stderr
