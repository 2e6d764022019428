"""A small network in the manner of VGG (Simonyan & Zisserman 2015): stacks of 3×3 convolutions between 2×2 max pools."""

import torch
from torch import nn

from mmlearn.models.initialisation import he_normal
from mmlearn.models.interface import check_images, functions


class VGG(nn.Module):
    """One block for each of ``widths``: ``depth`` times conv 3×3 and ReLU, then pool 2×2; at the end linear – linear.

    images (N, channels, image_size, image_size) float → logits (N, classes)

    Two 3×3 convolutions see 5×5 pixels as one 5×5 convolution does, with 18 C² weights instead of 25 C² and one more ReLU.
    Weights start as in ``he_normal``. The original has more and wider blocks, and dropout between three linear layers; like
    it, this one has no batch normalisation. F: see ``LeNet``.

    >>> VGG(image_size=8, widths=(8, 16))(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, image_size=28, channels=1, classes=10, F=torch.nn.functional, widths=(32, 64), depth=2, hidden=128):
        super().__init__()
        side = image_size // 2 ** len(widths)  # halved by the pool of each block
        if side < 1:
            raise ValueError(f"image_size must be at least {2 ** len(widths)} for {len(widths)} blocks; got {image_size}")
        self.image_size, self.channels = image_size, channels
        self.F = functions(F, "conv2d", "max_pool2d", "linear", "relu")
        self.blocks = nn.ModuleList()
        for inputs, width in zip((channels, *widths), widths, strict=False):
            convolutions = [nn.Conv2d(inputs if i == 0 else width, width, kernel_size=3, padding=1) for i in range(depth)]
            self.blocks.append(nn.ModuleList(convolutions))
        self.fc1 = nn.Linear(widths[-1] * side * side, hidden)
        self.fc2 = nn.Linear(hidden, classes)
        he_normal(self)

    def forward(self, images):
        return self.stages(images)["logits"]

    def stages(self, images):
        """Every activation on the way, by name: conv1_1, conv1_2, pool1, conv2_1, …, fc1, logits. S is image_size."""
        check_images(images, self.channels, self.image_size)
        F = self.F
        stages, x = {}, images
        for b, block in enumerate(self.blocks, start=1):
            for c, conv in enumerate(block, start=1):
                x = stages[f"conv{b}_{c}"] = F.relu(
                    F.conv2d(x, conv.weight, conv.bias, padding=1)
                )  # (N, width, S, S), S as it is
            x = stages[f"pool{b}"] = F.max_pool2d(x, 2)  # (N, width, S/2, S/2), S halves
        x = stages["fc1"] = F.relu(F.linear(x.flatten(1), self.fc1.weight, self.fc1.bias))  # (N, hidden)
        stages["logits"] = F.linear(x, self.fc2.weight, self.fc2.bias)  # (N, classes)
        return stages
