"""The documents beside the notebooks are true where a program can tell."""

import re
import subprocess
import sys
import textwrap
import tomllib
import types
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/*.md")])
FORMS = sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def named_commands(text):
    """Every `mmlearn WORD` that a document tells the reader to type."""
    typed = re.findall(r"`([^`\n]+)`", text) + re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return {word for piece in typed for word in re.findall(r"(?:^|\s|/|!)mmlearn ([a-z]+)\b", piece)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_to_a_file(path):
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_picture_says_what_it_shows(path):
    text = path.read_text(encoding="utf-8")
    assert [alt for alt in re.findall(r"!\[([^\]]*)\]", text) if len(alt) < 10] == []
    assert "<img" not in text


def test_every_command_that_a_document_names_exists():
    named = set().union(*(named_commands(path.read_text(encoding="utf-8")) for path in DOCUMENTS))
    assert {"lab", "doctor", "build"} <= named
    helped = subprocess.run([sys.executable, "-m", "mmlearn.cli", "--help"], capture_output=True, text=True, check=True).stdout
    assert [command for command in sorted(named) if not re.search(rf"\b{command}\b", helped)] == []


def test_the_exercise_that_contributing_shows_keeps_its_promises():
    """Its three pieces of code are run as a reader would: the answer, the declaration, the test."""
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", read("CONTRIBUTING.md"), re.DOTALL | re.MULTILINE)
    answer, declaration, test = map(textwrap.dedent, blocks)
    given, declared = {}, {}
    exec(answer, given)
    exec(declaration, declared)
    exercise = declared["relu"]
    assert exercise.check(given["relu"]).passed
    verified = {"ch06": types.SimpleNamespace(relu=exercise)}
    exec(test.replace("import ch06, verify", "import verify"), verified)
    verified["test_relu"]()


def test_every_make_target_that_a_document_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = {target for path in DOCUMENTS for target in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))}
    assert {"lab", "test"} <= named
    assert named <= targets


def test_the_citation_says_what_the_project_says():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert " AND ".join(citation["license"]) == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


def test_both_licences_are_there_and_named():
    assert read("LICENSE").startswith("MIT License")
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in read("LICENSE-TEXT")
    assert PROJECT["license-files"] == ["LICENSE", "LICENSE-TEXT"]


def test_the_package_and_the_project_have_one_version():
    import mmlearn

    assert mmlearn.__version__ == PROJECT["version"]


def test_the_workflow_does_what_ci_run_does_by_calling_it():
    steps = yaml.safe_load(read(".github/workflows/test.yml"))["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert re.search(r"^make\b.* test\b", read(".ci/run"), re.MULTILINE)


@pytest.mark.parametrize("path", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem)
def test_an_issue_form_has_what_github_asks_for(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    assert {field["type"] for field in form["body"]} <= {"markdown", "input", "textarea", "dropdown", "checkboxes"}
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))
    assert all(field["attributes"]["label"] for field in form["body"])


def test_every_hook_runs_offline_with_a_program_of_the_environment():
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "unsupported"
        assert hook["entry"].startswith(".venv/bin/")
