"""From an image to one vector and back: strided convolutions down, transposed convolutions up."""

import torch
from torch import nn

from mmlearn.models.initialisation import he_normal
from mmlearn.models.interface import check_images, functions
from mmlearn.ops.arguments import check_whole, require


class ImageEncoder(nn.Module):
    """conv 4×4 of stride 2 and ReLU for each of ``widths``, then linear and ReLU.

    images (N, channels, image_size, image_size) float → (N, hidden)

    image_size: a multiple of 2 for each of ``widths``; widths=() is a dense encoder, which takes any image   F: see ``LeNet``
    Weights start as in ``he_normal``.
    """

    def __init__(self, image_size, channels, widths=(16, 32), hidden=128, F=torch.nn.functional):
        super().__init__()
        self.image_size, self.channels = image_size, channels
        self.F = functions(F, "conv2d", "linear", "relu")
        side = halved(image_size, widths)
        pairs = zip((channels, *widths), widths, strict=False)
        self.convolutions = nn.ModuleList(nn.Conv2d(c, width, kernel_size=4, stride=2, padding=1) for c, width in pairs)
        self.fc = nn.Linear((channels, *widths)[-1] * side * side, hidden)
        he_normal(self)

    def forward(self, images):
        check_images(images, self.channels, self.image_size)
        F, x = self.F, images
        for conv in self.convolutions:
            x = F.relu(F.conv2d(x, conv.weight, conv.bias, stride=2, padding=1))  # (N, width, S/2, S/2), S halves
        return F.relu(F.linear(x.flatten(1), self.fc.weight, self.fc.bias))  # (N, hidden)


class ImageDecoder(nn.Module):
    """The way back: linear – ReLU – linear – ReLU, then a transposed conv 4×4 of stride 2 for each of ``widths``, last first.

    z (N, code) → (N, channels, image_size, image_size), real numbers: logits, or what a sigmoid is to be put on
    A 4×4 kernel covers each pixel of a stride of 2 equally often, so that no chequered pattern comes of it.
    """

    def __init__(self, image_size, channels, code, widths=(16, 32), hidden=128, F=torch.nn.functional):
        super().__init__()
        check_whole(code, "code")
        self.code = code
        self.F = functions(F, "conv_transpose2d", "linear", "relu")
        side, deepest = halved(image_size, widths), (channels, *widths)[-1]
        self.small = (deepest, side, side)
        self.fc1 = nn.Linear(code, hidden)
        self.fc2 = nn.Linear(hidden, deepest * side * side)
        pairs = zip(widths[::-1], (*widths[-2::-1], channels), strict=True) if widths else ()
        self.convolutions = nn.ModuleList(nn.ConvTranspose2d(c, d, kernel_size=4, stride=2, padding=1) for c, d in pairs)
        he_normal(self)
        for conv in self.convolutions:  # each output pixel is a sum over 2 × 2 places of the kernel, so fan-in is 4·C
            nn.init.normal_(conv.weight, std=(2 / (4 * conv.in_channels)) ** 0.5)
            nn.init.zeros_(conv.bias)
        with torch.no_grad():  # the first images are near zero, grey as logits, so that no step is spent on unlearning them
            (self.convolutions[-1] if widths else self.fc2).weight.mul_(0.1)

    def forward(self, z):
        require(z.ndim == 2 and z.shape[1] == self.code, "z", f"shape {tuple(z.shape)}", f"(N, {self.code})")
        F = self.F
        x = F.relu(F.linear(z, self.fc1.weight, self.fc1.bias))  # (N, hidden)
        x = F.linear(x, self.fc2.weight, self.fc2.bias).unflatten(1, self.small)  # (N, width, s, s)
        for conv in self.convolutions:
            x = F.conv_transpose2d(F.relu(x), conv.weight, conv.bias, stride=2, padding=1)  # (N, width, 2s, 2s), s doubles
        return x  # (N, channels, S, S)


def halved(image_size, widths):
    """The side of an image after one halving for each of ``widths``; raises ValueError where it does not divide."""
    check_whole(image_size, "image_size")
    times = 2 ** len(widths)
    near = max(times, round(image_size / times) * times)
    require(
        image_size % times == 0, "image_size", image_size, f"a multiple of {times} for {len(widths)} halvings; {near} is near"
    )
    return image_size // times
