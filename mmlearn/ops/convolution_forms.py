"""One convolution, written in the ways that explain it: as a sum, as loops, as patches times a matrix, as one big matrix.

They are for reading and for checking each other. ``conv2d`` is the one to train with.
"""

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_floating
from mmlearn.ops.convolution import check_arguments
from mmlearn.ops.patches import conv_output_size, taps, unfold

__all__ = ["conv2d_im2col", "conv2d_loops", "conv2d_toeplitz", "convolve2d", "correlate2d", "toeplitz_matrix"]


def correlate2d(image, kernel):
    """y[i,j] = Σ_u Σ_v w[u,v] · x[i+u, j+v] — Eq. 4.1, cross-correlation: the kernel laid on the image, one place after another.

    image: (H, W)   kernel: (kh, kw)   returns: (H−kh+1, W−kw+1)

    >>> correlate2d(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), torch.tensor([[1.0, -1.0]]))
    tensor([[-1., -1.],
            [-1., -1.]])
    """
    check_floating(image, "image", (2,), "(H, W)")
    check_floating(kernel, "kernel", (2,), "(kh, kw)")
    kh, kw = kernel.shape
    H, W = conv_output_size(image.shape[0], kh), conv_output_size(image.shape[1], kw)
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
    return correlate2d(image, kernel.flip(0, 1))


def conv2d_loops(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """y[n,o,i,j] = b[o] + Σ_{c,u,v} w[o,c,u,v] · x̃[n,c, s·i+d·u, s·j+d·v] — Eq. 4.4, as four loops.

    The definition of the layer; x̃ is the input with zeros around it. Thousands of times slower than ``conv2d``.
    input: (N, C, H, W)   weight: (O, C/g, kh, kw)   bias: (O,) or None   returns: (N, O, H', W')
    """
    (kh, kw), (sh, sw), sides, (dh, dw) = check_arguments(input, weight, bias, stride, padding, dilation, groups)
    x = pad(input, sides)
    N, O, C = len(input), len(weight), weight.shape[1]
    H, W = conv_output_size(x.shape[2], kh, sh, 0, dh), conv_output_size(x.shape[3], kw, sw, 0, dw)
    output = input.new_zeros(N, O, H, W)
    for n in range(N):
        for o in range(O):
            first = C * (o // (O // groups))  # the first channel that this output's group sees
            for i in range(H):
                for j in range(W):
                    rows = slice(sh * i, sh * i + dh * (kh - 1) + 1, dh)
                    columns = slice(sw * j, sw * j + dw * (kw - 1) + 1, dw)
                    output[n, o, i, j] = (weight[o] * x[n, first : first + C, rows, columns]).sum()
            if bias is not None:
                output[n, o] += bias[o]
    return output


def conv2d_im2col(input, weight, bias=None, stride=1, padding=0, dilation=1):
    """Y = W · X_col + b — Eq. 4.6: one matrix product for all positions (Chellapilla et al. 2006).

    input: (N, C, H, W)   weight: (O, C, kh, kw)   bias: (O,) or None   returns: (N, O, H', W')
    """
    kernel_size, (sh, sw), (left, _, top, _), (dh, dw) = check_arguments(input, weight, bias, stride, padding, dilation, 1)
    columns = unfold(input, kernel_size, dilation, padding, stride)      # (N, C·kh·kw, L)
    output = weight.flatten(1) @ columns                                 # (O, C·kh·kw) @ (N, C·kh·kw, L) → (N, O, L)
    if bias is not None:
        output = output + bias[:, None]
    H = conv_output_size(input.shape[2], kernel_size[0], sh, top, dh)
    return output.unflatten(-1, (H, -1))                                 # (N, O, H', W')


def toeplitz_matrix(weight, input_size, stride=1, padding=0, dilation=1):
    """T[(o,i,j), (c,p,q)] = w[o,c,u,v] where p = s·i + d·u − padding and q = s·j + d·v − padding, else 0 — Eq. 4.7.

    The convolution as one matrix that acts on the flattened image. With stride 1 its rows repeat, each moved one to the right:
    a Toeplitz matrix whose blocks are Toeplitz matrices.
    weight: (O, C, kh, kw)   input_size: (H, W)   returns: (O·H'·W', C·H·W)

    >>> toeplitz_matrix(torch.tensor([[[[1.0, 2.0]]]]), (1, 4))
    tensor([[1., 2., 0., 0.],
            [0., 1., 2., 0.],
            [0., 0., 1., 2.]])
    """
    O, C, *_ = weight.shape
    image = weight.new_zeros(1, C, *input_size)
    kernel_size, stride, sides, dilation = check_arguments(image, weight, None, stride, padding, dilation, 1)
    number = 1 + torch.arange(C * input_size[0] * input_size[1]).view(C, *input_size)  # each pixel's column; 0 is the padding
    seen = torch.stack(list(taps(pad(number, sides), kernel_size, stride, dilation)), dim=1)  # (C, k², H', W')
    seen = seen.flatten(0, 1).flatten(1).T.to(weight.device)                                  # (L, C·k²)
    matrix = weight.new_zeros(O, len(seen), 1 + number.numel())
    matrix.scatter_(2, seen.expand(O, -1, -1), weight.reshape(O, 1, -1).expand(-1, len(seen), -1))
    return matrix[:, :, 1:].flatten(0, 1)                                # without the padding's column


def conv2d_toeplitz(input, weight, bias=None, stride=1, padding=0, dilation=1):
    """y = T · x, with the matrix of ``toeplitz_matrix`` (Eq. 4.7) and the image flattened: a convolution is a linear layer.

    input: (N, C, H, W)   weight: (O, C, kh, kw)   bias: (O,) or None   returns: (N, O, H', W')
    """
    kernel_size, (sh, _), (_, _, top, _), (dh, _) = check_arguments(input, weight, bias, stride, padding, dilation, 1)
    matrix = toeplitz_matrix(weight, tuple(input.shape[2:]), stride, padding, dilation)
    H = conv_output_size(input.shape[2], kernel_size[0], sh, top, dh)
    output = (input.flatten(1) @ matrix.mT).unflatten(1, (len(weight), H, -1))  # (N, O, H', W')
    return output if bias is None else output + bias.view(-1, 1, 1)
