"""tools/make_world_sample.py: the same bytes everywhere, written whole or not at all, and nothing of anybody else's lost."""

import io
import runpy
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "make_world_sample.py"))
MARKS = "<!-- {0}:begin -->\n<!-- {0}:end -->\n"


@pytest.fixture(scope="module")
def files():
    return TOOL["sample"]()


@pytest.fixture
def data(tmp_path):
    """A folder like data/ before the first run."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "README.md").write_text("before\n" + MARKS.format("example") + "between\n" + MARKS.format("checksums") + "after\n")
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_what_is_committed_is_what_the_command_makes_byte_for_byte(files):
    assert TOOL["differences"](ROOT / "data", files) == []
    assert TOOL["sample"]() == files


def test_a_sample_written_anew_is_the_committed_one_and_a_second_run_writes_nothing(data, files):
    assert TOOL["write"](data, files) == ["world", "README.md"]
    committed = {name: content for name, content in contents(ROOT / "data" / "world").items() if not name.endswith(".DS_Store")}
    assert contents(data / "world") == committed == files
    before = times(data)
    assert TOOL["write"](data, files) == []
    assert TOOL["differences"](data, files) == []
    assert times(data) == before
    assert sorted(path.name for path in data.iterdir()) == ["README.md", "world"]


def test_the_readme_changes_between_its_marks_alone(data, files):
    TOOL["write"](data, files)
    text, committed = (data / "README.md").read_text(encoding="utf-8"), (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for name in ("example", "checksums"):
        begin, end = MARKS.format(name).splitlines()
        inside = text.split(begin)[1].split(end)[0]
        assert inside == committed.split(begin)[1].split(end)[0]
        text = text.replace(inside, "\n")
    assert text == "before\n" + MARKS.format("example") + "between\n" + MARKS.format("checksums") + "after\n"


def test_check_names_every_difference_and_writes_nothing(data, files, capsys):
    TOOL["write"](data, files)
    world = data / "world"
    (world / "train" / "0003.png").unlink()
    (world / "test" / "metadata.jsonl").write_bytes(files["test/metadata.jsonl"].replace(b"\n", b"\r\n"))
    (world / "train" / "notes.txt").write_text("mine")
    (world / ".DS_Store").write_text("the Finder's")
    readme = data / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace("| 129 |", "| 128 |"), encoding="utf-8")
    before = contents(data)
    assert TOOL["main"](["--check", "--data", str(data)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "world/train/notes.txt: not a file of the sample",
        "world/test/metadata.jsonl: differs",
        "world/train/0003.png: missing",
        "README.md: the example or the checksums differ",
    ]
    assert contents(data) == before


def test_the_command_mends_its_own_files_and_then_agrees(data, files, capsys):
    assert TOOL["main"](["--data", str(data)]) == 0
    assert capsys.readouterr().out == "wrote world and README.md (195 files, 2.53 MB in all)\n"
    (data / "world" / "train" / "0003.png").write_bytes(b"")
    assert TOOL["main"](["--data", str(data)]) == 0
    assert capsys.readouterr().out == "wrote world (195 files, 2.53 MB in all)\n"
    assert TOOL["main"](["--data", str(data), "--check"]) == 0
    assert contents(data / "world") == files


@pytest.mark.parametrize("name", ["notes.txt", "train/9999.png", "more/0000.png", ".hidden"])
def test_what_somebody_else_put_there_is_named_and_nothing_is_written(data, name, capsys):
    stranger = data / "world" / name
    stranger.parent.mkdir(parents=True)
    stranger.write_text("mine")
    before = contents(data)
    assert TOOL["main"](["--data", str(data)]) == 2
    assert f"{name}. Move that elsewhere first" in capsys.readouterr().err
    assert contents(data) == before


def test_a_file_in_the_folders_place_stays(data, files):
    (data / "world").write_text("mine")
    with pytest.raises(FileExistsError, match="Move that elsewhere first"):
        TOOL["write"](data, files)
    assert (data / "world").read_text() == "mine"


@pytest.mark.parametrize("lost", ["<!-- example:end -->", "<!-- checksums:begin -->", None])
def test_without_a_place_in_the_readme_nothing_is_written(data, lost, capsys):
    readme = data / "README.md"
    if lost is None:
        readme.unlink()
    else:
        readme.write_text(readme.read_text().replace(lost, ""))
    for options in ([], ["--check"]):
        assert TOOL["main"](["--data", str(data), *options]) == 2
        assert "put the lines <!--" in capsys.readouterr().err
    assert not (data / "world").exists()


@pytest.mark.parametrize("fails", [1, 2])
def test_a_failure_in_the_middle_leaves_the_old_files_and_no_rubbish(data, files, fails, monkeypatch):
    TOOL["write"](data, files)
    (data / "world" / "train" / "0003.png").write_bytes(b"old")
    before, rename, calls = contents(data), Path.rename, []

    def failing(self, target):
        calls.append(self)
        if len(calls) == fails:
            raise OSError("the disk has gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="the disk has gone"):
        TOOL["write"](data, files)
    assert contents(data) == before
    assert sorted(path.name for path in data.iterdir()) == ["README.md", "world"]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_pillow_reads_the_pixels_that_the_encoder_was_given(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(TOOL["png"](pixels))) as image:
        image.verify()
    with Image.open(io.BytesIO(TOOL["png"](pixels))) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("length", [0, 1, 65534, 65535, 65536, 131070, 200_000])
def test_stored_blocks_are_a_zlib_stream_that_no_compressor_chose(length):
    content = np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8).tobytes()
    stream = TOOL["stored"](content)
    assert zlib.decompress(stream) == content
    blocks = max(1, -(-length // 65535))
    assert len(stream) == 2 + 5 * blocks + length + 4


def test_the_files_are_readable_by_everybody_who_may_read_the_clone(data, files):
    TOOL["write"](data, files)
    beside = data / "beside"
    beside.mkdir()
    assert (data / "world").stat().st_mode == (data / "world" / "train").stat().st_mode == beside.stat().st_mode
