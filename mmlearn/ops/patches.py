"""im2col and its adjoint: every patch of an image as a column of a matrix, and columns added back into an image."""

import torch
from torch.nn.functional import pad

from mmlearn.ops.arguments import check_floating, check_whole, pair, places, require, shape
from mmlearn.ops.by_hand import differentiated_by


def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    """H' = ⌊(H + 2p − d(k−1) − 1)/s⌋ + 1 — Eq. 4.3, for one axis: how many positions a kernel has.

    size, kernel_size, stride, padding, dilation: whole numbers; padding counts the zeros on each of the two sides.
    Raises ValueError when the dilated kernel is larger than the padded input. Source: Dumoulin and Visin, 2016, arXiv:1603.07285.

    >>> conv_output_size(28, kernel_size=5), conv_output_size(28, kernel_size=3, stride=2, padding=1)
    (24, 14)
    """
    for argument, value in {"kernel_size": kernel_size, "stride": stride, "dilation": dilation}.items():
        check_whole(value, argument)
    for argument, value in {"size": size, "padding": padding}.items():
        check_whole(value, argument, minimum=0)
    return places(size + 2 * padding, kernel_size, stride, dilation)


def taps(padded, kernel_size, stride, dilation):
    """For each kernel cell (u, v), row by row: the view of the padded input that this cell sees, (…, H', W').

    The cell (u, v) meets the pixel (s·i + d·u, s·j + d·v) when the output pixel is (i, j): a strided slice from (d·u, d·v) on.
    """
    (kh, kw), (sh, sw), (dh, dw) = kernel_size, stride, dilation
    H, W = (places(n, k, s, d) for n, k, s, d in zip(padded.shape[-2:], kernel_size, stride, dilation, strict=True))
    for u in range(kh):
        for v in range(kw):
            rows = slice(dh * u, dh * u + sh * (H - 1) + 1, sh)
            columns = slice(dw * v, dw * v + sw * (W - 1) + 1, sw)
            yield padded[..., rows, columns]


def unfold_backward(grad_output, input, kernel_size, dilation=1, padding=0, stride=1):
    """The gradient of ``unfold``: the adjoint of cutting patches out is adding them back in, ``fold``.

    grad_output: (N, C·kh·kw, L)   input: (N, C, H, W)   returns: (N, C, H, W)
    """
    return fold(grad_output, tuple(input.shape[-2:]), kernel_size, dilation, padding, stride)


@differentiated_by(unfold_backward)
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """im2col: X_col[(c,u,v), (i,j)] = x̃[c, s·i + d·u, s·j + d·v] — Eq. 4.5 (Chellapilla et al. 2006).

    input: (N, C, H, W) or (C, H, W)   returns: (N, C·kh·kw, L) or (C·kh·kw, L), one column per output pixel, L = H'·W'.

    >>> unfold(torch.arange(9.0).view(1, 3, 3), kernel_size=2)
    tensor([[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]])
    """
    check_floating(input, "input", (3, 4), "(N, C, H, W) or (C, H, W)")
    kernel_size, dilation, stride = pair(kernel_size, "kernel_size"), pair(dilation, "dilation"), pair(stride, "stride")
    ph, pw = pair(padding, "padding", minimum=0)
    cells = list(taps(pad(input, (pw, pw, ph, ph)), kernel_size, stride, dilation))  # k² views (…, C, H', W')
    return torch.stack(cells, dim=-3).flatten(-4, -3).flatten(-2)  # (…, C·k², L)


def fold_backward(grad_output, input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The gradient of ``fold`` is ``unfold``: each patch entry receives the gradient of the pixel that it was added to.

    grad_output: (N, C, H, W)   input: (N, C·kh·kw, L)   returns: (N, C·kh·kw, L)
    """
    return unfold(grad_output, kernel_size, dilation, padding, stride)


@differentiated_by(fold_backward)
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """col2im, the adjoint of ``unfold``: x̃[c, α, β] = Σ over all (u,v,i,j) with s·i+d·u = α, s·j+d·v = β — Eq. 5.4.

    Where patches overlap their entries add up: ``fold(unfold(x))`` is x times the number of patches that hold each pixel.
    input: (N, C·kh·kw, L) or (C·kh·kw, L)   output_size: (H, W)   returns: (N, C, H, W) or (C, H, W)

    >>> fold(torch.ones(4, 4), (3, 3), kernel_size=2)
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    check_floating(input, "input", (2, 3), "(N, C·kh·kw, L) or (C·kh·kw, L)")
    kernel_size, dilation, stride = pair(kernel_size, "kernel_size"), pair(dilation, "dilation"), pair(stride, "stride")
    (H, W), (ph, pw) = pair(output_size, "output_size"), pair(padding, "padding", minimum=0)
    rows, columns = input.shape[-2:]
    cells = kernel_size[0] * kernel_size[1]
    require(rows % cells == 0, "input", shape(input), f"a multiple of {cells} rows: C·{kernel_size[0]}·{kernel_size[1]}")

    image = input.new_zeros(*input.shape[:-2], rows // cells, H + 2 * ph, W + 2 * pw)
    height, width = next(taps(image, kernel_size, stride, dilation)).shape[-2:]
    require(columns == height * width, "input", shape(input), f"(…, {rows}, L) with L = {height}·{width}: a column per patch")
    patches = input.unflatten(-2, (-1, cells)).unflatten(-1, (height, width))  # (…, C, k², H', W')
    for cell, part in enumerate(taps(image, kernel_size, stride, dilation)):  # views into the image: adding to them fills it
        part += patches[..., cell, :, :]
    return image[..., ph : ph + H, pw : pw + W].contiguous()
