"""Chapter 05, the gradients of convolution: dW, dX, the adjoint test, transposed convolution, max pooling, and a bug hunt."""

import torch
import torch.nn.functional as F

from mmlearn import ops

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "adjoint_gap",
    "conv_input_gradient",
    "conv_weight_gradient",
    "gradient_error",
    "max_pool_backward",
    "repaired_backward",
    "transposed_convolution",
]


def _output(size, kernel_size, stride, padding):
    return ops.conv_output_size(size, kernel_size, stride, padding)


def _dw(images, grad_output, kernel_size, stride=1, padding=0):
    size = (grad_output.shape[1], images.shape[1], kernel_size, kernel_size)
    return ops.conv2d_weight(images, size, grad_output, stride, padding)


def _dw_solution(images, grad_output, kernel_size, stride=1, padding=0):
    x = F.pad(images, (padding, padding, padding, padding))
    (_, O, H, W), C = grad_output.shape, images.shape[1]
    gradient = x.new_zeros(O, C, kernel_size, kernel_size)
    for u in range(kernel_size):
        for v in range(kernel_size):
            met = x[:, :, u : u + stride * (H - 1) + 1 : stride, v : v + stride * (W - 1) + 1 : stride]  # (N, C, H', W')
            gradient[:, :, u, v] = torch.einsum("noij,ncij->oc", grad_output, met)
    return gradient


def _dw_cases(draw):
    def case(N, C, O, H, W, k, numbers=draw.integers, **options):
        stride, padding = options.get("stride", 1), options.get("padding", 0)
        upstream = numbers(N, O, _output(H, k, stride, padding), _output(W, k, stride, padding))
        return Case(numbers(N, C, H, W), upstream, k, **options)

    yield case(1, 1, 1, 3, 3, 2)
    yield case(1, 1, 1, 3, 4, 2)
    yield case(2, 1, 1, 3, 3, 2)
    yield case(1, 2, 3, 3, 3, 2)
    yield case(1, 1, 1, 3, 3, 3, padding=1)
    yield case(1, 1, 1, 5, 6, 2, stride=2)
    yield case(2, 3, 2, 8, 7, 3, draw.normal, stride=2, padding=1)


def _dw_without_stride(images, grad_output, kernel_size, stride=1, padding=0):
    H, W = (n + 2 * padding - kernel_size + 1 for n in images.shape[2:])
    spread = F.pad(grad_output, (0, W - grad_output.shape[3], 0, H - grad_output.shape[2]))
    return _dw(images, spread, kernel_size, 1, padding)


conv_weight_gradient = Exercise(
    chapter="05",
    name="conv_weight_gradient",
    title="The weight's gradient",
    minutes=30,
    difficulty=2,
    equation="Eq. 5.2",
    oracle=_dw,
    cases=_dw_cases,
    shapes={"images": "N C H W", "grad_output": "N O H' W'"},
    solution=_dw_solution,
    mistakes=[
        Mistake(
            lambda images, grad_output, kernel_size, stride=1, padding=0: (
                _dw(images, grad_output, kernel_size, stride, padding) / len(images)
            ),
            "averaged over the batch: Eq. 5.2 adds the images up",
            "If the loss is a mean over the images, the factor 1/N is in the upstream gradient already.",
        ),
        Mistake(
            lambda images, grad_output, kernel_size, stride=1, padding=0: _dw(
                images[-1:], grad_output[-1:], kernel_size, stride, padding
            ),
            "only the last image counts: the gradient is overwritten for every image, it has to be added up",
        ),
        Mistake(
            lambda images, grad_output, kernel_size, stride=1, padding=0: _dw(
                images, grad_output, kernel_size, stride, padding
            ).flip(2, 3),
            "the gradient is flipped: only the gradient by the *input* brings the flipped kernel",
            "In Eq. 5.2 the cell $(u,v)$ meets the pixel at plus $(u,v)$, as in the forward pass.",
        ),
        Mistake(
            _dw_without_stride,
            "stride is forgotten: place $i$ begins at pixel $s\\,i$, not at pixel $i$",
        ),
        Mistake(
            lambda images, grad_output, kernel_size, stride=1, padding=0: _dw(
                F.pad(images, (0, 2 * padding, 0, 2 * padding)), grad_output, kernel_size, stride, 0
            ),
            "the padding is missing on the left and at the top: pad the input on all sides, as the forward pass did",
        ),
        Mistake(
            lambda images, grad_output, kernel_size, stride=1, padding=0: _dw(
                images, grad_output, kernel_size, stride, padding
            ).transpose(0, 1),
            "the first two axes are exchanged: the weight is (output channel, input channel, row, column)",
        ),
    ],
    hints=[
        "For one cell $(u,v)$ of the kernel: which pixels does it meet, over all places? They form a strided slice of the padded input, of the same height and width as the upstream gradient.",
        "The slice is `x[:, :, u : u + stride * (H - 1) + 1 : stride, v : v + stride * (W - 1) + 1 : stride]`, with $H$, $W$ the height and width of `grad_output`.",
        'Multiply the slice $(N, C, H, W)$ with the upstream gradient $(N, O, H, W)$ and sum over images and places: `torch.einsum("noij,ncij->oc", grad_output, slice)`.',
    ],
)


def _dx(grad_output, weight, input_size, stride=1, padding=0):
    size = (len(grad_output), weight.shape[1], *input_size)
    return ops.conv2d_input(size, weight, grad_output, stride, padding)


def _dx_solution(grad_output, weight, input_size, stride=1, padding=0):
    (N, _, height, width), (H, W), k = grad_output.shape, input_size, weight.shape[2]
    padded = grad_output.new_zeros(N, weight.shape[1], H + 2 * padding, W + 2 * padding)
    for u in range(k):
        for v in range(k):
            sent = torch.einsum("noij,oc->ncij", grad_output, weight[:, :, u, v])
            padded[:, :, u : u + stride * (height - 1) + 1 : stride, v : v + stride * (width - 1) + 1 : stride] += sent
    return padded[:, :, padding : padding + H, padding : padding + W]


def _dx_cases(draw):
    def case(N, C, O, H, W, k, numbers=draw.integers, **options):
        stride, padding = options.get("stride", 1), options.get("padding", 0)
        upstream = numbers(N, O, _output(H, k, stride, padding), _output(W, k, stride, padding))
        return Case(upstream, numbers(O, C, k, k), (H, W), **options)

    yield case(1, 1, 1, 2, 2, 2)
    yield case(1, 1, 1, 3, 3, 2)
    yield case(1, 2, 3, 3, 3, 2)
    yield case(1, 1, 1, 3, 4, 3, padding=1)
    yield case(1, 1, 1, 4, 4, 2, stride=2)
    yield case(1, 1, 1, 5, 5, 3, stride=2)
    yield case(1, 1, 1, 6, 5, 2, stride=2)
    yield case(2, 3, 4, 8, 7, 3, draw.normal, stride=2, padding=1)


def _overwritten(grad_output, weight, size, stride, padding):
    """Footprints laid down in reading order, each replacing what lay there before; the padding still on."""
    k, (H, W) = weight.shape[2], size
    padded = grad_output.new_zeros(len(grad_output), weight.shape[1], H + 2 * padding, W + 2 * padding)
    for i in range(grad_output.shape[2]):
        for j in range(grad_output.shape[3]):
            rows, columns = slice(i * stride, i * stride + k), slice(j * stride, j * stride + k)
            padded[:, :, rows, columns] = torch.einsum("no,ockl->nckl", grad_output[:, :, i, j], weight)
    return padded


def _dx_without_stride(grad_output, weight, input_size, stride=1, padding=0):
    H, W = (n + 2 * padding - weight.shape[2] + 1 for n in input_size)
    return _dx(F.pad(grad_output, (0, W - grad_output.shape[3], 0, H - grad_output.shape[2])), weight, input_size, 1, padding)


def _padded_dx(grad_output, weight, input_size, stride=1, padding=0):
    return _dx(grad_output, weight, tuple(n + 2 * padding for n in input_size), stride, 0)


conv_input_gradient = Exercise(
    chapter="05",
    name="conv_input_gradient",
    title="The input's gradient, with stride",
    minutes=30,
    difficulty=3,
    equation="Eq. 5.3",
    oracle=_dx,
    cases=_dx_cases,
    shapes={"grad_output": "N O H' W'", "weight": "O C k k"},
    solution=_dx_solution,
    mistakes=[
        Mistake(
            lambda grad_output, weight, input_size, stride=1, padding=0: _overwritten(
                grad_output, weight, input_size, stride, padding
            )[:, :, padding : padding + input_size[0], padding : padding + input_size[1]],
            "the gradient is not summed over overlaps: a later footprint overwrites an earlier one",
            "Use `+=`. A pixel that several windows saw hears from all of them.",
        ),
        Mistake(
            lambda grad_output, weight, input_size, stride=1, padding=0: _dx(
                grad_output, weight.flip(2, 3), input_size, stride, padding
            ),
            "the kernel is turned the wrong way round: a footprint is the kernel as it is; only the correlation form (Eq. 5.6) needs it flipped",
        ),
        Mistake(
            _dx_without_stride,
            "stride is forgotten: the footprint of place $i$ begins at pixel $s\\,i$, not at pixel $i$",
        ),
        Mistake(
            lambda grad_output, weight, input_size, stride=1, padding=0: _padded_dx(
                grad_output, weight, input_size, stride, padding
            ),
            "the padding is still on: cut it off, the gradient has the input's size",
        ),
        Mistake(
            lambda grad_output, weight, input_size, stride=1, padding=0: _padded_dx(
                grad_output, weight, input_size, stride, padding
            )[:, :, : input_size[0], : input_size[1]],
            "the padding is cut off on the wrong side: the image begins `padding` pixels in",
        ),
        Mistake(
            lambda grad_output, weight, input_size, stride=1, padding=0: _padded_dx(
                grad_output, weight, input_size, stride, padding
            )[:, :, padding:-padding, padding:-padding],
            "`padded[:, :, p:-p, p:-p]` is empty when there is no padding: write `p : p + H` and `p : p + W`",
        ),
        Mistake(
            lambda grad_output, weight, input_size, stride=1, padding=0: _dx(
                grad_output[:, :1], weight[:1], input_size, stride, padding
            ),
            "the sum over the output channels is forgotten: only the first one counts",
        ),
    ],
    hints=[
        "Begin with `padded = zeros(N, C, H + 2p, W + 2p)`: room for the padded input. The output pixel $(i,j)$ adds to the window that begins at row $s\\,i$, column $s\\,j$: the kernels times its gradient, summed over the output channels. Looping over the places is fine.",
        'For one place: `g = grad_output[:, :, i, j]` is (N, O), and `torch.einsum("no,ockl->nckl", g, weight)` is its footprint. (Or for one cell $(u,v)$, all places at once: $\\sum_o w[o,c,u,v]\\, g[n,o,i,j]$ goes to the strided slice that begins at $(u,v)$.)',
        "At the end cut the padding off: `padded[:, :, p : p + H, p : p + W]`.",
    ],
    afterword="What fell on the padding is gone: zeros that we added ourselves do not learn.",
)


def _adjoint_gap(forward, backward, x, g):
    y = forward(x)
    gap = (y * g).sum() - (x * backward(g)).sum()
    return (gap.abs() / (y.norm() * g.norm())).item()


def _gap_cases(draw):
    matrix, kernel = draw.integers(2, 3), draw.normal(2, 3, 3, 3)

    def right(g):
        return matrix.T @ g

    def doubled(g):
        return 2 * matrix.T @ g

    def convolve(x):
        return F.conv2d(x, kernel, padding=1)

    def flipped(g):
        return F.conv_transpose2d(g, kernel.flip(2, 3), padding=1)

    yield Case(lambda x: matrix @ x, right, draw.integers(3, low=1), draw.integers(2, low=1), label="a matrix and its transpose")
    yield Case(
        lambda x: matrix @ x, doubled, draw.integers(3, low=1), draw.integers(2, low=1), label="a matrix and twice its transpose"
    )
    yield Case(
        lambda x: matrix @ x, lambda g: -right(g), draw.integers(3, low=1), draw.integers(2, low=1), label="the sign turned"
    )
    yield Case(
        convolve,
        flipped,
        draw.normal(2, 3, 5, 5),
        draw.normal(2, 2, 5, 5),
        label="a convolution, its kernel flipped once too often",
    )


adjoint_gap = Exercise(
    chapter="05",
    name="adjoint_gap",
    title="The adjoint test",
    minutes=10,
    difficulty=1,
    equation="Eq. 5.7",
    oracle=_adjoint_gap,
    cases=_gap_cases,
    noise=1e-12,  # what rounding leaves of a gap of 0
    float32=False,
    solution=_adjoint_gap,
    mistakes=[
        Mistake(
            lambda forward, backward, x, g: (
                ((forward(x) * g).sum() - (x * backward(g)).sum()) / (forward(x).norm() * g.norm())
            ).item(),
            "the absolute value is missing: a gap may be negative",
        ),
        Mistake(
            lambda forward, backward, x, g: ((forward(x) * g).sum() - (x * backward(g)).sum()).abs().item(),
            "the gap is not divided by the norms: without them it grows with the numbers that happen to be drawn",
        ),
        Mistake(
            lambda forward, backward, x, g: (
                ((forward(x) * g).sum() - (x * backward(g)).sum()).abs() / (x.norm() * g.norm())
            ).item(),
            "divided by the norm of $x$; the formula has the norm of $Ax$",
        ),
        Mistake(
            lambda forward, backward, x, g: (
                ((forward(x) * g).sum() - (x * backward(g)).sum()).abs() / (forward(x).square().sum() * g.square().sum())
            ).item(),
            "divided by the squared norms: take the roots, `.norm()`",
        ),
    ],
    hints=[
        "An inner product is one line: `(a * b).sum()`, whatever the shape.",
        "`forward(x)` pairs with `g`, and `x` pairs with `backward(g)`: shapes that agree tell you which goes with which.",
        "Take `.abs()` of the difference, divide by `forward(x).norm() * g.norm()`, and make a float of it with `.item()`.",
    ],
    afterword="Two random tensors test all of a linear map at once; what escapes is an error below rounding, one at other shapes, and a wrong forward pass with its own adjoint.",
)


def _transposed(images, weight, stride=1, padding=0):
    return F.conv_transpose2d(images, weight, None, stride, padding)


def _transposed_solution(images, weight, stride=1, padding=0):
    (N, C, H, W), k = images.shape, weight.shape[2]
    apart = images.new_zeros(N, C, stride * (H - 1) + 1, stride * (W - 1) + 1)
    apart[:, :, ::stride, ::stride] = images
    border = k - 1 - padding
    return F.conv2d(F.pad(apart, (border, border, border, border)), weight.flip(2, 3).transpose(0, 1))


def _transposed_cases(draw):
    yield Case(draw.integers(1, 1, 2, 2), draw.integers(1, 1, 2, 2))
    yield Case(draw.integers(1, 1, 2, 3), draw.integers(1, 1, 2, 2), stride=2)
    yield Case(draw.integers(1, 1, 2, 3), draw.integers(1, 1, 3, 3), stride=2)
    yield Case(draw.integers(1, 2, 2, 2), draw.integers(2, 3, 2, 2))
    yield Case(draw.integers(1, 1, 3, 3), draw.integers(1, 1, 3, 3), padding=1)
    yield Case(draw.normal(2, 3, 4, 5), draw.normal(3, 2, 4, 4), stride=2, padding=1)


def _crop(output, padding):
    return output[:, :, padding : output.shape[2] - padding, padding : output.shape[3] - padding]


def _transposed_overwritten(images, weight, stride=1, padding=0):
    size = tuple(stride * (n - 1) + weight.shape[2] for n in images.shape[2:])
    return _crop(_overwritten(images, weight, size, stride, 0), padding)


transposed_convolution = Exercise(
    chapter="05",
    name="transposed_convolution",
    title="Transposed convolution",
    minutes=20,
    difficulty=2,
    equation="Eq. 5.7",
    oracle=_transposed,
    cases=_transposed_cases,
    shapes={"images": "N C H W", "weight": "C O k k"},
    solution=_transposed_solution,
    mistakes=[
        Mistake(
            lambda images, weight, stride=1, padding=0: _transposed(images, weight.flip(2, 3), stride, padding),
            "the kernel is turned the wrong way round: flip it for the correlation form, leave it as it is for footprints",
        ),
        Mistake(
            _transposed_overwritten,
            "footprints that overlap are not added: a later one overwrites an earlier one",
        ),
        Mistake(
            lambda images, weight, stride=1, padding=0: _transposed(images, weight, 1, padding),
            "stride is forgotten: the footprints lie $s$ pixels apart",
        ),
        Mistake(
            lambda images, weight, stride=1, padding=0: _transposed(images, weight, stride, 0),
            "the padding is still on: here padding makes the output *smaller*, by $p$ on each side",
        ),
        Mistake(
            lambda images, weight, stride=1, padding=0: _transposed(images, weight, stride, 0)[
                :, :, padding:-padding, padding:-padding
            ],
            "`[:, :, p:-p, p:-p]` is empty when there is no padding: cut with `p : p + height`",
        ),
        Mistake(
            lambda images, weight, stride=1, padding=0: F.pad(_transposed(images, weight, stride, 0), (padding,) * 4),
            "padding adds a border here; in the adjoint it takes one away",
        ),
    ],
    hints=[
        "It is exercise 5.2 with other names: `images` in place of the upstream gradient. Check the size with Eq. 5.8.",
        "With inserted zeros: `apart[:, :, ::stride, ::stride] = images`, then a full correlation with the flipped kernel, padding $k-1-p$.",
        "`F.conv2d` wants its weight as (output channels, input channels, row, column): `weight.flip(2, 3).transpose(0, 1)`.",
    ],
)


def _max_backward(grad_output, images, kernel_size, stride):
    return ops.max_pool2d_backward(grad_output, images, kernel_size, stride)


def _max_backward_solution(grad_output, images, kernel_size, stride):
    N, C, H, W = images.shape
    gradient = torch.zeros_like(images).flatten(2)  # (N, C, H·W)
    for i in range(grad_output.shape[2]):
        for j in range(grad_output.shape[3]):
            window = images[:, :, i * stride : i * stride + kernel_size, j * stride : j * stride + kernel_size]
            winner = window.flatten(2).argmax(2)  # (N, C), counted within the window
            row, column = i * stride + winner // kernel_size, j * stride + winner % kernel_size
            gradient.scatter_add_(2, (row * W + column)[..., None], grad_output[:, :, i, j, None])
    return gradient.view(N, C, H, W)


def _pool_cases(draw):
    def case(images, kernel_size, stride, label=""):
        H, W = (_output(n, kernel_size, stride, 0) for n in images.shape[2:])
        return Case(draw.integers(*images.shape[:2], H, W, low=1, high=9), images, kernel_size, stride, label=label)

    yield case(draw.distinct(1, 1, 2, 2), 2, 2, "one window")
    yield case(draw.distinct(1, 1, 4, 4), 2, 2, "windows side by side")
    yield case(draw.distinct(1, 1, 3, 3), 2, 1, "windows that overlap")
    yield case(draw.integers(1, 1, 4, 4, low=0, high=2), 2, 2, "with equal pixels")
    yield case(draw.distinct(1, 1, 5, 6), 2, 3, "windows with gaps")
    yield case(draw.normal(2, 3, 7, 6), 3, 2, "a batch")


def _by_window(share):
    """A wrong backward pass: each window hands on ``share(window (N, C, k²), grad (N, C, 1))``, added up over the windows."""

    def backward(grad_output, images, kernel_size, stride):
        gradient = torch.zeros_like(images)
        for i in range(grad_output.shape[2]):
            for j in range(grad_output.shape[3]):
                rows, columns = slice(i * stride, i * stride + kernel_size), slice(j * stride, j * stride + kernel_size)
                window = images[:, :, rows, columns]
                gradient[:, :, rows, columns] += share(window.flatten(2), grad_output[:, :, i, j, None]).view_as(window)
        return gradient

    return backward


def _winners_overwritten(grad_output, images, kernel_size, stride):
    winners = F.max_pool2d(images, kernel_size, stride, return_indices=True)[1].flatten(2)
    return torch.zeros_like(images).flatten(2).scatter(2, winners, grad_output.flatten(2)).view_as(images)


def _last_winner(window, grad):
    place = window.shape[2] - 1 - window.flip(2).argmax(2, keepdim=True)
    return torch.zeros_like(window).scatter(2, place, grad)


def _shared_by_winners(window, grad):
    winners = (window == window.amax(2, keepdim=True)).to(grad.dtype)
    return winners / winners.sum(2, keepdim=True) * grad


def _transposed_winner(window, grad):
    k = round(window.shape[2] ** 0.5)
    winner = window.argmax(2, keepdim=True)
    return torch.zeros_like(window).scatter(2, winner % k * k + winner // k, grad)


def _stride_is_kernel(grad_output, images, kernel_size, stride):
    gradient = torch.zeros_like(images)
    for i in range(grad_output.shape[2]):
        for j in range(grad_output.shape[3]):
            rows = slice(i * kernel_size, (i + 1) * kernel_size)
            columns = slice(j * kernel_size, (j + 1) * kernel_size)
            window = images[:, :, rows, columns]
            if window.numel():
                flat = window.flatten(2)
                share = torch.zeros_like(flat).scatter(2, flat.argmax(2, keepdim=True), grad_output[:, :, i, j, None])
                gradient[:, :, rows, columns] += share.view_as(window)
    return gradient


max_pool_backward = Exercise(
    chapter="05",
    name="max_pool_backward",
    title="Max pooling, backwards",
    minutes=25,
    difficulty=2,
    equation="Eq. 5.10",
    oracle=_max_backward,
    cases=_pool_cases,
    shapes={"grad_output": "N C H' W'", "images": "N C H W"},
    solution=_max_backward_solution,
    mistakes=[
        Mistake(
            _winners_overwritten,
            "the gradient is not summed over overlaps: a pixel that wins several windows collects from each",
        ),
        Mistake(
            _by_window(lambda window, grad: (window == window.amax(2, keepdim=True)) * grad),
            "when pixels are equal, each of them receives the whole gradient; the first in reading order should get it alone",
            "`window == window.max()` marks all of the equal ones. `argmax` names one.",
        ),
        Mistake(
            _by_window(_shared_by_winners),
            "when pixels are equal, they share the gradient; the first in reading order should get all of it",
            "Sharing is a subgradient, too, and `torch.amax` does it. Max pooling does not.",
        ),
        Mistake(
            _by_window(_transposed_winner),
            "row and column within the window are exchanged: the row is `winner // kernel_size`, the column `winner % kernel_size`",
        ),
        Mistake(
            _stride_is_kernel,
            "`stride` is forgotten: the window of place $(i,j)$ begins at pixel $(s\\,i, s\\,j)$",
        ),
        Mistake(
            _by_window(lambda window, grad: grad.expand_as(window) / window.shape[2]),
            "this is the backward of *average* pooling: everybody receives an equal share",
        ),
        Mistake(
            _by_window(lambda window, grad: grad.expand_as(window)),
            "every pixel of the window receives the gradient; only the largest made the output",
        ),
        Mistake(
            _by_window(lambda window, grad: torch.zeros_like(window).scatter(2, window.argmax(2, keepdim=True), 1.0)),
            "the winner receives 1; it should receive the upstream gradient of its window",
        ),
        Mistake(
            _by_window(_last_winner),
            "when pixels are equal the last one gets the gradient; it should be the first in reading order",
        ),
        Mistake(
            _by_window(lambda window, grad: torch.zeros_like(window).scatter(2, window.argmin(2, keepdim=True), grad)),
            "the gradient goes to the smallest pixel",
        ),
    ],
    hints=[
        "Loop over the places $(i,j)$. Cut the window out of `images`, as in the forward pass, and ask where its largest pixel is.",
        "`window.flatten(2).argmax(2)` counts within the window: row `winner // kernel_size`, column `winner % kernel_size`. Add the window's corner, $(s\\,i, s\\,j)$.",
        "Windows may overlap, so add: `gradient.scatter_add_(2, index, value)` on the gradient flattened to $(N, C, H·W)$, with the index `row * W + column`.",
    ],
)


def _gradient_error(function, claimed, x, grad_output, step=1e-5):
    measured = torch.zeros_like(x)
    for i in range(x.numel()):
        nudge = torch.zeros_like(x)
        nudge.view(-1)[i] = step
        change = (function(x + nudge) - function(x - nudge)) / (2 * step)
        measured.view(-1)[i] = (change * grad_output).sum()
    return ((claimed - measured).abs().max() / measured.abs().max()).item()


def _error_cases(draw):
    def cube(x):
        return x**3

    x, g = draw.integers(3, low=1, high=5), draw.integers(3, low=1, high=4)
    yield Case(cube, 3 * x**2 * g, x, g, label="a right gradient")
    yield Case(cube, 6 * x**2 * g, x, g, label="twice too large")
    yield Case(cube, 3 * x**2, x, 2 * g, label="the upstream gradient forgotten")
    x, g = draw.normal(2, 3), draw.normal(2, 3)
    one_wrong = torch.cos(x) * g
    one_wrong[1, 2] += 0.5
    yield Case(torch.sin, one_wrong, x, g, label="one entry wrong")
    yield Case(torch.sin, -torch.cos(x) * g, x, g, label="the sign turned")
    x, g = draw.normal(3), torch.tensor([1.0, 2.0, 1e-3], dtype=torch.float64)
    small_wrong = torch.cos(x) * g
    small_wrong[2] *= 2
    yield Case(torch.sin, small_wrong, x, g, label="a small entry wrong")
    x, g = 1 + draw.uniform(4), draw.uniform(4) + 1
    yield Case(torch.exp, torch.exp(x) * g, x, g, step=1e-3, label="a right gradient, a larger step")


def _variant(change, compare=lambda claimed, measured: (claimed - measured).abs().max() / measured.abs().max()):
    """A gradient check with another difference quotient, or another comparison."""

    def check(function, claimed, x, grad_output, step=1e-5):
        measured = torch.zeros_like(x)
        for i in range(x.numel()):
            nudge = torch.zeros_like(x)
            nudge.view(-1)[i] = step
            measured.view(-1)[i] = (change(function, x, nudge, step) * grad_output).sum()
        return compare(claimed, measured).item()

    return check


def _central(function, x, nudge, step):
    return (function(x + nudge) - function(x - nudge)) / (2 * step)


def _without_upstream(function, claimed, x, grad_output, step=1e-5):
    return _gradient_error(function, claimed, x, torch.ones_like(grad_output), step)


gradient_error = Exercise(
    chapter="05",
    name="gradient_error",
    title="A gradient check",
    minutes=20,
    difficulty=2,
    oracle=_gradient_error,
    cases=_error_cases,
    noise=1e-6,  # what central differences themselves err by
    float32=False,
    tolerance=1e-4,
    solution=_gradient_error,
    mistakes=[
        Mistake(
            _variant(lambda function, x, nudge, step: (function(x + nudge) - function(x)) / step),
            "this is the one-sided difference: its error falls with $h$, that of the central difference with $h^2$",
        ),
        Mistake(
            _variant(lambda function, x, nudge, step: (function(x + nudge) - function(x - nudge)) / step),
            "divided by $h$; the two points are $2h$ apart",
        ),
        Mistake(
            _without_upstream,
            "`grad_output` is forgotten: measure the derivative of $\\langle g, \\Phi(x)\\rangle$, not that of the sum of $f(x)$",
        ),
        Mistake(
            _variant(_central, lambda claimed, measured: (claimed - measured).max() / measured.abs().max()),
            "the absolute value is missing: an error may be negative",
        ),
        Mistake(
            _variant(_central, lambda claimed, measured: (claimed - measured).abs().mean() / measured.abs().mean()),
            "the mean hides a single wrong entry: take the largest error",
        ),
        Mistake(
            _variant(_central, lambda claimed, measured: ((claimed - measured) / measured).abs().max()),
            "each error is divided by its own derivative; divide the largest error by the largest derivative",
            "Entry by entry, a derivative that happens to be near zero makes rounding look like a mistake.",
        ),
        Mistake(
            _variant(_central, lambda claimed, measured: (claimed - measured).abs().max() / claimed.abs().max()),
            "divided by the largest *claimed* derivative: divide by the largest measured one, which is to be trusted",
        ),
        Mistake(
            _variant(_central, lambda claimed, measured: (claimed - measured).abs().max()),
            "this is the absolute error: divide by the largest measured derivative",
        ),
    ],
    hints=[
        "One number of $x$ at a time: `nudge = torch.zeros_like(x)`, then `nudge.view(-1)[i] = step`. Call `function(x + nudge)` and `function(x - nudge)`.",
        "The derivative of $\\langle g, \\Phi(x)\\rangle$ by $x_i$ is `((plus - minus) / (2 * step) * grad_output).sum()`.",
        "Collect them in a tensor of $x$'s shape; return `((claimed - measured).abs().max() / measured.abs().max()).item()`.",
    ],
)


def _repaired(grad_output, x, w, b, stride, padding):
    return tuple(ops.conv2d_backward(grad_output, x, w, b, stride, padding))


def _repaired_solution(grad_output, x, w, b, stride, padding):
    k, H, W = w.shape[2], x.shape[2], x.shape[3]
    x_padded = F.pad(x, (padding, padding, padding, padding))
    dx_padded = torch.zeros_like(x_padded)
    dw = torch.zeros_like(w)
    db = grad_output.sum(dim=(0, 2, 3))  # every image counts: a sum, not a mean
    for i in range(grad_output.shape[2]):
        for j in range(grad_output.shape[3]):
            rows, columns = slice(i * stride, i * stride + k), slice(j * stride, j * stride + k)
            g = grad_output[:, :, i, j]  # (N, O)
            dw += torch.einsum("no,nckl->ockl", g, x_padded[:, :, rows, columns])
            dx_padded[:, :, rows, columns] += torch.einsum("no,ockl->nckl", g, w)  # footprints overlap: add
    dx = dx_padded[:, :, padding : padding + H, padding : padding + W]  # the image begins behind the padding
    return dx, dw, db


def _with_errors(bias=False, overlap=False, crop=False):
    """The published backward pass with some of its three errors left in."""

    def backward(grad_output, x, w, b, stride, padding):
        H, W = x.shape[2:]
        _, dw, db = _repaired(grad_output, x, w, b, stride, padding)
        if overlap:
            padded = _overwritten(grad_output, w, (H, W), stride, padding)
        else:
            padded = _padded_dx(grad_output, w, (H, W), stride, padding)
        start = 0 if crop else padding
        return padded[:, :, start : start + H, start : start + W], dw, db / len(x) if bias else db

    return backward


def _hunt_cases(draw):
    def case(N, H, W, k, stride, padding, label):
        x, w, b = draw.integers(N, 2, H, W), draw.integers(3, 2, k, k), draw.integers(3)
        upstream = draw.integers(N, 3, _output(H, k, stride, padding), _output(W, k, stride, padding), low=1, high=5)
        return Case(upstream, x, w, b, stride, padding, label=label)

    yield case(1, 6, 6, 2, 2, 0, "the author's shapes")
    yield case(2, 4, 4, 2, 2, 0, "two images")
    yield case(1, 4, 4, 2, 1, 0, "windows that overlap")
    yield case(1, 4, 4, 2, 2, 1, "padding")
    yield case(3, 7, 6, 3, 2, 1, "all of it")


_BIAS = "the bias's gradient is still averaged over the batch"
_OVERLAP = "in `dx`, overlapping footprints still overwrite each other"
_CROP = "in `dx`, the padding is still cut off on the wrong side"

_HUNT = "Run `hunt(gradient_error, repaired_backward, batch=1, kernel=2, stride=2, padding=0)` and change one number at a time."

repaired_backward = Exercise(
    chapter="05",
    name="repaired_backward",
    title="Repair it",
    minutes=20,
    difficulty=3,
    oracle=_repaired,
    cases=_hunt_cases,
    returns=("dx", "dw", "db"),
    solution=_repaired_solution,
    mistakes=[
        Mistake(_with_errors(bias=True), f"two errors found, one left: {_BIAS}", "Which batch size brings it to light?"),
        Mistake(
            _with_errors(overlap=True),
            f"two errors found, one left: {_OVERLAP}",
            "Which stride brings it to light, for a kernel of 3?",
        ),
        Mistake(
            _with_errors(crop=True), f"two errors found, one left: {_CROP}", "Where in the padded tensor does the image begin?"
        ),
        Mistake(
            _with_errors(bias=True, overlap=True),
            "one error found, the padding's; two are left, one in `db` and one in `dx`",
            _HUNT,
        ),
        Mistake(
            _with_errors(bias=True, crop=True), "one error found, the overlaps'; two are left, one in `db` and one in `dx`", _HUNT
        ),
        Mistake(_with_errors(overlap=True, crop=True), "one error found, the bias's; two are left, both in `dx`", _HUNT),
        Mistake(
            _with_errors(bias=True, overlap=True, crop=True),
            "all three errors are still in it",
            _HUNT,
        ),
    ],
    hints=[
        "Run `hunt` with one changed shape at a time: `batch=2`, then `stride=1`, then `padding=1`. Each brings out exactly one error, and names the gradient it is in.",
        "`db` is wrong when there are two images. What does `.mean(dim=0)` do to them, and what does Eq. 5.1 say?",
        "`dx` is wrong when windows overlap: look for `=` where `+=` should be. And when there is padding: in `dx_padded`, where does the image begin?",
    ],
    afterword="Each of the three hides behind a convenient shape. Draw shapes at random, and never only ones.",
)
