"""Public data sets: downloaded once, checked byte for byte before each use, kept in ``cache_folder()``.

>>> sorted(available())
['fashion_mnist', 'mnist']
>>> splits = fashion_mnist()  # doctest: +SKIP
>>> splits.train, splits.licence  # doctest: +SKIP
(Labelled(55000 images of (1, 28, 28)), 'MIT, Copyright 2017 Zalando SE')

A data set is an entry of the table ``_DATASETS`` (where it is, which files, their checksums) and a function that reads it.
The files, their names and the folder are torchvision's, so that a folder made by either serves both.

``clothing``, ``coco_captions``, ``easy_vqa``, ``fsdd``, ``kitti`` and ``sms_spam`` read what you put into place yourself; without
it, they say what to put where.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch

from mmlearn.data.clothing import clothing
from mmlearn.data.coco import coco_captions
from mmlearn.data.download import DamagedFile, DownloadError, RemoteFile, cache_folder, download
from mmlearn.data.driving import kitti
from mmlearn.data.easy_vqa import easy_vqa
from mmlearn.data.sms_spam import sms_spam
from mmlearn.data.splits import ImageSplits, Labelled, hold_out
from mmlearn.data.spoken_digits import fsdd

__all__ = [
    "PublicDataset",
    "available",
    "clothing",
    "coco_captions",
    "easy_vqa",
    "fashion_mnist",
    "fetch",
    "fsdd",
    "kitti",
    "mnist",
    "sms_spam",
    "verify",
]


@dataclass(frozen=True)
class PublicDataset:
    """What is known of a data set before any of it is on this machine."""

    title: str
    folder: str  # below the root, as torchvision has it
    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    classes: tuple[str, ...]
    source: str
    licence: str

    @property
    def size(self):
        """Bytes to download."""
        return sum(file.size for file in self.files)


_DATASETS = {
    "fashion_mnist": PublicDataset(
        title="Fashion-MNIST",
        folder="FashionMNIST/raw",
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        files=(
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        classes=("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        source="Xiao, Rasul & Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT, Copyright 2017 Zalando SE",
    ),
    "mnist": PublicDataset(
        title="MNIST",
        folder="MNIST/raw",
        mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        files=(
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        classes=tuple("0123456789"),
        source="LeCun, Cortes & Burges 1998, http://yann.lecun.com/exdb/mnist/",
        licence="no formal licence by the authors; widely given as CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)",
    ),
}


def available():
    """Every public data set of the course: name → PublicDataset (title, size in bytes, source, licence, …)."""
    return dict(_DATASETS)


def fetch(name, root=None, *, download=True):
    """Make sure that every file of a data set is here and right; return their folder.

    root: None for the cache, where a damaged file is removed and fetched again; or a folder of yours (torchvision's
    layout, or the files themselves), where missing files are added and nothing is ever removed.
    Raises DamagedFile naming a wrong file of yours; DownloadError (a ConnectionError) without a network and
    FileNotFoundError with ``download=False``, both saying which files to put where by hand.
    """
    dataset = _dataset(name)
    folder = _folder(dataset, root)
    for file in dataset.files:
        path = file.locate(folder)
        problem = file.problem(path) if path else None
        if path and not problem:
            continue
        if path and root is not None:
            raise DamagedFile(f"{path} is {problem}. It is yours, so it stays: remove it, and it is fetched again")
        if not download:
            why = f"{path} is {problem}" if path else f"{file.name} is missing"
            raise FileNotFoundError(f"{dataset.title} is not complete: {why}.\n{_by_hand(dataset, folder)}")
        if path:
            print(f"{path} is {problem}: removed, and fetched again")
            path.unlink()
        _download(dataset, file, folder)
    return folder


def verify(name, root=None):
    """Check every file of a data set, change nothing: file name → "ok", "missing", or what is wrong with it."""
    dataset = _dataset(name)
    folder = _folder(dataset, root)
    paths = {file: file.locate(folder) for file in dataset.files}
    return {file.name: (file.problem(path) or "ok") if path else "missing" for file, path in paths.items()}


def fashion_mnist(root=None, download=True, validation=5000, seed=0):
    """Fashion-MNIST (Xiao et al. 2017): 70,000 grey 28×28 pictures of clothes in ten classes, as ImageSplits.

    images: (N, 1, 28, 28) float32 in [0, 1]   labels: (N,) int64
    The published 10,000 test images stay the test part; ``validation`` images, each class in its proportion, are held out
    of the published 60,000. ``root`` and the errors: see ``fetch``.
    """
    return _idx_splits("fashion_mnist", root, download, validation, seed)


def mnist(root=None, download=True, validation=5000, seed=0):
    """MNIST (LeCun et al. 1998): 70,000 handwritten digits, 28×28. Otherwise as ``fashion_mnist``."""
    return _idx_splits("mnist", root, download, validation, seed)


def _idx_splits(name, root, download, validation, seed):
    dataset = _dataset(name)
    folder = fetch(name, root, download=download)
    train_images, train_labels, test_images, test_labels = (_read_idx(file.read(folder)) for file in dataset.files)

    train, held = hold_out(_pixels(train_images), train_labels.long(), validation, seed=seed)
    test = Labelled(_pixels(test_images), test_labels.long())
    return ImageSplits(train, held, test, dataset.classes, dataset.source, dataset.licence)


def _read_idx(content):
    """The bytes of an idx file → uint8 tensor. Header: 0, 0, type (8 = uint8), axes, then each axis as a big-endian int32."""
    axes = content[3]
    shape = [int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes)]
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=4 + 4 * axes).view(shape)


def _pixels(images):
    return images.unsqueeze(1).float() / 255  # (N, H, W) bytes → (N, 1, H, W) in [0, 1]


def _dataset(name):
    if name not in _DATASETS:
        near = get_close_matches(str(name).replace("-", "_"), _DATASETS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"no public data set is called {name!r}: {hint}There are {', '.join(_DATASETS)}")
    return _DATASETS[name]


def _folder(dataset, root):
    """The folder of a data set's files: torchvision's below ``root``; or ``root`` itself, if it is yours and has them."""
    if root is None:
        return cache_folder() / dataset.folder
    root = Path(root).expanduser()
    return root if any(file.locate(root) for file in dataset.files) else root / dataset.folder


def _download(dataset, file, folder):
    print(f"{dataset.title}: fetching {file.name} ({file.size:,} bytes) into {folder}. Licence: {dataset.licence}")
    try:
        download(file, dataset.mirrors, folder)
    except DownloadError as error:
        raise DownloadError(f"{dataset.title} could not be downloaded:\n{error}\n{_by_hand(dataset, folder)}") from error


def _by_hand(dataset, folder):
    """What a person without a network does: which files, from where, into which folder."""
    missing = [file for file in dataset.files if file.locate(folder) is None or file.problem(file.locate(folder))]
    lines = [f"  {file.name}  {file.size:,} bytes  sha256 {file.sha256}" for file in missing]
    return (
        f"Put by hand into {folder}:\n" + "\n".join(lines) + f"\nThey come from {' or '.join(dataset.mirrors)}. "
        f"Or set MMLEARN_DATA to a folder that holds {dataset.folder}."
    )
