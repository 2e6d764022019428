"""What one output pixel of a network sees, measured: by the gradient that reaches each pixel of the input."""

from types import SimpleNamespace

import torch
import torch.nn.functional as torch_functions


def _positive(layer):
    """conv2d or linear with every weight positive, and without a bias."""
    return lambda input, weight, bias=None, *args, **kwargs: layer(input, weight.abs(), None, *args, **kwargs)


# For ``F=`` of any network of the course. Weights are positive, so nothing cancels; what would let a pixel go (a ReLU, a maximum)
# lets it pass. The network becomes linear, and its gradient reaches each pixel that the architecture can see, and no other.
EVERYTHING_PASSES = SimpleNamespace(
    conv2d=_positive(torch_functions.conv2d),
    linear=_positive(torch_functions.linear),
    relu=lambda input: input,
    batch_norm=lambda input, *_: input,
    max_pool2d=torch_functions.avg_pool2d,
    avg_pool2d=torch_functions.avg_pool2d,
    adaptive_avg_pool2d=torch_functions.adaptive_avg_pool2d,
    __name__="EVERYTHING_PASSES",
)


def by_gradient(maps, images, row=None, column=None):
    """How strongly each pixel of the input moves one place of the output, all channels of the place added up.

    maps: function of images (N, C, H, W) → (N, O, H', W')   images: floats
    row, column: the place of the output; by default the middle one
    returns: (H, W) float64, the root of the mean square over images and input channels; 0 exactly where nothing is seen

    >>> by_gradient(lambda x: torch_functions.avg_pool2d(x, 2, stride=1), torch.zeros(1, 1, 3, 3), row=0, column=0)
    tensor([[0.2500, 0.2500, 0.0000],
            [0.2500, 0.2500, 0.0000],
            [0.0000, 0.0000, 0.0000]], dtype=torch.float64)
    """
    return squared_gradient(maps, images, row, column, signs=False).sqrt()


def squared_gradient(maps, images, row=None, column=None, signs=True):
    """The squared gradient of one place of the output by each pixel: its mean over images and input channels, (H, W) float64.

    maps, images, row, column: as in ``by_gradient``   signs: multiply each of the place's channels with −1 or 1, drawn from
    torch's random state, before they are added up, so that none is preferred; False adds them as they are
    """
    leaf = images.detach().clone().requires_grad_()
    output = maps(leaf)  # (N, O, H', W')
    if output.dim() != 4:
        raise ValueError(f"maps must return (N, O, H', W'), a picture for each channel; got {tuple(output.shape)}")
    row = output.shape[2] // 2 if row is None else row
    column = output.shape[3] // 2 if column is None else column
    seen = output[:, :, row, column]  # (N, O)
    weights = torch.randint(0, 2, seen.shape, device=seen.device) * 2 - 1 if signs else torch.ones_like(seen)
    (gradient,) = torch.autograd.grad((seen * weights).sum(), leaf)
    return gradient.double().square().mean((0, 1))  # (H, W)


def extent(seen):
    """First and last row, first and last column that hold anything but 0: (top, bottom, left, right).

    >>> extent(torch.tensor([[0.0, 0.0, 0.0], [0.0, 2.0, 1.0]]))
    (1, 1, 1, 2)
    """
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    if not len(rows):
        raise ValueError("nothing is seen: the map is 0 everywhere")
    return rows[0].item(), rows[-1].item(), columns[0].item(), columns[-1].item()


def deviation(seen):
    """The standard deviation of a pixel's place, in pixels along one axis, each pixel weighted with ``seen``; both axes averaged.

    seen: (H, W), numbers ≥ 0; for the effective receptive field, squared gradients

    >>> deviation(torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])) ** 2  # 2/3 across, 0 down
    0.3333333333333333
    """
    variances = []
    for axis in (0, 1):
        share = seen.sum(1 - axis).double() / seen.sum()  # along this axis
        place = torch.arange(len(share), dtype=torch.float64, device=seen.device)
        mean = (share * place).sum()
        variances.append((share * (place - mean) ** 2).sum().item())
    return (sum(variances) / 2) ** 0.5
