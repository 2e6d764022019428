"""mmlearn.ops.conv2d and the forms it is explained with, beside torch.nn.functional.conv2d."""

import torch
from side_by_side import side_by_side

import mmlearn.ops as F

TORCH = torch.nn.functional
SIZES = {  # (images, weight), and what forward and forward + backward may cost
    "32 × 3×64×64, 32 filters 3×3": ((32, 3, 64, 64), (32, 3, 3, 3), 1.8, 1.4),
    "32 × 32×32×32, 32 filters 3×3": ((32, 32, 32, 32), (32, 32, 3, 3), 3.0, 3.0),
}
FILTERS = 4  # the loops are timed on one image with so many filters, and scaled


def conv2d():
    """Forward; forward and backward with all gradients; and forward and backward as a first layer, whose images need none."""
    for size, (image_size, weight_size, forward_goal, backward_goal) in SIZES.items():
        tensors = _tensors(image_size, weight_size)
        ours, rival = _forward(F.conv2d, tensors), _forward(TORCH.conv2d, tensors)
        yield side_by_side(f"conv2d, {size}: forward", ours, rival, goal=forward_goal)
        ours, rival = _backward(F.conv2d, tensors), _backward(TORCH.conv2d, tensors)
        yield side_by_side(f"conv2d, {size}: forward + backward", ours, rival, goal=backward_goal)
        ours, rival = _backward(F.conv2d, tensors, first=True), _backward(TORCH.conv2d, tensors, first=True)
        yield side_by_side(f"conv2d, {size}: forward + backward, as a first layer", ours, rival)


def forms():
    """The definitions: im2col of the whole batch at once, the four loops, and a textbook's pixel loops, channel by channel."""
    image_size, weight_size, *_ = SIZES["32 × 3×64×64, 32 filters 3×3"]
    tensors = _tensors(image_size, weight_size)
    rival = _forward(TORCH.conv2d, tensors)
    yield side_by_side("conv2d_im2col: forward", _forward(F.conv2d_im2col, tensors), rival, rounds=11)
    backward = _backward(F.conv2d_im2col, tensors), _backward(TORCH.conv2d, tensors)
    yield side_by_side("conv2d_im2col: forward + backward", *backward, rounds=11)
    images, weight, bias = tensors
    few = images[:1], weight[:FILTERS], bias[:FILTERS]
    parts = {"rounds": 3, "parts": FILTERS / len(weight), "rival_parts": len(images)}
    yield side_by_side("conv2d_loops, one image: forward", _forward(F.conv2d_loops, few), rival, **parts)
    yield side_by_side("textbook pixel loops, one image: forward", lambda: textbook_loops(*few), rival, **parts)


def textbook_loops(images, weight, bias):
    """A two-dimensional correlation, pixel by pixel, for each input channel of each filter of each image, summed."""

    def correlate(image, kernel):
        kh, kw = kernel.shape
        output = torch.zeros(image.shape[0] - kh + 1, image.shape[1] - kw + 1)
        for i in range(output.shape[0]):
            for j in range(output.shape[1]):
                output[i, j] = (image[i : i + kh, j : j + kw] * kernel).sum()
        return output

    def one_filter(image, kernels):
        return sum(correlate(channel, kernel) for channel, kernel in zip(image, kernels, strict=True))

    padded = TORCH.pad(images, (1, 1, 1, 1))
    outputs = [torch.stack([one_filter(image, kernels) for kernels in weight]) for image in padded]
    return torch.stack(outputs) + bias[:, None, None]


def _tensors(image_size, weight_size):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=generator) for size in (image_size, weight_size, weight_size[:1])]


def _forward(operation, tensors):
    def run():
        with torch.no_grad():
            return operation(*tensors, padding=1)

    return run


def _backward(operation, tensors, first=False):
    variables = [tensor.clone().requires_grad_() for tensor in tensors]
    leaves = variables[1:] if first else variables
    variables[0].requires_grad_(not first)
    grad_output = torch.randn_like(operation(*tensors, padding=1))
    return lambda: torch.autograd.grad(operation(*variables, padding=1), leaves, grad_output)
