"""One convolution, written in the ways that explain it: as a sum, as loops, as patches times a matrix, as one big matrix.

They are for reading and for checking each other. ``conv2d`` is the one to train with.
"""

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_alike, check_floating, is_whole, places, require, shape
from mmlearn.ops.convolution import check_arguments
from mmlearn.ops.patches import taps, unfold


def correlate2d(image, kernel):
    """y[i,j] = Σ_u Σ_v w[u,v] · x[i+u, j+v] — Eq. 4.1, cross-correlation: the kernel laid on the image, one place after another.

    image: (H, W)   kernel: (kh, kw)   returns: (H−kh+1, W−kw+1)

    >>> correlate2d(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), torch.tensor([[1.0, -1.0]]))
    tensor([[-1., -1.],
            [-1., -1.]])
    """
    check_floating(image, "image", (2,), "(H, W)")
    check_floating(kernel, "kernel", (2,), "(kh, kw)")
    check_alike("image", image, kernel=kernel)
    require(kernel.numel() > 0, "kernel", shape(kernel), "(kh, kw) with at least one number")
    kh, kw = kernel.shape
    H, W = (places(n, k, stride=1, dilation=1, argument="kernel") for n, k in zip(image.shape, kernel.shape, strict=True))
    output = image.new_zeros(H, W)
    for i in range(H):
        for j in range(W):
            output[i, j] = (kernel * image[i : i + kh, j : j + kw]).sum()
    return output


def convolve2d(image, kernel):
    """(w ∗ x)[i,j] = Σ_u Σ_v w[u,v] · x[i−u, j−v], where all of the kernel lies on the image — Eq. 4.2.

    The convolution of mathematics and of signal processing: cross-correlation with the kernel turned by 180°.
    image: (H, W)   kernel: (kh, kw)   returns: (H−kh+1, W−kw+1)
    """
    check_floating(kernel, "kernel", (2,), "(kh, kw)")
    return correlate2d(image, kernel.flip(0, 1))


def conv2d_loops(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """y[n,o,i,j] = b[o] + Σ_{c,u,v} w[o,c,u,v] · x̃[n,c, s·i+d·u, s·j+d·v] — Eq. 4.4, as four loops.

    The definition of the layer; x̃ is the input with zeros around it. Thousands of times slower than ``conv2d``.
    input: (N, C, H, W)   weight: (O, C/g, kh, kw)   bias: (O,) or None   returns: (N, O, H', W')
    """
    arguments = check_arguments(input, weight, bias, stride, padding, dilation, groups, dims=(4,))
    (kh, kw), (sh, sw), sides, (dh, dw), (H, W) = arguments
    x = pad(input, sides)
    outputs, channels = weight.shape[:2]
    output = input.new_zeros(len(input), outputs, H, W)
    for n in range(len(input)):
        for o in range(outputs):
            first = channels * (o // (outputs // groups))  # the first channel that this output's group sees
            for i in range(H):
                for j in range(W):
                    rows = slice(sh * i, sh * i + dh * (kh - 1) + 1, dh)
                    columns = slice(sw * j, sw * j + dw * (kw - 1) + 1, dw)
                    output[n, o, i, j] = (weight[o] * x[n, first : first + channels, rows, columns]).sum()
            if bias is not None:
                output[n, o] += bias[o]
    return output


def conv2d_im2col(input, weight, bias=None, stride=1, padding=0, dilation=1):
    """Y = W · X_col + b — Eq. 4.6: one matrix product for all positions (Chellapilla et al. 2006).

    input: (N, C, H, W)   weight: (O, C, kh, kw)   bias: (O,) or None   returns: (N, O, H', W')
    """
    arguments = check_arguments(input, weight, bias, stride, padding, dilation, groups=1, dims=(4,))
    kernel_size, stride, sides, dilation, output_size = arguments
    columns = unfold(pad(input, sides), kernel_size, dilation, 0, stride)  # (N, C·kh·kw, L)
    output = weight.flatten(1) @ columns  # (O, C·kh·kw) @ (N, C·kh·kw, L) → (N, O, L)
    if bias is not None:
        output = output + bias[:, None]
    return output.unflatten(-1, output_size)  # (N, O, H', W')


def toeplitz_matrix(weight, input_size, stride=1, padding=0, dilation=1):
    """T[(o,i,j), (c,α,β)] = w[o,c,u,v] where α = s·i + d·u − p and β = s·j + d·v − p, else 0 — Eq. 4.7.

    The convolution as one matrix that acts on the flattened image. With stride 1 its rows repeat, each moved one to the right:
    a Toeplitz matrix whose blocks are Toeplitz matrices.
    weight: (O, C, kh, kw)   input_size: (H, W)   returns: (O·H'·W', C·H·W)

    >>> toeplitz_matrix(torch.tensor([[[[1.0, 2.0]]]]), (1, 4))
    tensor([[1., 2., 0., 0.],
            [0., 1., 2., 0.],
            [0., 0., 1., 2.]])
    """
    check_floating(weight, "weight", (4,), "(O, C, kh, kw)")
    good = isinstance(input_size, (tuple, list)) and len(input_size) == 2 and all(is_whole(n) and n >= 1 for n in input_size)
    require(good, "input_size", repr(input_size), "two whole numbers (H, W)")
    outputs, channels = weight.shape[:2]
    image = weight.new_zeros(1, channels, *input_size)
    kernel_size, stride, sides, dilation, _ = check_arguments(image, weight, None, stride, padding, dilation, groups=1)
    number = 1 + torch.arange(image.numel(), device=weight.device).view_as(image[0])  # each pixel's column; 0 is the padding
    seen = torch.stack(list(taps(pad(number, sides), kernel_size, stride, dilation)), dim=1)  # (C, k², H', W')
    seen = seen.flatten(0, 1).flatten(1).T  # (L, C·k²)
    matrix = weight.new_zeros(outputs, len(seen), 1 + number.numel())
    matrix.scatter_(2, seen.expand(outputs, -1, -1), weight.reshape(outputs, 1, -1).expand(-1, len(seen), -1))
    return matrix[:, :, 1:].flatten(0, 1)  # without the padding's column


def conv2d_toeplitz(input, weight, bias=None, stride=1, padding=0, dilation=1):
    """y = T · x, with the matrix of ``toeplitz_matrix`` (Eq. 4.7) and the image flattened: a convolution is a linear layer.

    input: (N, C, H, W)   weight: (O, C, kh, kw)   bias: (O,) or None   returns: (N, O, H', W')
    """
    *_, output_size = check_arguments(input, weight, bias, stride, padding, dilation, groups=1, dims=(4,))
    matrix = toeplitz_matrix(weight, tuple(input.shape[2:]), stride, padding, dilation)  # (O·H'·W', C·H·W)
    output = (input.flatten(1) @ matrix.mT).unflatten(1, (len(weight), *output_size))  # (N, O, H', W')
    return output if bias is None else output + bias.view(-1, 1, 1)
