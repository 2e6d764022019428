"""A batch of scenes: what is where, and every sense of it."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from .attributes import COLOURS, SHAPES, SIZES


@dataclass(frozen=True)
class Scenes:
    """N scenes with up to K objects each, as ``sample`` draws them. Slots without an object hold −1 (names) or 0 (places).

    image    (N, 3, H, H) float32 in [0, 1]
    mask     (N, K, H, H) bool: the visible pixels of each object; what a nearer object hides is not in it
    box      (N, K, 4) float32, xyxy in pixels, the tight box of the mask: x1, y1 inclusive, x2, y2 exclusive
    visible  (N, K) float32 in [0, 1]: the share of the object's pixels that is not hidden
    present  (N, K) bool: the slot holds an object
    shape, colour, size   (N, K) int64: positions in SHAPES, COLOURS, SIZES; −1 where absent
    x, y, radius          (N, K) float32 in image widths: centre (from the left, from the top) and half a side of the square that
                          the object fits in
    depth    (N, K) int64: 0 is the nearest object; −1 where absent
    index    (N,) int64: the numbers of the scenes within their seed and split
    seed, split, texture, noise: with ``index``, all that is needed to draw the same scenes again

    An object that others hide completely stays present: its mask is empty, its box zero and visible is 0.
    An integer, a slice, a list or a tensor picks scenes; the result is always a Scenes.
    """

    image: torch.Tensor
    mask: torch.Tensor
    box: torch.Tensor
    visible: torch.Tensor
    present: torch.Tensor
    shape: torch.Tensor
    colour: torch.Tensor
    size: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    radius: torch.Tensor
    depth: torch.Tensor
    index: torch.Tensor
    seed: int
    split: str
    texture: float
    noise: float

    def __len__(self):
        return len(self.index)

    def __getitem__(self, picked):
        if isinstance(picked, int | np.integer) or (isinstance(picked, torch.Tensor) and picked.dim() == 0):
            picked = int(picked)
            if not -len(self) <= picked < len(self):
                raise IndexError(f"there is no scene {picked}: the scenes are numbered from 0 to {len(self) - 1}")
            picked = slice(picked, picked + 1 or None)
        elif isinstance(picked, list | tuple | range):
            picked = torch.tensor(picked) if len(picked) else torch.tensor([], dtype=torch.int64)
        return replace(self, **{name: tensor[picked] for name, tensor in self._tensors()})

    def to(self, device):
        return replace(self, **{name: tensor.to(device) for name, tensor in self._tensors()})

    def _tensors(self):
        return [(field.name, getattr(self, field.name)) for field in fields(self) if field.type is torch.Tensor]

    @property
    def resolution(self):
        """Height and width of the images in pixels."""
        return self.image.shape[-1]

    @property
    def count(self):
        """(N,) int64: objects in each scene."""
        return self.present.sum(dim=1)

    def objects(self, n):
        """Scene ``n`` in words, nearest object first: [{"slot": 0, "shape": "circle", "colour": "red", "size": "large", …}].

        x, y, radius are floats in image widths.
        """
        names = {"shape": SHAPES, "colour": tuple(COLOURS), "size": tuple(SIZES)}
        slots = self.present[n].nonzero().flatten().tolist()
        slots.sort(key=lambda slot: self.depth[n, slot].item())
        return [
            {"slot": slot}
            | {attribute: words[getattr(self, attribute)[n, slot]] for attribute, words in names.items()}
            | {place: getattr(self, place)[n, slot].item() for place in ("x", "y", "radius")}
            for slot in slots
        ]

    def render(self, size):
        """The same scenes at another resolution: Scenes whose images, masks and boxes are size × size."""
        from .render import rendered

        return rendered(self, size)

    def captions(self, template=None):
        """One sentence a scene, N strings; see ``mmlearn.data.world.captions``."""
        from .captions import captions

        return captions(self, template)

    def questions(self, kinds=None, per_scene=1, **words):
        """Questions with answers; words: shapes, colours, sizes, as given to ``sample``. See ``mmlearn.data.world.questions``."""
        from .questions import questions

        return questions(self, kinds, per_scene, **words)

    def sound(self):
        """(N, 2, 32000) float32 in [−1, 1]: two seconds at 16 kHz, left and right; see ``mmlearn.data.world.sound``."""
        from .sound import sound

        return sound(self)

    def scan(self, rays=64):
        """What a range finder in the middle of the bottom edge measures; see ``mmlearn.data.world.scan``."""
        from .scan import scan

        return scan(self, rays)

    def clip(self, frames=8):
        """The objects set in motion, with a sentence about it; see ``mmlearn.data.world.motion``."""
        from .motion import clip

        return clip(self, frames)

    def __repr__(self):
        side = self.resolution
        return f"Scenes({len(self)} {self.split} scenes of seed {self.seed}, {side}×{side}, {self.present.shape[1]} slots)"
