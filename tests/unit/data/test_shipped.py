"""The data that comes with the course: what is in it, that it is what it says, and that it is found."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmlearn.data import find_leaks, inspect_folder, read_folder, shipped, world

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "data"
README = (DATA / "README.md").read_text(encoding="utf-8")
SPLITS = {"train": 128, "validation": 32, "test": 32}


def rows(split):
    lines = (DATA / "world" / split / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def scenes(split):
    """The same scenes, drawn by what each row says of itself."""
    (seed,) = {row["seed"] for row in rows(split)}
    return world.sample(index=[row["scene"] for row in rows(split)], seed=seed, split=split, noise=0.01)


def pixels(scenes):
    """(N, H, W, 3) uint8"""
    return (scenes.image * 255).round().byte().permute(0, 2, 3, 1).numpy()


def python_in_readme():
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("split", SPLITS)
def test_pictures_captions_and_questions_are_those_of_the_worlds_scenes(split):
    drawn = scenes(split)
    asked = drawn.questions(per_scene=5)
    assert [row["file_name"] for row in rows(split)] == [f"{number:04d}.png" for number in range(SPLITS[split])]
    assert [row["caption"] for row in rows(split)] == drawn.captions()
    assert [list(question.values()) for row in rows(split) for question in row["questions"]] == [
        list(question) for question in zip(asked.text, asked.answer, asked.kind, strict=True)
    ]
    for row, picture in zip(rows(split), pixels(drawn), strict=True):
        with Image.open(DATA / "world" / split / row["file_name"]) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 64))
            assert np.array_equal(np.asarray(image), picture)


@pytest.mark.parametrize("split", SPLITS)
def test_each_box_holds_the_visible_pixels_of_its_object_and_no_row_or_column_more(split):
    drawn = scenes(split)
    for n, row in enumerate(rows(split)):
        objects = row["objects"]
        assert {len(column) for column in objects.values()} == {drawn.count[n].item()}
        assert objects["depth"] == sorted(objects["depth"])
        for k, thing in enumerate(drawn.objects(n)):
            across, down = (drawn.mask[n, thing["slot"]].any(axis).nonzero().flatten() for axis in (0, 1))
            corner = [across.min().item(), down.min().item()]
            assert objects["bbox"][k] == [*corner, across.max().item() + 1 - corner[0], down.max().item() + 1 - corner[1]]
            assert (objects["categories"][k], objects["colours"][k]) == (thing["shape"], thing["colour"])
            assert (objects["sizes"][k], objects["depth"][k]) == (thing["size"], drawn.depth[n, thing["slot"]].item())


def test_every_shape_colour_size_and_kind_of_question_occurs_in_each_part():
    for split in SPLITS:
        found = {name: {value for row in rows(split) for value in row["objects"][name]} for name in ("colours", "sizes")}
        assert found == {"colours": set(world.COLOURS), "sizes": set(world.SIZES)}
        assert {value for row in rows(split) for value in row["objects"]["categories"]} == set(world.SHAPES)
        assert {question["kind"] for row in rows(split) for question in row["questions"]} == set(world.KINDS)
        assert {len(row["questions"]) for row in rows(split)} == {5}


def test_no_scene_is_in_two_parts():
    parts = {split: torch.stack([record["image"] for record in read_folder(DATA / "world" / split).records]) for split in SPLITS}
    digests = [hashlib.sha256(image.numpy().tobytes()).digest() for part in parts.values() for image in part]
    assert len(set(digests)) == sum(SPLITS.values())
    assert len(find_leaks(parts["train"], torch.cat([parts["validation"], parts["test"]]))) == 0


@pytest.mark.parametrize(("part", "least"), [("world", 2e6), ("models/world-resnet", 1e6), ("models/world-bert", 0.5e6)])
def test_each_part_of_the_data_is_smaller_than_three_megabytes(part, least):
    assert least < sum(path.stat().st_size for path in (DATA / part).rglob("*") if path.is_file()) < 3e6


@pytest.mark.parametrize("split", SPLITS)
def test_the_courses_own_reader_finds_nothing_wrong(split):
    report = inspect_folder(shipped.folder() / split)
    assert (report.problems, report.duplicates, report.other) == ((), (), ())
    records = read_folder(shipped.folder() / split)
    assert len(records) == SPLITS[split]
    assert records.skipped == ()
    assert records[5].keys() >= {"image", "caption", "questions", "objects", "seed", "scene"}


def test_the_library_datasets_reads_what_the_world_draws_offline_as_the_readme_says(tmp_path):
    how = next(block for block in python_in_readme() if "load_dataset" in block)
    script = (
        how
        + """
import hashlib, json, numpy
def plain(row):
    image = row.pop("image")
    return {"pixels": hashlib.sha256(numpy.asarray(image).tobytes()).hexdigest(), "mode": image.mode, **row}
print(json.dumps({split: [plain(row) for row in part] for split, part in sample.items()}))
"""
    )
    offline = {
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | offline
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    read = json.loads(done.stdout.splitlines()[-1])
    assert {split: len(part) for split, part in read.items()} == SPLITS
    for split, part in read.items():
        digests = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pixels(scenes(split))]
        assert [row.pop("pixels") for row in part] == digests
        assert {row.pop("mode") for row in part} == {"RGB"}
        assert part == [{name: value for name, value in row.items() if name != "file_name"} for row in rows(split)]


def test_the_readmes_other_code_gives_what_it_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in python_in_readme()[1:]:
        if "data/models" not in block:  # from the root of the repository: test_make_models.py runs it there
            exec(block, names)
    row = rows("train")[8]
    assert names["train"][8]["image"].shape == (3, 64, 64)
    assert names["train"][8]["caption"] == names["scenes"].captions()[8] == row["caption"]
    assert (names["train"][8]["image"] - names["scenes"].image[8]).abs().max() <= 0.5 / 255 + 1e-6
    assert (names["train"][8]["seed"], names["train"][8]["scene"]) == (names["scenes"].seed, 8)


def test_the_readmes_example_is_a_row_of_the_training_part():
    (shown,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert json.loads(shown) == rows("train")[8]
    assert list(json.loads(shown)) == list(rows("train")[8])


def test_the_readme_explains_every_field():
    explained = {
        name for names in re.findall(r"^\| (`.*?) \|", README, re.MULTILINE) for name in re.findall(r"`([\w.]+)`", names)
    }
    row = rows("train")[0]
    assert {*row, *(f"objects.{name}" for name in row["objects"])} <= explained


def test_the_checksums_in_the_readme_are_those_of_the_files():
    table = {
        part: (int(files), int(size), digest)
        for part, files, size, digest in re.findall(
            r"^\| `(\S+)` \| (\d+) \| (\d+) \| `([0-9a-f]{64})` \|$", README, re.MULTILINE
        )
    }
    expected = {}
    for split in SPLITS:
        contents = {path.name: path.read_bytes() for path in (DATA / "world" / split).iterdir() if path.name != ".DS_Store"}
        listing = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
        size = sum(len(content) for content in contents.values())
        expected[f"world/{split}"] = (SPLITS[split] + 1, size, hashlib.sha256(listing.encode()).hexdigest())
        metadata = contents["metadata.jsonl"]
        expected[f"world/{split}/metadata.jsonl"] = (1, len(metadata), hashlib.sha256(metadata).hexdigest())
    assert table == expected


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package as pip installs it, without its data: the folder that holds the packages."""
    site = tmp_path / "site-packages"
    (site / "mmlearn").mkdir(parents=True)
    monkeypatch.setattr(shipped, "_PACKAGE", site / "mmlearn")
    return site


def test_in_a_clone_the_folder_is_the_clones_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert shipped.folder() == shipped.folder("world") == DATA / "world"
    assert shipped.folder("models") == DATA / "models"


def test_in_an_installed_package_the_folder_is_inside_it(installed):
    (installed / "mmlearn" / "shipped" / "world").mkdir(parents=True)
    assert shipped.folder() == installed / "mmlearn" / "shipped" / "world"


@pytest.mark.parametrize("pyproject", [None, '[project]\nname = "other"\n', "[project\n", "project = 1\n"])
def test_a_data_folder_of_somebody_else_beside_the_package_is_not_taken(installed, pyproject):
    (installed / "data" / "world").mkdir(parents=True)
    if pyproject:
        (installed / "pyproject.toml").write_text(pyproject)
    with pytest.raises(FileNotFoundError):
        shipped.folder()
    (installed / "mmlearn" / "shipped" / "world").mkdir(parents=True)
    assert shipped.folder() == installed / "mmlearn" / "shipped" / "world"


@pytest.mark.parametrize(("name", "command"), [("world", "make data"), ("models", "make models")])
def test_where_there_is_no_data_the_error_names_both_places_and_what_to_do(name, command, installed):
    with pytest.raises(FileNotFoundError, match=f"'{name}'") as caught:
        shipped.folder(name)
    for said in (
        installed / "data" / name,
        installed / "mmlearn" / "shipped" / name,
        command,
        "install the course anew",
    ):
        assert str(said) in str(caught.value)


@pytest.mark.parametrize("name", ["world_", "World", "worlds", "../data/world", None])
def test_an_unknown_name_gets_the_known_ones(name):
    with pytest.raises(ValueError, match="There is world") as caught:
        shipped.folder(name)
    assert repr(name) in str(caught.value)
    assert name is None or "did you mean 'world'?" in str(caught.value)
