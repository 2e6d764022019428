"""environment.yml, requirements.lock and pyproject.toml describe one and the same environment."""

import importlib.metadata
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")

COURSE_ITSELF = "--editable ."
CONDA_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key written twice, where plain YAML keeps the last one silently."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if twice := [key for key, count in Counter(keys).items() if count > 1]:
            raise ValueError(f"key written twice: {', '.join(map(str, twice))}")
        return super().construct_mapping(node, deep=deep)


def conda_requirement(text):
    """('python', SpecifierSet('>=3.11')) from 'python>=3.11', in the part of conda's grammar that pip shares."""
    if not isinstance(text, str) or not (name := CONDA_NAME.match(text)):
        raise ValueError(f"not a conda requirement: {text!r}")
    try:
        return name.group(), SpecifierSet(text[name.end() :])
    except InvalidSpecifier as error:
        raise ValueError(f"not a conda requirement: {text!r}") from error


def pip_requirement(text):
    """('numpy', SpecifierSet('>=2.1'), frozenset(), '') from 'numpy>=2.1'; no address, no option."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"not a requirement: {text!r}") from error
    if parsed.url:
        raise ValueError(f"a requirement with an address: {text!r}")
    return canonicalize_name(parsed.name), parsed.specifier, frozenset(parsed.extras), str(parsed.marker or "")


def unique(requirements):
    """A dict by name; a name given twice is refused."""
    counts = Counter(name for name, *_ in requirements)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise ValueError(f"named twice: {', '.join(twice)}")
    return {name: tuple(rest) for name, *rest in requirements}


def read_environment(text):
    """(conda requirements, pip requirements, options) of an environment.yml; anything unexpected is a ValueError."""
    document = yaml.load(text, Loader=UniqueKeys)
    if not isinstance(document, dict) or set(document) != {"name", "channels", "dependencies"}:
        raise ValueError(f"environment.yml has name, channels and dependencies, nothing else; got {document!r:.200}")
    if not isinstance(document["channels"], list) or not set(document["channels"]) <= {"conda-forge", "nodefaults"}:
        raise ValueError(f"channels are conda-forge and nodefaults; got {document['channels']!r}")
    sections = [entry for entry in document["dependencies"] if isinstance(entry, dict)]
    if len(sections) != 1 or set(sections[0]) != {"pip"}:
        raise ValueError("dependencies hold exactly one section, called pip")
    if any(not isinstance(entry, str) for entry in sections[0]["pip"]):
        raise ValueError(f"the pip section holds text only; got {sections[0]['pip']!r:.200}")
    conda = unique([conda_requirement(entry) for entry in document["dependencies"] if not isinstance(entry, dict)])
    options = [entry for entry in sections[0]["pip"] if entry.startswith("-")]
    pip = unique([pip_requirement(entry) for entry in sections[0]["pip"] if not entry.startswith("-")])
    if both := sorted(set(conda) & set(pip)):
        raise ValueError(f"asked of conda and of pip: {', '.join(both)}")
    return conda, pip, options


def read_lock(text):
    """[(Requirement, hashes)] of a requirements.lock; a line of any other kind is a ValueError."""
    entries = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        requirement, *hashes = re.split(r"\s+--hash=", line)
        if not hashes or any(not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes):
            raise ValueError(f"not `name==version --hash=sha256:…`: {line[:120]!r}")
        _, specifier, *_ = pip_requirement(requirement)
        if [clause.operator for clause in specifier] != ["=="] or "*" in str(specifier):
            raise ValueError(f"not pinned to one version: {requirement!r}")
        entries.append((Requirement(requirement), hashes))
    return entries


def direct(*extras):
    """The project's own requirements, those of the named extras included."""
    listed = list(PROJECT["dependencies"])
    for extra in extras:
        listed += PROJECT["optional-dependencies"][extra]
    return unique([pip_requirement(entry) for entry in listed])


def test_conda_and_pyproject_ask_for_the_same_packages():
    _, pip, _ = read_environment(ENVIRONMENT)
    assert pip == direct("lab")


def test_conda_brings_python_and_pip_and_nothing_else():
    conda, _, options = read_environment(ENVIRONMENT)
    assert conda == {"python": (SpecifierSet(PROJECT["requires-python"]),), "pip": (SpecifierSet(),)}
    assert options == [COURSE_ITSELF]


GOOD = """\
name: mmlearn
channels: [conda-forge]
dependencies:
  - python>=3.11
  - pip:
      - numpy>=2.1
"""

BAD = {
    "operator the wrong way round": GOOD.replace("python>=3.11", "python=>3.11"),
    "version cut off": GOOD.replace("numpy>=2.1", "numpy>=2.1,<"),
    "bracket left open": GOOD.replace("numpy>=2.1", "numpy[extra>=2.1"),
    "no name": GOOD.replace("numpy>=2.1", '">=2.1"'),
    "an address": GOOD.replace("numpy>=2.1", '"numpy @ https://example.org/numpy.whl"'),
    "two versions of one package": GOOD + "      - NumPy>=2.2\n",
    "asked of both": GOOD + "      - Python>=3.12\n",
    "key written twice": GOOD + "name: other\n",
    "key misspelt": GOOD.replace("channels", "channel"),
    "extra key": GOOD + "variables: {A: b}\n",
    "other channel": GOOD.replace("conda-forge", "defaults"),
    "pip section misspelt": GOOD.replace("pip:", "pips:"),
    "no pip section": GOOD.split("  - pip:")[0],
    "a number for a requirement": GOOD.replace("numpy>=2.1", "2.1"),
    "empty": "",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_malformed_environment_file_is_refused(text):
    read_environment(GOOD)
    with pytest.raises(ValueError, match=r"\w"):
        read_environment(text)


def test_every_locked_package_has_hashes_and_one_version():
    entries = read_lock(LOCK)
    assert len(entries) > 50
    repeated = Counter((canonicalize_name(entry.name), str(entry.marker or "")) for entry, _ in entries)
    assert max(repeated.values()) == 1


def test_the_lock_holds_no_address():
    for sign in ("://", "--index", "--extra-index", "--find-links", "--trusted-host", "file:", " @ ", "-e ", "--editable"):
        assert sign not in LOCK, f"requirements.lock contains {sign!r}"


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.1",
        "numpy>=2.1 --hash=sha256:" + "0" * 64,
        "numpy==2.* --hash=sha256:" + "0" * 64,
        "numpy==2.1 --hash=md5:" + "0" * 32,
        "numpy @ https://example.org/numpy.whl --hash=sha256:" + "0" * 64,
        "--index-url https://example.org/simple",
    ],
)
def test_a_malformed_lock_line_is_refused(line):
    with pytest.raises(ValueError, match=r"\w"):
        read_lock(line)


def locked_here():
    """{name: version} of the locked packages whose markers hold on this machine."""
    return {
        canonicalize_name(entry.name): next(iter(entry.specifier)).version
        for entry, _ in read_lock(LOCK)
        if entry.marker is None or entry.marker.evaluate()
    }


def test_the_lock_names_every_direct_dependency_within_its_bounds():
    locked = locked_here()
    asked = direct(*PROJECT["optional-dependencies"])
    assert sorted(set(asked) - set(locked)) == []
    assert [name for name, (bounds, *_) in asked.items() if not bounds.contains(locked[name], prereleases=True)] == []


@pytest.mark.skipif(Path(sys.prefix).resolve() != ROOT / ".venv", reason="not run from .venv, which alone is built from the lock")
def test_this_environment_is_the_locked_one():
    differing = {}
    for name, version in locked_here().items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = None
        if installed != version:
            differing[name] = (version, installed)
    assert differing == {}, f"(locked, installed): {differing}; `make lab` or `make test` brings .venv up to date"
