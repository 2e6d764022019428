"""What may never enter the repository, and the address that stands in few places.

Every file that git tracks, or would track with the next `git add`, is read.
"""

import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = runpy.run_path(str(ROOT / "tools" / "lint_notebooks.py"))
LARGEST = 3_000_000
BINARY = {".gif", ".gz", ".ico", ".jpg", ".jpeg", ".npz", ".png", ".safetensors", ".wav", ".webp", ".zip"}
PICKLED_NAMES = {".bin", ".ckpt", ".joblib", ".npy", ".pickle", ".pkl", ".pt", ".pth"}
PICKLED_BYTES = re.compile(rb"\x80[\x02-\x05][\x95}\](KX\x8cc]")
PICKLING = re.compile(
    r"^\s*(?:import|from) (?:c?[pP]ickle|dill|joblib)\b|\btorch\.(?:load|save)\(|allow_pickle\s*=\s*True", re.MULTILINE
)
PROGRAMS = ("mmlearn/", "tools/", "benchmarks/", "solutions/", "chapters/")


def tracked():
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


FILES = tracked()
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES if Path(name).suffix not in BINARY | PICKLED_NAMES}

pytestmark = pytest.mark.skipif(not FILES, reason="not a git clone: there is no list of the files that belong to the course")


def lines_with(pattern, texts=TEXTS):
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts.items()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry():
    assert lines_with(LINT["HOST"]) == []


def test_no_file_names_a_folder_of_one_machine():
    assert lines_with(LINT["MACHINE_PATH"]) == []


def test_the_pattern_for_folders_finds_them_and_spares_embedded_images():
    folder = "/" + "home/someone/x"
    for text in (f"cd {folder}", f'open("{folder}")', f"PATH=/bin:{folder}", f"file://{folder}"):
        assert LINT["MACHINE_PATH"].search(text)
    for text in (f"data:image/png;base64,AAA{folder}", f"https://example.org{folder}", "~" + folder, "chapters/home/x"):
        assert not LINT["MACHINE_PATH"].search(text)


def test_no_file_is_larger_than_three_megabytes():
    assert [name for name in FILES if (ROOT / name).stat().st_size > LARGEST] == []


def test_no_file_is_a_pickle():
    assert [name for name in FILES if Path(name).suffix in PICKLED_NAMES] == []
    assert [name for name in FILES if PICKLED_BYTES.match((ROOT / name).read_bytes()[:3])] == []


def test_no_program_of_the_course_reads_or_writes_a_pickle():
    assert lines_with(PICKLING, {name: text for name, text in TEXTS.items() if name.startswith(PROGRAMS)}) == []


def test_every_text_file_ends_with_one_newline_and_has_unix_line_ends():
    generated = {"requirements.lock"}
    for name, text in TEXTS.items():
        if text and name not in generated:
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name
            assert "\r\n" not in text, name


def test_the_address_of_the_course_is_one_setting():
    """pyproject.toml says it; `mmlearn build` writes it into the notebooks and into three documents; nothing else may."""
    address = tomllib.loads(TEXTS["pyproject.toml"])["project"]["urls"]["Repository"]
    slug = address.removeprefix("https://github.com/")
    places = {name for name, text in TEXTS.items() if slug in text}
    generated = {"README.md", "CONTRIBUTING.md", "CITATION.cff", *(name for name in TEXTS if name.endswith(".ipynb"))}
    assert places - generated == {"pyproject.toml"}
