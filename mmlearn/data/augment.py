"""Augmentation: another picture with the same meaning, and boxes, masks and captions that follow it."""

import math
from dataclasses import dataclass

import torch

from mmlearn.data.augment_captions import LARGE_ROTATION, breaks, mirror_words


@dataclass(frozen=True)
class Augmented:
    """What ``augment`` returns; None where nothing was given.

    image (C, H', W')   box (K, 4) xyxy pixels, zeros where absent   mask (K, H', W') bool   present (K,) bool: still to be seen
    caption: with left and right exchanged if the image was mirrored   applied: augmentation → what was drawn
    doubtful: augmentation → the words of the caption that may have become false; empty with keeps="caption"
    """

    image: torch.Tensor
    box: torch.Tensor | None
    mask: torch.Tensor | None
    present: torch.Tensor | None
    caption: str | None
    applied: dict
    doubtful: dict


def augment(
    image,
    *,
    seed,
    box=None,
    mask=None,
    present=None,
    caption=None,
    keeps="caption",
    crop=None,
    flip=0.0,
    rotation=0.0,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    hue=0.0,
    smallest=0.25,
):
    """One image augmented at random; everything given with it follows. The work is done by torchvision.transforms.v2.

    image: (3 or 1, H, W) floats in [0, 1]   box: (K, 4) xyxy pixels   mask: (K, H, W) bool   present: (K,) bool, None: all
    seed: a whole number, or a torch.Generator to go on with
    In this order:
    crop: a size (height, width), or a number for both: a window of that size at a random place
    flip: probability of a mirror image   rotation: up to so many degrees either way, about the centre; what comes in is black
    brightness, contrast, saturation: a factor up to so much below or above 1   hue: a turn of the colour circle, up to 0.5
    smallest: an object with less than this share of its area left (of the mask's, else of the box's) becomes absent:
    ``present`` False, box and mask zeros, slot kept. With masks, boxes are the masks' tight boxes; without, a turned box is the
    upright box around its turned corners.
    keeps: "caption": what could make the caption false is refused, naming the words, and no object leaves the picture: the crop
    is placed around them all, and a rotation that would lose one is left out (``applied`` says 0). None: the caption may become
    false; ``doubtful`` says in which words.
    ``mmlearn.data.augment_captions`` says what keeps a caption true.   Raises ValueError naming what does not fit.

    >>> done = augment(torch.rand(3, 8, 8), seed=0, box=torch.tensor([[0.0, 0, 2, 2]]), caption="a dog on the left", flip=1.0)
    >>> done.box.tolist(), done.caption, done.applied
    ([[6.0, 0.0, 8.0, 2.0]], 'a dog on the right', {'flip': True})
    """
    from torchvision.transforms.v2 import functional as tv

    jitter = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    _check(image, box, mask, present, crop, flip, rotation, jitter, keeps)
    amounts = {"crop": crop, "rotation": rotation, "large rotation": rotation > LARGE_ROTATION, **jitter}
    asked = [name for name, amount in amounts.items() if amount]
    doubtful = breaks(caption, asked) if caption is not None else {}
    keep_all = caption is not None and keeps == "caption"
    if keep_all:
        _refuse(doubtful, asked, box, mask)
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)

    def draw(low, high):
        return low + (high - low) * torch.rand((), generator=generator).item()

    scene, applied = _Scene.of(image, box, mask, present), {}
    if crop:
        height, width = (crop, crop) if isinstance(crop, int) else crop
        top, left = scene.window(height, width, keep_all, draw)
        scene = scene.changed(lambda part: tv.crop(part, top, left, height, width), smallest, loses=True)
        applied["crop"] = (top, left, height, width)
    if flip:
        applied["flip"] = draw(0, 1) < flip
        if applied["flip"]:
            scene = scene.changed(tv.horizontal_flip, smallest)
            caption = mirror_words(caption) if caption is not None else None
    if rotation:
        angle = draw(-rotation, rotation)
        turned = scene.changed(lambda part: tv.rotate(part, angle, interpolation=_interpolation(part)), smallest, loses=True)
        lost = scene.present is not None and bool((scene.present & ~turned.present).any())
        applied["rotation"] = 0.0 if keep_all and lost else angle
        scene = scene if keep_all and lost else turned
    for name, amount in jitter.items():
        if amount:
            applied[name] = draw(-amount, amount) if name == "hue" else draw(max(0.0, 1 - amount), 1 + amount)
            scene = scene.recoloured(getattr(tv, f"adjust_{name}"), applied[name])
    return Augmented(
        scene.image.as_subclass(torch.Tensor), scene.plain_box(), scene.plain_mask(), scene.present, caption, applied, doubtful
    )


def affine_points(points, angle, translate=(0.0, 0.0), centre=(0.0, 0.0)):
    """x' = R(x − c) + c + t — Eq. 1.8: points turned about c, then moved by t, as the pixels of a rotated image are.

    points: (…, 2), x from the left and y from the top   angle: degrees, counter-clockwise as you see it
    translate: t, centre: c, as (x, y); the centre of an image is (W/2, H/2)   returns: (…, 2)
    R = [[cos θ, sin θ], [−sin θ, cos θ]]: y points down, so the signs of the sines are not those of the blackboard.

    >>> affine_points(torch.tensor([[8.0, 4.0]]), 90, centre=(4, 4)).round()  # the middle of the right edge goes to the top
    tensor([[4., 0.]])
    """
    if points.shape[-1:] != (2,) or not points.is_floating_point():
        raise ValueError(f"points must be floats (…, 2), x and y; got {points.dtype} {tuple(points.shape)}")
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    R, c, t = points.new_tensor([[cos, sin], [-sin, cos]]), points.new_tensor(centre), points.new_tensor(translate)
    return (points - c) @ R.mT + c + t


@dataclass(frozen=True)
class _Scene:
    """Image, boxes and masks as tv_tensors, so that one call of torchvision moves them all."""

    image: torch.Tensor
    box: torch.Tensor | None
    mask: torch.Tensor | None
    present: torch.Tensor | None

    @classmethod
    def of(cls, image, box, mask, present):
        from torchvision import tv_tensors

        size = tuple(image.shape[1:])
        if box is not None:
            box = tv_tensors.BoundingBoxes(box.detach().clone().float(), format="XYXY", canvas_size=size, clamping_mode=None)
        mask = tv_tensors.Mask(mask) if mask is not None else None
        objects = box if box is not None else mask
        if objects is not None:
            present = torch.ones(len(objects), dtype=torch.bool) if present is None else present
        return cls(tv_tensors.Image(image), box, mask, present)

    def changed(self, move, smallest, loses=False):
        """Moved. What leaves the picture, by more than ``smallest`` allows, becomes absent."""
        image = move(self.image)
        box = move(self.box) if self.box is not None else None
        mask = move(self.mask) if self.mask is not None else None
        present = self.present
        if loses and present is not None:
            left = self._share_left(box, mask, image.shape[1:])
            present = present & (left >= smallest) & (left > 0)
        if mask is not None:
            mask = mask & present[:, None, None]
        if box is not None:
            box = self._fitted(box, mask, image.shape[1:]).where(present[:, None], 0)
            box = _like(self.box, box, image.shape[1:])
        return _Scene(image, box, _like(self.mask, mask), present)

    def _share_left(self, box, mask, size):
        """(K,): how much of each object's area is still in the picture."""
        if mask is not None:
            return mask.sum((1, 2)) / self.mask.sum((1, 2)).clamp(min=1)
        return _area(_clamped(box, size)) / _area(box).clamp(min=1e-6)

    def _fitted(self, box, mask, size):
        """(K, 4): the masks' tight boxes if there are masks, else the moved boxes cut off at the border."""
        if mask is None:
            return _clamped(box, size)
        from torchvision.ops import masks_to_boxes

        fitted, seen = torch.zeros(len(mask), 4), mask.flatten(1).any(dim=1)
        if seen.any():
            fitted[seen] = masks_to_boxes(mask[seen].as_subclass(torch.Tensor)) + torch.tensor(
                [0.0, 0, 1, 1]
            )  # far edge exclusive
        return fitted

    def recoloured(self, adjust, amount):
        colour = self.image if self.image.shape[0] == 3 else self.image.expand(3, -1, -1)
        image = adjust(colour, amount)
        return _Scene(image[: self.image.shape[0]], self.box, self.mask, self.present)

    def window(self, height, width, keep_all, draw):
        """(top, left) of a crop at a random place; with ``keep_all`` around every object."""
        H, W = self.image.shape[1:]
        low, high = [0, 0], [H - height, W - width]
        if keep_all and self.present.any():
            found = self.box if self.box is not None else self._fitted(None, self.mask, (H, W))
            found = _clamped(found, (H, W))[self.present]  # (k, 4)
            low = [max(0, math.ceil(found[:, 3].max().item()) - height), max(0, math.ceil(found[:, 2].max().item()) - width)]
            high = [min(high[0], math.floor(found[:, 1].min().item())), min(high[1], math.floor(found[:, 0].min().item()))]
            if low[0] > high[0] or low[1] > high[1]:
                raise ValueError(
                    f"no window of {height} × {width} holds all {len(found)} objects that the caption may speak of: "
                    "crop larger, or pass keeps=None"
                )
        return tuple(min(int(draw(a, b + 1)), b) for a, b in zip(low, high, strict=True))

    def plain_box(self):
        return None if self.box is None else self.box.as_subclass(torch.Tensor)

    def plain_mask(self):
        return None if self.mask is None else self.mask.as_subclass(torch.Tensor)


def _like(old, new, size=None):
    """The tensor as the tv_tensor that ``old`` was."""
    from torchvision import tv_tensors

    if old is None:
        return None
    return tv_tensors.wrap(new, like=old, **({"canvas_size": tuple(size)} if size is not None else {}))


def _interpolation(part):
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.tv_tensors import Mask

    return InterpolationMode.NEAREST if isinstance(part, Mask) else InterpolationMode.BILINEAR


def _clamped(box, size):
    """(K, 4) cut off at the border of an image of ``size`` = (H, W)."""
    H, W = size
    return torch.minimum(box.as_subclass(torch.Tensor).clamp(min=0), torch.tensor([W, H, W, H]))


def _area(box):
    return (box[:, 2] - box[:, 0]).clamp(min=0) * (box[:, 3] - box[:, 1]).clamp(min=0)


def _refuse(doubtful, asked, box, mask):
    """Raise if an augmentation could make the caption false."""
    if doubtful:
        said = "; ".join(f"{name} can make {', '.join(map(repr, words))} false" for name, words in doubtful.items())
        raise ValueError(f"{said}: leave it out, or pass keeps=None and look at .doubtful")
    blind = [name for name in asked if name in ("crop", "rotation")]
    if blind and box is None and mask is None:
        raise ValueError(
            f"{' and '.join(blind)} can push out of the picture what the caption names, and nothing says where that is: "
            "give box= or mask=, or pass keeps=None"
        )


def _check(image, box, mask, present, crop, flip, rotation, jitter, keeps):
    if not image.is_floating_point() or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"image must be (3, H, W) or (1, H, W) floats in [0, 1]; got {image.dtype} {tuple(image.shape)}")
    H, W = image.shape[1:]
    if box is not None and (box.ndim != 2 or box.shape[1] != 4):
        raise ValueError(f"box must be (K, 4), xyxy in pixels; got {tuple(box.shape)}")
    if mask is not None and (mask.dtype != torch.bool or mask.ndim != 3 or tuple(mask.shape[1:]) != (H, W)):
        raise ValueError(f"mask must be (K, {H}, {W}) bool, as the image is; got {mask.dtype} {tuple(mask.shape)}")
    counts = {name: len(given) for name, given in (("box", box), ("mask", mask), ("present", present)) if given is not None}
    if len(set(counts.values())) > 1 or list(counts) == ["present"]:
        raise ValueError(f"box, mask and present are about the same K objects; got {counts}")
    if crop is not None:
        size = (crop, crop) if isinstance(crop, int) else tuple(crop)
        if len(size) != 2 or not all(
            isinstance(side, int) and 1 <= side <= most for side, most in zip(size, (H, W), strict=True)
        ):
            raise ValueError(f"crop must be a size of at most the image's {H} × {W} pixels; got {crop}")
    if not 0 <= flip <= 1:
        raise ValueError(f"flip must be a probability in [0, 1]; got {flip}")
    if not 0 <= rotation <= 180:
        raise ValueError(f"rotation must be degrees from 0 to 180; got {rotation}")
    for name, amount in jitter.items():
        if not 0 <= amount <= (0.5 if name == "hue" else 1):
            raise ValueError(f"{name} must lie in 0 to {0.5 if name == 'hue' else 1}; got {amount}")
    if keeps not in ("caption", None):
        raise ValueError(f'keeps must be "caption" or None; got {keeps!r}')
