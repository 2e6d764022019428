"""What a convolution layer and its replacements cost, in parameters."""

from math import prod

from mmlearn.ops.arguments import check_size, check_whole


def conv2d_parameters(weight_size, bias=True):
    """P = O · (C/g · k_h · k_w + 1): the weights of every output channel, and its bias — Eq. 6.1.

    weight_size: (O, C/g, k_h, k_w), as torch stores it; a linear layer is (O, D, 1, 1)   bias: False leaves out the 1

    >>> conv2d_parameters((6, 1, 5, 5)), conv2d_parameters((16, 6, 5, 5), bias=False)
    (156, 2400)
    """
    check_size(weight_size, "weight_size", "(O, C/groups, kh, kw)")
    return weight_size[0] * (prod(weight_size[1:]) + bool(bias))


def stacked_weights(count, kernel_size, channels):
    """n · k² · C² weights in n layers, (n(k − 1) + 1)² · C² in one that sees as far — Eq. 6.6 (Simonyan & Zisserman 2015).

    count: n layers of stride 1, each from C to C channels   returns: (weights of the stack, weights of the single layer)

    >>> stacked_weights(2, 3, 10)
    (1800, 2500)
    """
    for name, value in {"count": count, "kernel_size": kernel_size, "channels": channels}.items():
        check_whole(value, name)
    reach = count * (kernel_size - 1) + 1
    return count * (kernel_size * channels) ** 2, (reach * channels) ** 2


def separable_share(outputs, kernel_size):
    """(C·k² + C·O) / (C·O·k²) = 1/O + 1/k²: a depthwise separable layer's share of a full one — Eq. 6.7 (Howard et al. 2017).

    The same share holds for weights and for products, at stride 1.
    outputs: O   returns: float

    >>> separable_share(72, 3)
    0.125
    """
    check_whole(outputs, "outputs")
    check_whole(kernel_size, "kernel_size")
    return 1 / outputs + 1 / kernel_size**2
