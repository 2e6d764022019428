"""COCO 2017: photographs of everyday scenes with captions and boxes (Lin et al. 2014; Chen et al. 2015 for the captions)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmlearn.data.by_hand import located
from mmlearn.data.image_file import open_image

SOURCE = "https://cocodataset.org"
LICENCE = "annotations CC BY 4.0; each photograph has its own, kept in Photograph.licence"


@dataclass(frozen=True)
class Photograph:
    """One photograph: ``image`` (3, H, W) uint8; about five ``captions``, ``box`` (K, 4) xyxy in pixels, K ``objects``."""

    number: int
    image: torch.Tensor
    captions: tuple[str, ...]
    box: torch.Tensor
    objects: tuple[str, ...]
    licence: str


class CocoCaptions(Sequence):
    """The photographs of one part, read when they are asked for. ``missing``: file names that captions speak of and nobody has;
    ``uncaptioned``: pictures in the folder that no caption speaks of."""

    def __init__(self, images, captions, boxes, names, licences, files):
        self._captions, self._boxes, self._names, self._licences = captions, boxes, names, licences
        described = {image["file_name"] for image in images if captions.get(image["id"])}
        self.missing = sorted(described - set(files))
        self.uncaptioned = sorted(set(files) - described)
        self._images = [image for image in images if image["file_name"] in described and image["file_name"] in files]
        self._files = files

    def __len__(self):
        return len(self._images)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        about = self._images[index]
        boxes = self._boxes.get(about["id"], [])
        corners = torch.tensor([box for box, _ in boxes], dtype=torch.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]  # x, y, width, height → x1, y1, x2, y2
        return Photograph(
            about["id"],
            read_image(self._files[about["file_name"]]),
            tuple(self._captions[about["id"]]),
            corners,
            tuple(self._names[category] for _, category in boxes),
            self._licences.get(about["license"], "not stated"),
        )

    def __repr__(self):
        return f"CocoCaptions({len(self)} photographs; {len(self.missing)} missing, {len(self.uncaptioned)} without a caption)"


def coco_captions(root=None, part="val2017"):
    """COCO's photographs that are on this machine, with captions and boxes: a sequence of Photograph.

    root: None for MMLEARN_DATA, or a folder of yours that holds ``<part>/*.jpg`` and ``annotations/`` as COCO's archives do
    Raises FileNotFoundError with what to put where; ValueError naming a file that is damaged.
    """
    folder = located("COCO", ("coco", "coco_mini"), f"annotations/captions_{part}.json", root, SOURCE, LICENCE)
    spoken = _json(folder / "annotations" / f"captions_{part}.json")
    captions, boxes, names = {}, {}, {}
    for line in spoken["annotations"]:
        captions.setdefault(line["image_id"], []).append(" ".join(line["caption"].split()))
    instances = folder / "annotations" / f"instances_{part}.json"
    if instances.exists():
        seen = _json(instances)
        names = {category["id"]: category["name"] for category in seen["categories"]}
        for line in seen["annotations"]:
            boxes.setdefault(line["image_id"], []).append((line["bbox"], line["category_id"]))
    licences = {licence["id"]: licence["name"] for licence in spoken["licenses"]}
    files = {path.name: path for path in sorted((folder / part).glob("*.jpg"))}
    return CocoCaptions(spoken["images"], captions, boxes, names, licences, files)


def read_image(path):
    """A picture file as (3, H, W) uint8, grey ones too; ValueError naming a file that is damaged or no picture."""
    try:
        pixels = np.array(open_image(path).convert("RGB"))  # (H, W, 3)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a picture: {error}. Fetch it again, or remove it") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. Fetch it again") from error
