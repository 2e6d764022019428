"""Labelled images in memory, and the three parts (train, validation, test) that every image data set of the course has."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Labelled:
    """Images with one class label each: ``images`` (N, C, H, W) float32 in [0, 1], ``labels`` (N,) int64.

    An integer picks one example, a slice or an index tensor picks several:

    >>> some = Labelled(torch.zeros(5, 1, 8, 8), torch.arange(5))
    >>> image, label = some[3]
    >>> image.shape, label
    (torch.Size([1, 8, 8]), tensor(3))
    >>> some[:2]
    Labelled(2 images of (1, 8, 8))
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self):
        if len(self.images) != len(self.labels):
            raise ValueError(f"each image needs one label; got {len(self.images)} images and {len(self.labels)} labels")

    @property
    def tensors(self):
        """(images, labels): what ``mmlearn.training.fit`` cuts into batches."""
        return self.images, self.labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        if isinstance(index, int):
            return self.images[index], self.labels[index]
        return Labelled(self.images[index], self.labels[index])

    def to(self, device):
        return Labelled(self.images.to(device), self.labels.to(device))

    def __repr__(self):
        return f"Labelled({len(self)} images of {tuple(self.images.shape[1:])})"


@dataclass(frozen=True)
class ImageSplits:
    """A data set in three parts that share no image. ``classes[label]`` is the name of a label."""

    train: Labelled
    validation: Labelled
    test: Labelled
    classes: tuple[str, ...]
    source: str
    licence: str

    def to(self, device):
        return ImageSplits(
            self.train.to(device), self.validation.to(device), self.test.to(device), self.classes, self.source, self.licence
        )


def hold_out(images, labels, count, *, seed):
    """Split off ``count`` images, each class in its proportion: (the rest, the held-out part), both Labelled.

    images: (N, C, H, W)   labels: (N,)   The same seed gives the same split.
    """
    from sklearn.model_selection import train_test_split  # slow to import

    if count == 0:
        return Labelled(images, labels), Labelled(images[:0], labels[:0])
    classes = len(labels.unique())
    if not classes <= count <= len(labels) - classes:
        raise ValueError(
            f"cannot hold out {count} of {len(labels)} images: with {classes} classes, "
            f"ask for 0 or for {classes} to {len(labels) - classes}, so that each part has every class"
        )
    rest, held = train_test_split(torch.arange(len(labels)).numpy(), test_size=count, stratify=labels.numpy(), random_state=seed)
    return Labelled(images[rest], labels[rest]), Labelled(images[held], labels[held])


def to_float(images):
    """Bytes to floats, channels first: uint8 (N, H, W, 3) or (N, H, W) → float32 (N, C, H, W) in [0, 1].

    >>> to_float(torch.full((2, 4, 6, 3), 255, dtype=torch.uint8)).shape
    torch.Size([2, 3, 4, 6])
    >>> to_float(torch.zeros(2, 4, 6, dtype=torch.uint8)).shape
    torch.Size([2, 1, 4, 6])
    """
    images = torch.as_tensor(images)
    shape = tuple(images.shape)
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 in 0…255; got {images.dtype} {shape}: floats in [0, 1] need no to_float")
    if images.ndim == 3:
        images = images.unsqueeze(1)  # (N, 1, H, W)
    elif images.ndim == 4 and shape[-1] == 3:
        images = images.permute(0, 3, 1, 2)  # (N, 3, H, W)
    else:
        raise ValueError(
            f"images must be (N, H, W, 3) colour or (N, H, W) grey; got {shape}: one image becomes a batch with images[None]"
        )
    return images.contiguous().float() / 255
