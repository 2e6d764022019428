"""LeNet-5 (LeCun, Bottou, Bengio & Haffner 1998), in the form in which it is taught today."""

import torch
from torch import nn

from mmlearn.models.initialisation import he_normal
from mmlearn.models.interface import check_images, functions


class LeNet(nn.Module):
    """conv 5×5 – pool – conv 5×5 – pool – linear – linear – linear.

    images (N, channels, image_size, image_size) float → logits (N, classes)

    F is the functional namespace the network computes with: torch.nn.functional or mmlearn.ops. The parameters live in
    nn.Conv2d and nn.Linear whatever F is, so the same torch seed gives the same network. They start as in ``he_normal``.

    What differs from 1998: max pooling instead of a trainable average, ReLU instead of a scaled tanh, each map of the second
    convolution sees all six maps of the first (then: a hand-made table of some), padding 2 in both convolutions so that any
    image_size works (then: 32×32 images, no padding), and cross-entropy on logits instead of distances to drawn digits.

    >>> LeNet(image_size=8)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, image_size=28, channels=1, classes=10, F=torch.nn.functional):
        super().__init__()
        if image_size < 4:
            raise ValueError(f"image_size must be at least 4, to be halved twice; got {image_size}")
        self.image_size, self.channels = image_size, channels
        self.F = functions(F, "conv2d", "max_pool2d", "linear", "relu")
        side = image_size // 4  # halved by each of two pools
        self.conv1 = nn.Conv2d(channels, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5, padding=2)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)
        he_normal(self)

    def forward(self, images):
        return self.stages(images)["logits"]

    def stages(self, images):
        """Every activation on the way, by name: conv1, pool1, conv2, pool2, fc1, fc2, logits. S is image_size."""
        check_images(images, self.channels, self.image_size)
        F = self.F
        conv1 = F.relu(F.conv2d(images, self.conv1.weight, self.conv1.bias, padding=2))  # (N, 6, S, S)
        pool1 = F.max_pool2d(conv1, 2)  # (N, 6, S/2, S/2)
        conv2 = F.relu(F.conv2d(pool1, self.conv2.weight, self.conv2.bias, padding=2))  # (N, 16, S/2, S/2)
        pool2 = F.max_pool2d(conv2, 2)  # (N, 16, S/4, S/4)
        fc1 = F.relu(F.linear(pool2.flatten(1), self.fc1.weight, self.fc1.bias))  # (N, 120)
        fc2 = F.relu(F.linear(fc1, self.fc2.weight, self.fc2.bias))  # (N, 84)
        logits = F.linear(fc2, self.fc3.weight, self.fc3.bias)  # (N, classes)
        return {"conv1": conv1, "pool1": pool1, "conv2": conv2, "pool2": pool2, "fc1": fc1, "fc2": fc2, "logits": logits}
