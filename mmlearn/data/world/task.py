"""A task: examples of image, text and label, with the table that they are drawn from."""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch

from .arguments import scene_numbers
from .chance import Chance
from .scenes import Scenes


@dataclass(frozen=True)
class Task:
    """N examples of image, text and label, and the table that they are drawn from.

    scenes      the Scenes of the images, with every latent       text   N sentences
    ids, mask   (N, T) int64 and bool: the sentences in the words of ``mmlearn.data.world.vocabulary``
    label       (N,) int64, positions in ``classes``
    a, b        (N,) int64: what of the image and what of the text matters, positions in ``symbols[0]`` and ``symbols[1]``
    table       (A, B, Y) float64: the exact probability P[a, b, y], known without drawing

    ``mmlearn.training.fit`` takes a Task as it is: its ``tensors`` are (image, ids, mask, label).
    An integer, a slice, a list or a tensor picks examples; the result is always a Task.
    """

    name: str
    scenes: Scenes
    text: tuple[str, ...]
    ids: torch.Tensor
    mask: torch.Tensor
    label: torch.Tensor
    classes: tuple[str, ...]
    a: torch.Tensor
    b: torch.Tensor
    symbols: tuple[tuple[str, ...], tuple[str, ...]]
    table: torch.Tensor

    def __len__(self):
        return len(self.label)

    def __getitem__(self, picked):
        if isinstance(picked, int):
            if not -len(self) <= picked < len(self):
                raise IndexError(f"example {picked} of {len(self)}")
            picked = slice(picked, picked + 1 or None)
        numbers = torch.arange(len(self))[picked.cpu() if isinstance(picked, torch.Tensor) else picked].tolist()
        tensors = {name: getattr(self, name)[numbers] for name in ("ids", "mask", "label", "a", "b")}
        return replace(self, scenes=self.scenes[numbers], text=tuple(self.text[n] for n in numbers), **tensors)

    def to(self, device):
        """The same task with its scenes and tensors on ``device``; the table stays where it is computed, on the CPU."""
        moved = [field.name for field in fields(self) if field.name == "scenes" or field.type is torch.Tensor]
        return replace(self, **{name: getattr(self, name).to(device) for name in moved if name != "table"})

    @property
    def image(self):
        """(N, 3, H, H) float32 in [0, 1]."""
        return self.scenes.image

    @property
    def tensors(self):
        """(image, ids, mask, label), in the order that ``mmlearn.training.fit`` takes: inputs, then target."""
        return self.image, self.ids, self.mask, self.label

    @property
    def captions(self):
        """What each example is, in words: ['“a blue circle” → yes', …]."""
        return [f"“{text}” → {self.classes[label]}" for text, label in zip(self.text, self.label.tolist(), strict=True)]

    @cached_property
    def decomposition(self):
        """Redundancy, unique and synergistic information of the table: a mmlearn.data.decomposition.Decomposition, in bits."""
        from mmlearn.data.decomposition import decompose

        return decompose(self.table)

    @cached_property
    def ceilings(self):
        """What can be reached with no input, image, text, an additive model, everything: mmlearn.data.ceilings.Ceilings."""
        from mmlearn.data.ceilings import ceilings

        return ceilings(self.table)

    def __repr__(self):
        return f"Task({self.name}: {len(self)} {self.scenes.split} examples, {len(self.classes)} classes)"


def with_table(table):
    """Give a task function its ``table()``: P[a, b, y] without drawing anything."""

    def attach(function):
        function.table = table
        return function

    return attach


def begin(n, seed, split, size, start, index, texture, noise):
    """The Chance of the examples that are asked for, and what ``compose`` needs to draw their scenes."""
    index = scene_numbers(n, start, index)
    drawing = {"seed": seed, "split": split, "index": index, "resolution": size, "texture": texture, "noise": noise}
    return Chance(seed, split, index), drawing


def near_middle(chance):
    """x and y (N, 1) of one object, up to 0.2 image widths from the middle: small networks learn to read it in a second."""
    return {axis: 0.3 + 0.4 * chance.uniform(f"task {axis}", 1) for axis in ("x", "y")}


def examples(name, scenes, text, label, classes, a, b, symbols, table):
    """The parts put together as a Task, the sentences as numbers of the world's vocabulary."""
    from .vocabulary import vocabulary  # it asks the tasks for their words

    ids, mask = vocabulary().encode(text)
    return Task(name, scenes, tuple(text), ids, mask, label, tuple(classes), a, b, symbols, table)


def table_of(cells, *sizes):
    """(A, B, Y) float64 from (a, b, y, probability); what comes more than once adds up."""
    table = torch.zeros(sizes, dtype=torch.float64)
    for a, b, y, probability in cells:
        table[a, b, y] += probability
    return table


def positions(known, names):
    """Where the names stand among the known ones, an int64 tensor in the order of the names."""
    return torch.tensor([tuple(known).index(name) for name in names])
