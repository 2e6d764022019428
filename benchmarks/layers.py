"""The other operations of mmlearn.ops beside those of torch.nn.functional."""

import torch
from side_by_side import side_by_side

import mmlearn.ops as F

MAPS = (32, 32, 32, 32)
SMALL_MAPS = (32, 32, 16, 16)
CASES = {  # what: (operation, shapes of its tensors, what else it takes)
    "max_pool2d 2×2": ("max_pool2d", [MAPS], {"kernel_size": 2}),
    "max_pool2d 3×3, stride 2": ("max_pool2d", [MAPS], {"kernel_size": 3, "stride": 2, "padding": 1}),
    "avg_pool2d 2×2": ("avg_pool2d", [MAPS], {"kernel_size": 2}),
    "conv_transpose2d 4×4, stride 2": (
        "conv_transpose2d",
        [SMALL_MAPS, (32, 32, 4, 4), (32,)],
        {"stride": 2, "padding": 1},
    ),
    "unfold 3×3": ("unfold", [(8, 32, 32, 32)], {"kernel_size": 3, "padding": 1}),
    "fold 3×3": ("fold", [(8, 288, 1024)], {"output_size": 32, "kernel_size": 3, "padding": 1}),
    "linear 256×512 → 128": ("linear", [(256, 512), (128, 512), (128,)], {}),
    "relu": ("relu", [MAPS], {}),
    "sigmoid": ("sigmoid", [MAPS], {}),
    "tanh": ("tanh", [MAPS], {}),
    "softmax 1024×128": ("softmax", [(1024, 128)], {"dim": 1}),
    "log_softmax 1024×128": ("log_softmax", [(1024, 128)], {"dim": 1}),
    "cross_entropy 1024×128": ("cross_entropy", [(1024, 128)], {"target": torch.arange(1024) % 128}),
    "mse_loss 1024×128": ("mse_loss", [(1024, 128), (1024, 128)], {}),
}


def layers():
    """Forward, and forward and backward with all gradients."""
    for what, (name, shapes, options) in CASES.items():
        ours, rival = _runs(getattr(F, name), shapes, options), _runs(getattr(torch.nn.functional, name), shapes, options)
        for direction in ours:
            yield side_by_side(f"{what}: {direction}", ours[direction], rival[direction])


def _runs(operation, shapes, options):
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=generator) for shape in shapes]
    variables = [tensor.clone().requires_grad_() for tensor in tensors]
    grad_output = torch.randn_like(operation(*tensors, **options))

    def forward():
        with torch.no_grad():
            return operation(*tensors, **options)

    def backward():
        return torch.autograd.grad(operation(*variables, **options), variables, grad_output)

    return {"forward": forward, "forward + backward": backward}
