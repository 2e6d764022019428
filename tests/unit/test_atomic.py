"""A file that is written atomically is the old one or the new one, whatever happens in between."""

import os
import signal
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.atomic import replace_folder, write_atomically

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither umask nor signals")


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@given(content=st.one_of(st.binary(), st.text(st.characters(codec="utf-8"))))
def test_what_is_written_is_what_was_given_to_the_last_line_end(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("folder")
    write_atomically(folder / "file", content)
    assert files(folder) == {"file": content.encode() if isinstance(content, str) else content}


def test_the_old_file_is_replaced_and_the_path_may_be_a_string(tmp_path):
    (tmp_path / "file").write_text("a long old content")
    write_atomically(str(tmp_path / "file"), "new")
    assert files(tmp_path) == {"file": b"new"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_on_the_way_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, call, error):
    (tmp_path / "file").write_text("old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(type(error)) as caught:
        write_atomically(tmp_path / "file", "new", fsync=True)
    assert caught.value is error
    assert files(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize(("content", "error"), [("\ud800", UnicodeEncodeError), (3, TypeError), (None, TypeError)])
def test_what_is_no_content_leaves_the_old_file_and_no_other(tmp_path, content, error):
    (tmp_path / "file").write_text("old")
    with pytest.raises(error):
        write_atomically(tmp_path / "file", content)
    assert files(tmp_path) == {"file": b"old"}


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "file", "new")
    assert files(tmp_path) == {}


def test_the_whole_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    """Asked for, fsync comes once, after the last byte was handed to the system and before the renaming; else never."""
    order, real_fsync, real_replace = [], os.fsync, os.replace

    def fsync(descriptor):
        order.append(("fsync", os.fstat(descriptor).st_size))
        real_fsync(descriptor)

    def replace(source, target):
        order.append(("replace", os.stat(source).st_size))
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_atomically(tmp_path / "file", b"x" * 100_000, fsync=True)
    assert order == [("fsync", 100_000), ("replace", 100_000)]
    write_atomically(tmp_path / "file", b"x")
    assert order[2:] == [("replace", 1)]


@posix
@pytest.mark.parametrize(("umask", "mode", "expected"), [(0o022, 0o666, 0o644), (0o002, 0o666, 0o664), (0o022, 0o600, 0o600)])
def test_permissions_are_those_of_any_new_file_or_narrower(tmp_path, umask, mode, expected):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o640)
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", "new", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == expected


@posix
def test_a_symbolic_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("old")
    (tmp_path / "file").symlink_to("elsewhere")
    write_atomically(tmp_path / "file", "new")
    assert not (tmp_path / "file").is_symlink()
    assert files(tmp_path) == {"elsewhere": b"old", "file": b"new"}


@posix
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_kill_leaves_the_old_file_and_one_hidden_one(tmp_path, call):
    (tmp_path / "file").write_text("old")
    program = (
        "import os, signal, sys\nfrom mmlearn.atomic import replace_folder, write_atomically\n"
        f"os.{call} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(sys.argv[1], 'new', fsync=True)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "file")], check=False)
    assert done.returncode == -signal.SIGKILL
    left = files(tmp_path)
    assert left.pop("file") == b"old"
    ((name, content),) = left.items()
    assert name.startswith(".file.")
    assert name.endswith(".part")
    assert content == b"new"


def test_it_needs_nothing_but_the_standard_library():
    program = "import sys; import mmlearn.atomic; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    before = subprocess.run(
        [sys.executable, "-I", "-c", program.replace("import mmlearn.atomic", "pass")], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) - set(before.stdout.split()) - sys.stdlib_module_names == {"mmlearn"}


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "below" / "folder"
    replace_folder(folder, {"a.txt": b"1", "deep/b.txt": b"2"})
    replace_folder(folder, {"deep/b.txt": b"3"})
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {"deep/b.txt": b"3"}
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_written_leaves_the_old_one(tmp_path):
    folder = tmp_path / "folder"
    replace_folder(folder, {"a.txt": b"1"})
    with pytest.raises(FileExistsError):  # "a" cannot be a file and a folder
        replace_folder(folder, {"a": b"2", "a/b": b"3"})
    assert (folder / "a.txt").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
