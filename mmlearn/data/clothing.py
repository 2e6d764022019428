"""Photographs of clothes in ten classes, taken by many people on floors and hangers (Grigorev 2020)."""

import torch

from mmlearn.data.by_hand import located
from mmlearn.data.coco import read_image
from mmlearn.data.splits import ImageSplits, Labelled

SOURCE = "https://github.com/alexeygrigorev/clothing-dataset-small"
LICENCE = "CC0 1.0, Alexey Grigorev and contributors"
CLASSES = ("dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt")


def clothing(root=None, size=64):
    """The photographs that are on this machine as ImageSplits, in the parts that were published.

    images: (N, 3, size, size) float32 in [0, 1], the central square, resized with anti-aliasing   labels: (N,) int64, in CLASSES
    root: None for MMLEARN_DATA, or a folder of yours that holds train/, validation/ and test/, each with a folder for each class
    Raises FileNotFoundError with what to put where, also where a class is missing; ValueError naming a file that is damaged.
    """
    folders = ("clothing_dataset_small", "clothing-dataset-small")
    folder = located("The clothing data set", folders, "train/dress", root, SOURCE, LICENCE)
    parts = []
    for part in ("train", "validation", "test"):
        images, labels = [], []
        for label, name in enumerate(CLASSES):
            files = sorted((folder / part / name).glob("*.jpg"))
            if not files:
                raise FileNotFoundError(f"{folder / part / name} holds no *.jpg: get the data set anew from {SOURCE}")
            images += [_square(read_image(file), size) for file in files]
            labels += [label] * len(files)
        parts.append(Labelled(torch.stack(images), torch.tensor(labels)))
    return ImageSplits(*parts, CLASSES, SOURCE, LICENCE)


def _square(image, size):
    """(3, H, W) uint8 → (3, size, size) float32: the central square, resized."""
    H, W = image.shape[1:]
    side = min(H, W)
    top, left = (H - side) // 2, (W - side) // 2
    square = image[None, :, top : top + side, left : left + side].float() / 255
    return torch.nn.functional.interpolate(square, (size, size), mode="bilinear", antialias=True)[0].clamp(0, 1)
