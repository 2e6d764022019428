"""Residual networks (He, Zhang, Ren & Sun 2016): layers that learn what to add to their input."""

import torch
from torch import nn

from mmlearn.models.batch_norm import batch_norm
from mmlearn.models.interface import check_images, functions
from mmlearn.ops.arguments import check_whole, require

SHORTCUTS = ("zeros", "projection")
FUNCTIONS = ("conv2d", "batch_norm", "relu")


def identity_with_zeros(x, width, stride):
    """The identity where the shape changes: every stride-th pixel, and zeros for the channels that x lacks. No parameters.

    x: (N, C, H, W), C ≤ width   returns: (N, width, ⌈H/stride⌉, ⌈W/stride⌉)
    """
    x = x[:, :, ::stride, ::stride]  # (N, C, H/stride, W/stride)
    N, C, H, W = x.shape
    return x if width == C else torch.cat([x, x.new_zeros(N, width - C, H, W)], 1)  # (N, width, H/stride, W/stride)


class BasicBlock(nn.Module):
    """relu(x + f(x)), with f = conv 3×3 – batch norm – ReLU – conv 3×3 – batch norm.

    x (N, inputs, H, W) → (N, width, ⌈H/stride⌉, ⌈W/stride⌉)

    residual: False leaves out the sum, relu(f(x)): the plain block, whose gradient must pass through f
    shortcut: how x gets the shape of f(x) where it differs. 'zeros': every stride-th pixel and zero channels, without parameters
    (option A of the paper), so that plain and residual blocks have the same parameters; 'projection': conv 1×1 – batch norm (B).
    The parameters' names are those of torchvision's BasicBlock.

    >>> BasicBlock(8, 16, stride=2)(torch.zeros(2, 8, 7, 7)).shape
    torch.Size([2, 16, 4, 4])
    """

    def __init__(self, inputs, width, stride=1, residual=True, shortcut="zeros", F=torch.nn.functional):
        super().__init__()
        require(shortcut in SHORTCUTS, "shortcut", repr(shortcut), " or ".join(map(repr, SHORTCUTS)))
        changes = stride != 1 or inputs != width
        if residual and changes and shortcut == "zeros":
            require(inputs <= width, "width", width, f"at least the {inputs} channels of the input, or shortcut='projection'")
        self.F = functions(F, *FUNCTIONS)
        self.width, self.stride, self.residual = width, stride, residual
        self.conv1 = nn.Conv2d(inputs, width, kernel_size=3, stride=stride, padding=1, bias=False)  # batch norm has a bias
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if residual and changes and shortcut == "projection":
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        _start(self)

    def forward(self, x):
        F = self.F
        y = F.conv2d(x, self.conv1.weight, stride=self.stride, padding=1)  # (N, width, H/stride, W/stride)
        y = F.relu(batch_norm(F, self.bn1, y))
        y = batch_norm(F, self.bn2, F.conv2d(y, self.conv2.weight, padding=1))
        return F.relu(y + self.shortcut(x)) if self.residual else F.relu(y)

    def shortcut(self, x):
        """x in the shape of f(x): (N, width, ⌈H/stride⌉, ⌈W/stride⌉)."""
        if self.downsample is None:
            return identity_with_zeros(x, self.width, self.stride)
        projection, norm = self.downsample
        return batch_norm(self.F, norm, self.F.conv2d(x, projection.weight, stride=self.stride))


class ResNet(nn.Module):
    """The small residual network of the paper's section 4.2: conv 3×3, three stages of n blocks, global average, linear.

    images (N, channels, image_size, image_size) float → logits (N, classes)

    depth: the number of layers with weights, 6n + 2: 8, 14, 20, 32, …   width: channels of the first stage; each later stage has
    twice as many, on half the side   residual: False builds the plain network with the same parameters   F: see ``LeNet``
    Each convolution starts as He et al. (2015) derive for the gradient: variance 2 / fan-out.

    >>> ResNet(image_size=8, depth=8)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, image_size=28, channels=1, classes=10, F=torch.nn.functional, depth=20, width=16, residual=True, shortcut="zeros"
    ):
        super().__init__()
        check_whole(depth, "depth", minimum=8)
        nearest = 6 * round((depth - 2) / 6) + 2
        require(depth % 6 == 2, "depth", depth, f"6n + 2, for three stages of n blocks of two layers; {nearest} is near")
        self.image_size, self.channels = image_size, channels
        self.F = functions(F, *FUNCTIONS, "adaptive_avg_pool2d", "linear")
        self.conv1 = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = (width, 2 * width, 4 * width)
        self.blocks = _stages(width, widths, (depth - 2) // 6, residual=residual, shortcut=shortcut, F=F)
        self.fc = nn.Linear(4 * width, classes)
        _start(self)

    def forward(self, images):
        return self.stages(images)["logits"]

    def stages(self, images):
        """Every activation on the way, by name: conv1, block1_1, …, block3_n, pool, logits. S is image_size."""
        check_images(images, self.channels, self.image_size)
        F = self.F
        x = F.relu(batch_norm(F, self.bn1, F.conv2d(images, self.conv1.weight, padding=1)))  # (N, width, S, S)
        stages = {"conv1": x, **_through(self.blocks, x)}  # (N, 4·width, S/4, S/4) at the end
        return {**stages, **_classify(F, self.fc, stages)}


class ResNet18(nn.Module):
    """The 18-layer network for ImageNet: conv 7×7, max pool, four stages of two blocks, global average, linear.

    images (N, channels, image_size, image_size) float → logits (N, classes)
    The blocks are ``BasicBlock`` with projections. ``resnet18_from_torchvision`` in mmlearn.models.published_weights gives
    torchvision's weights the names that they have here.

    >>> ResNet18(image_size=64)(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1000])
    """

    def __init__(self, image_size=224, channels=3, classes=1000, F=torch.nn.functional):
        super().__init__()
        self.image_size, self.channels = image_size, channels
        self.F = functions(F, *FUNCTIONS, "max_pool2d", "adaptive_avg_pool2d", "linear")
        self.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.blocks = _stages(64, (64, 128, 256, 512), 2, residual=True, shortcut="projection", F=F)
        self.fc = nn.Linear(512, classes)
        _start(self)

    def forward(self, images):
        return self.stages(images)["logits"]

    def stages(self, images):
        """Every activation on the way, by name: conv1, pool1, block1_1, …, block4_2, pool, logits. S is image_size."""
        check_images(images, self.channels, self.image_size)
        F = self.F
        x = F.conv2d(images, self.conv1.weight, stride=2, padding=3)  # (N, 64, S/2, S/2)
        conv1 = F.relu(batch_norm(F, self.bn1, x))
        pool1 = F.max_pool2d(conv1, 3, stride=2, padding=1)  # (N, 64, S/4, S/4)
        stages = {"conv1": conv1, "pool1": pool1, **_through(self.blocks, pool1)}  # (N, 512, S/32, S/32) at the end
        return {**stages, **_classify(F, self.fc, stages)}


def _stages(inputs, widths, n, **options):
    """For each width a stage of n blocks; all stages but the first begin with stride 2."""
    stages = nn.ModuleList()
    for number, width in enumerate(widths):
        strides = [2 if number > 0 else 1] + [1] * (n - 1)
        channels = [inputs] + [width] * (n - 1)
        stages.append(nn.ModuleList(BasicBlock(c, width, stride, **options) for c, stride in zip(channels, strides, strict=True)))
        inputs = width
    return stages


def _through(blocks, x):
    """The output of every block, by name."""
    outputs = {}
    for s, stage in enumerate(blocks, start=1):
        for b, block in enumerate(stage, start=1):
            x = outputs[f"block{s}_{b}"] = block(x)
    return outputs


def _classify(F, fc, stages):
    last = list(stages.values())[-1]  # (N, C, H, W)
    pooled = F.adaptive_avg_pool2d(last, 1).flatten(1)  # (N, C)
    return {"pool": pooled, "logits": F.linear(pooled, fc.weight, fc.bias)}  # (N, classes)


def _start(model):
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
