import gzip
import hashlib
import shutil
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import torch

from mmlearn.data import public
from mmlearn.data.download import DamagedFile, DownloadError, cache_folder

MNIST = "mnist/MNIST/raw"  # real files
NAMES = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache on a machine without a network."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MMLEARN_DATA", str(folder))

    def no_network(*args, **kwargs):
        raise urllib.error.URLError("the network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    return folder


@pytest.fixture
def fill(cache, real):
    """A function: fill() copies MNIST's real files into the cache and returns their folder there."""

    def copy():
        folder = cache / "MNIST/raw"
        folder.mkdir(parents=True)
        for file in real(MNIST).iterdir():
            shutil.copyfile(file, folder / file.name)
        return folder

    return copy


def use_mirror(monkeypatch, folder, name="mnist"):
    """Let the only mirror be a folder of this machine, and downloads work."""
    monkeypatch.undo()
    monkeypatch.setitem(public._DATASETS, name, replace(public._DATASETS[name], mirrors=(f"{folder.as_uri()}/",)))


def damage(path, at=1000):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def content_of(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_fashion_mnist_is_complete_and_balanced(cache, real):
    splits = public.fashion_mnist(real("fashion_mnist/FashionMNIST/raw"), download=False)
    assert splits.train.images.shape == (55000, 1, 28, 28)
    assert splits.validation.labels.bincount().tolist() == [500] * 10
    assert splits.test.labels.bincount().tolist() == [1000] * 10
    assert splits.train.images.dtype == torch.float32
    assert splits.train.images.aminmax() == (0.0, 1.0)
    assert [splits.classes[label] for label in splits.test.labels[:3]] == ["Ankle boot", "Pullover", "Trouser"]
    assert "MIT" in splits.licence


def test_the_bytes_are_those_torchvision_reads(cache, fill):
    torchvision = pytest.importorskip("torchvision")
    fill()
    for path in (cache / "MNIST/raw").iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    theirs = torchvision.datasets.MNIST(cache, train=False)
    ours = public.mnist(cache, validation=0)
    assert torch.equal((ours.test.images[:, 0] * 255).round().byte(), theirs.data)
    assert torch.equal(ours.test.labels, theirs.targets)
    assert torch.equal((ours.train.images[:, 0] * 255).round().byte(), torchvision.datasets.MNIST(cache, train=True).data)


@pytest.mark.parametrize(("name", "theirs"), [("fashion_mnist", "FashionMNIST"), ("mnist", "MNIST")])
def test_files_checksums_and_mirrors_are_torchvisions(name, theirs, real):
    torchvision = pytest.importorskip("torchvision")
    dataset = public.available()[name]
    folder = real(f"{name}/{dataset.folder}")
    theirs = getattr(torchvision.datasets, theirs)
    assert {file.name for file in dataset.files} == {file for file, _ in theirs.resources}
    assert list(dataset.mirrors) == theirs.mirrors
    assert list(dataset.classes) == [label.split(" - ")[0] for label in theirs.classes]
    for file, md5 in theirs.resources:
        assert hashlib.md5((folder / file).read_bytes(), usedforsecurity=False).hexdigest() == md5


def test_verify_names_what_is_missing_damaged_and_cut_off_and_changes_nothing(cache, fill):
    assert public.verify("mnist") == dict.fromkeys(NAMES, "missing")
    folder = fill()
    assert public.verify("mnist") == dict.fromkeys(NAMES, "ok")
    damage(folder / NAMES[2])
    (folder / NAMES[0]).write_bytes((folder / NAMES[0]).read_bytes()[:5000])
    (folder / NAMES[1]).unlink()
    before = content_of(folder)
    found = public.verify("mnist")
    assert "it has 5,000 bytes where 9,912,422 are right" in found[NAMES[0]]
    assert found[NAMES[1]] == "missing"
    assert "sha256" in found[NAMES[2]]
    assert found[NAMES[3]] == "ok"
    assert content_of(folder) == before


def test_a_file_damaged_in_the_cache_is_named_and_fetched_again(cache, monkeypatch, capsys, fill, real):
    folder = fill()
    right = content_of(folder)
    damage(folder / NAMES[2])
    (folder / NAMES[1]).write_bytes((folder / NAMES[1]).read_bytes()[:100])
    use_mirror(monkeypatch, real(MNIST))
    monkeypatch.setenv("MMLEARN_DATA", str(cache))
    assert len(public.mnist().test) == 10000
    said = capsys.readouterr().out
    assert f"{folder / NAMES[2]} is damaged" in said
    assert f"{folder / NAMES[1]} is cut off or damaged: it has 100 bytes" in said
    assert "Licence: no formal licence" in said
    assert content_of(folder) == right
    public.mnist()
    assert capsys.readouterr().out == ""


def test_a_damaged_file_of_yours_is_named_and_stays(cache, fill):
    folder = fill()
    damage(folder / NAMES[0], at=-1)
    before = content_of(folder)
    for root in (cache, folder):
        with pytest.raises(DamagedFile, match=f"{NAMES[0]} is damaged.*It is yours, so it stays"):
            public.mnist(root)
    assert content_of(folder) == before


def test_unpacked_files_are_read_and_checked_too(cache, fill):
    folder = fill()
    for path in list(folder.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert public.verify("mnist") == dict.fromkeys(NAMES, "ok")
    assert len(public.mnist(folder).train) == 55000
    damage(folder / "t10k-labels-idx1-ubyte")
    with pytest.raises(DamagedFile, match="t10k-labels-idx1-ubyte is damaged"):
        public.mnist(folder)


def test_without_a_network_the_error_says_what_to_put_where(cache):
    with pytest.raises(DownloadError) as caught:
        public.fashion_mnist()
    assert isinstance(caught.value, ConnectionError)
    says = str(caught.value)
    assert "the network is unreachable" in says
    assert f"Put by hand into {cache / 'FashionMNIST' / 'raw'}" in says
    for file in public.available()["fashion_mnist"].files:
        assert f"{file.name}  {file.size:,} bytes  sha256 {file.sha256}" in says
    assert "http://fashion-mnist.s3-website" in says
    assert "MMLEARN_DATA" in says


def test_without_a_network_only_what_is_missing_is_asked_for(cache, fill):
    folder = fill()
    (folder / NAMES[3]).unlink()
    with pytest.raises(DownloadError) as caught:
        public.mnist()
    assert NAMES[3] in str(caught.value).split("Put by hand")[1]
    assert NAMES[0] not in str(caught.value).split("Put by hand")[1]


def test_download_false_never_touches_the_network_or_the_files(cache, fill):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz is missing"):
        public.mnist(download=False)
    folder = fill()
    damage(folder / NAMES[0])
    before = content_of(folder)
    with pytest.raises(FileNotFoundError, match="is damaged"):
        public.mnist(download=False)
    assert content_of(folder) == before


def test_a_mirror_that_gives_half_a_file_leaves_nothing_behind(cache, tmp_path, monkeypatch, real):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / NAMES[0]).write_bytes((real(MNIST) / NAMES[0]).read_bytes()[:20000])
    use_mirror(monkeypatch, mirror)
    monkeypatch.setenv("MMLEARN_DATA", str(cache))
    with pytest.raises(DownloadError, match="what came is cut off or damaged: it has 20,000 bytes"):
        public.fetch("mnist")
    assert list((cache / "MNIST/raw").iterdir()) == []


def test_an_interrupted_download_leaves_nothing_behind(cache, monkeypatch):
    chunks = iter([b"half of a "])

    class Broken:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def read(self, size):
            if chunk := next(chunks, None):
                return chunk
            raise KeyboardInterrupt

    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: Broken())
    with pytest.raises(KeyboardInterrupt):
        public.fetch("mnist")
    assert list((cache / "MNIST/raw").iterdir()) == []


def test_the_second_mirror_is_tried_when_the_first_fails(cache, tmp_path, monkeypatch, real):
    use_mirror(monkeypatch, real(MNIST))
    monkeypatch.setenv("MMLEARN_DATA", str(cache))
    dataset = public._DATASETS["mnist"]
    mirrors = ((tmp_path / "nothing here").as_uri() + "/", *dataset.mirrors)
    monkeypatch.setitem(public._DATASETS, "mnist", replace(dataset, mirrors=mirrors))
    assert content_of(public.fetch("mnist")) == content_of(real(MNIST))


def test_a_full_disk_is_an_error_of_its_own(cache, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(urllib.request, "urlopen", full)
    with pytest.raises(OSError, match=r"bytes left.*free some space, or set MMLEARN_DATA") as caught:
        public.fetch("mnist")
    assert caught.value.errno == 28
    assert not isinstance(caught.value, ConnectionError)


def test_the_cache_is_the_users_unless_the_environment_says_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MMLEARN_DATA")
    assert cache_folder().name == "mmlearn"


def test_an_unknown_data_set_gets_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'fashion_mnist'"):
        public.fetch("fashion-mnst")
    assert set(public.available()) == {"fashion_mnist", "mnist"}
    assert public.available()["mnist"].size == 11594722
