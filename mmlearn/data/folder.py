"""A folder of images (and sounds) with captions, in the layout of Hugging Face's ``imagefolder``: searched for faults, or read.

    pets/metadata.jsonl      {"file_name": "cat.png", "caption": "a cat"}    one line for each file; other keys stay with it
    pets/cat.png             or in a folder below; the file_name then says so: "indoors/cat.png"

Captions may also lie in metadata.csv, captions.jsonl, captions.csv, captions.json ({"cat.png": "a cat"}), or in a file of COCO.
"""

from collections import defaultdict
from dataclasses import dataclass

from mmlearn.data.download import sha256
from mmlearn.data.folder_contents import Problem, contents
from mmlearn.data.image_file import open_image, to_tensor
from mmlearn.data.leakage import pixel_hash

_SHOWN = 20


@dataclass(frozen=True)
class FolderReport:
    """What ``inspect_folder`` found, made to be printed. Names are relative to the folder.

    images, sounds, other: all files, by kind   captions: how many captions there are
    damaged: files that cannot be read   unusable: rows of the captions that cannot be used
    without_caption, without_file: files that no caption names, captions whose file is not there
    duplicates: groups of images with equal pixels, of sounds with equal bytes
    sizes: (width, height) → names   modes: PIL's name of the pixel format ("RGB", "L" for grey, "RGBA", …) → names
    """

    folder: str
    images: tuple[str, ...]
    sounds: tuple[str, ...]
    other: tuple[str, ...]
    captions: int
    damaged: tuple[Problem, ...]
    unusable: tuple[Problem, ...]
    without_caption: tuple[str, ...]
    without_file: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    sizes: dict
    modes: dict

    @property
    def problems(self):
        """What ``read_folder`` refuses: all of damaged, unusable, without_caption and without_file, as Problems."""
        return _problems(self.damaged, self)

    def __str__(self):
        found = {
            "damaged": self.damaged,
            "captions that cannot be used": self.unusable,
            "files without a caption": self.without_caption,
            "captions without a file": self.without_file,
            "the same picture or sound": [" = ".join(names) for names in self.duplicates],
            "files of other kinds": self.other,
        }
        for title, groups in (("size", {f"{w}×{h}": names for (w, h), names in self.sizes.items()}), ("mode", self.modes)):
            (usual, _), *others = sorted(groups.items(), key=lambda item: -len(item[1])) or [("", ())]
            found[f"another {title} than the usual {usual}"] = [f"{name}: {kind}" for kind, names in others for name in names]
        lines = [f"{self.folder}: {len(self.images)} images, {len(self.sounds)} sounds, {self.captions} captions"]
        for title, names in found.items():
            if names:
                lines += [f"  {title}: {len(names)}", *_shown(names, "    ")]
        return "\n".join(lines if len(lines) > 1 else [*lines, "  nothing wrong"])


@dataclass(frozen=True)
class FolderData:
    """Records in the order of the captions, and what was left out: ``skipped``. Works as a torch Dataset, with ``collate``."""

    records: tuple[dict, ...]
    skipped: tuple[Problem, ...]

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        return self.records[index]


def inspect_folder(path, captions="find"):
    """Everything that is odd about the folder, counted and listed: a FolderReport. Every file is decoded; nothing is changed.

    captions: as in ``read_folder``, but a folder without any is a report in which every file lacks one.
    """
    inside = contents(path, captions, needed=False)
    sizes, modes, equal, damaged = defaultdict(list), defaultdict(list), defaultdict(list), []

    def image(name):
        picture = open_image(inside.folder / name)
        pixels = to_tensor(picture)
        sizes[picture.size].append(name)
        modes[picture.mode].append(name)
        return pixel_hash(pixels)

    def sound(name):
        _sound(inside.folder / name, rate=None, resample=False)
        return sha256(inside.folder / name)

    for read, names in ((image, inside.images), (sound, inside.sounds)):
        for name in names:
            try:
                equal[read(name)].append(name)
            except (OSError, ValueError) as error:
                damaged.append(_damage(name, error, inside.folder))
    return FolderReport(
        str(inside.folder),
        inside.images,
        inside.sounds,
        inside.other,
        inside.captions,
        tuple(damaged),
        inside.unusable,
        inside.without_caption,
        inside.without_file,
        tuple(tuple(names) for names in equal.values() if len(names) > 1),
        dict(sizes),
        dict(modes),
    )


def read_folder(path, size=None, skip_damaged=False, captions="find", rate=16000, resample=False):
    """The folder's records: FolderData of dicts with "file_name", "caption", the other keys of its row, and "image" or "sound".

    image: (3, H, W) float32 in [0, 1], upright, on white where transparent; with ``size`` its central square, size × size pixels
    sound: (channels, T) float32; ``rate`` and ``resample`` as in ``mmlearn.data.audio.read_wav``
    captions: "find" the file with the captions, or its path from the folder on, or None: the files alone, without captions
    A picture with several captions (COCO) has the first as "caption", and all of them as the tuple "captions".
    skip_damaged: leave out what cannot be used, and say in ``skipped`` what and why. Else one ValueError names every damaged
    file, file without a caption, caption without a file, and row that cannot be used.
    All images are held in memory: 48 kB each at 64 × 64 pixels.
    Raises FileNotFoundError without folder or captions, ValueError when nothing is left.

    >>> pets = read_folder("pets", size=64)  # doctest: +SKIP
    >>> pets[0]["image"].shape, pets[0]["caption"]  # doctest: +SKIP
    (torch.Size([3, 64, 64]), 'a cat')
    """
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ValueError(f"size must be a whole number of pixels, at least 1, or None for the whole image; got {size!r}")
    inside, damaged, read = contents(path, captions), [], {}
    for name in inside.images + inside.sounds:
        try:
            if name in inside.sounds:
                read[name] = {"sound": _sound(inside.folder / name, rate, resample)}
            else:
                read[name] = {"image": to_tensor(open_image(inside.folder / name), size)}
        except (OSError, ValueError) as error:
            damaged.append(_damage(name, error, inside.folder))
    problems = _problems(damaged, inside)
    if problems and not skip_damaged:
        said = "\n".join([f"{len(problems)} things are wrong in {inside.folder}:", *_shown(problems, "  ")])
        raise ValueError(
            f"{said}\nMend them, or pass skip_damaged=True to leave them out: the result says in .skipped what was left out"
        )
    records = tuple(row | read[name] for name, row in inside.rows.items() if name in read)
    if not records:
        raise ValueError("\n".join([f"{inside.folder} has nothing that can be used:", *_shown(problems or ["no file"], "  ")]))
    return FolderData(records, problems)


def _sound(path, rate, resample):
    from mmlearn.data.audio import read_wav

    return read_wav(path, rate, resample)


def _damage(name, error, folder):
    """The Problem; the message may begin with the path, which ``name`` says already."""
    return Problem(name, str(error).removeprefix(str(folder / name)).lstrip(": "))


def _problems(damaged, found):
    """All that keeps files and captions from being used."""
    return (
        *damaged,
        *found.unusable,
        *(Problem(name, "has no caption") for name in found.without_caption),
        *(Problem(name, "has a caption, but the file is not there") for name in found.without_file),
    )


def _shown(items, indent):
    """The first of the items, one in a line, and how many more there are."""
    more = len(items) - _SHOWN
    return [f"{indent}{item}" for item in items[:_SHOWN]] + ([f"{indent}… and {more} more"] if more > 0 else [])
