"""Chapter 04, convolution: an edge filter, sizes and costs, a layer as loops, as patches and as one matrix."""

import torch
import torch.nn.functional as F

from mmlearn import ops

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = ["conv2d_loops", "convolution_matrix", "edge_kernel", "im2col", "layer_cost", "linear_inputs", "output_size"]


_SOBEL_DOWN = torch.tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])


def _is_grid(kernel):
    return isinstance(kernel, torch.Tensor) and tuple(kernel.shape) == (3, 3)


def _answers(kernel):
    """The kernel's answer to an even patch, to one that turns brighter downwards, and to one that does so to the right."""
    ramp = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0]], dtype=torch.float64)
    kernel = kernel.double()
    return kernel.sum().item(), (kernel * ramp).sum().item(), (kernel * ramp.T).sum().item()


def _judge_edge_kernel(kernel):
    even, down, _ = _answers(kernel)
    if abs(even) > 1e-6:
        return f"on an even image it gives {even:.3g} times the brightness, not 0: the nine weights must add up to zero"
    columns = kernel.double().sum(0)
    for column in range(3):
        if abs(columns[column]) > 1e-6:
            words = ("left", "middle", "right")[column]
            return (
                f"at an upright line one pixel wide, in its {words} column, it gives {columns[column].item():.3g} instead of 0: "
                "the weights of each column must add up to zero"
            )
    if down <= 1e-6:
        return f"where the image turns brighter downwards it gives {down:.3g}; the answer there must be positive"
    return None


edge_kernel = ValueExercise(
    chapter="04",
    name="edge_kernel",
    title="An edge filter by hand",
    minutes=10,
    difficulty=1,
    equation="Eq. 4.1",
    oracle=_SOBEL_DOWN,
    accepts=_judge_edge_kernel,
    solution="edge_kernel = torch.tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])",
    mistakes=[
        Mistake(
            lambda k: _is_grid(k) and abs(_answers(k)[0]) < 1e-6 and _answers(k)[2] > 1e-6 >= abs(_answers(k)[1]),
            "this kernel finds vertical edges: rows and columns are exchanged",
            "It compares left with right. To compare above with below, the sign has to change from row to row.",
            example=_SOBEL_DOWN.T.contiguous(),
        ),
        Mistake(
            lambda k: _is_grid(k) and torch.equal(k.sum(0), torch.zeros_like(k[0])) and _answers(k)[1] < -1e-6,
            "the sign is turned round: it answers positively where the image turns darker downwards",
            "The weights above should be negative, those below positive. (If you flipped it to get a true convolution: libraries do not.)",
            example=-_SOBEL_DOWN,
        ),
        Mistake(
            lambda k: _is_grid(k) and k.double().sum() > 1e-6 and bool((k >= 0).all()),
            "all weights are positive, so it averages: a blur, not a comparison",
            "An edge is a difference. Some weights must be negative, and all nine must add up to zero.",
            example=torch.full((3, 3), 1 / 9),
        ),
        Mistake(
            lambda k: _is_grid(k) and not k.any(),
            "a kernel of zeros gives zero everywhere, at edges too",
            example=torch.zeros(3, 3),
        ),
    ],
    hints=[
        "An edge is a difference between the pixels above and the pixels below. Which sign do the weights need in the top row, and which in the bottom row?",
        "On an even image every pixel has the same value, so the output is that value times the sum of the nine weights.",
        "At a vertical edge each *column* of the patch is even. So the weights of each column must add up to zero.",
    ],
    afterword="Rows of $-a, -b, -c$, zeros, and $a, b, c$ with $a+b+c > 0$ will do, and others. Sobel's choice is 1, 2, 1: a difference downwards times a blur across, `[-1, 0, 1]` and `[1, 2, 1]` multiplied as column and row.",
)


def _output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    reach = dilation * (kernel_size - 1) + 1
    return (size + 2 * padding - reach) // stride + 1


def _size_cases(draw):
    yield Case(5, 3)
    yield Case(5, 3, stride=2)
    yield Case(6, 3, stride=2)
    yield Case(5, 3, padding=1)
    yield Case(9, 3, dilation=2)
    yield Case(4, 1)
    for _ in range(6):
        kernel, dilation = draw.number(1, 5), draw.number(1, 3)
        size = dilation * (kernel - 1) + 1 + draw.number(0, 20)
        yield Case(size, kernel, stride=draw.number(1, 4), padding=draw.number(0, 3), dilation=dilation)


output_size = Exercise(
    chapter="04",
    name="output_size",
    title="Stride, padding, dilation",
    minutes=5,
    difficulty=1,
    equation="Eq. 4.3",
    oracle=_output_size,
    cases=_size_cases,
    float32=False,
    mistakes=[
        Mistake(
            lambda size, kernel_size, stride=1, padding=0, dilation=1: (
                (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride
            ),
            "off by one: the first place is not counted",
            "The quotient is the number of *steps*. There is one place more than there are steps.",
        ),
        Mistake(
            lambda size, kernel_size, stride=1, padding=0, dilation=1: (
                (size + padding - dilation * (kernel_size - 1) - 1) // stride + 1
            ),
            "padding is counted on one side only; the zeros are added on both",
        ),
        Mistake(
            lambda size, kernel_size, stride=1, padding=0, dilation=1: (size + 2 * padding - kernel_size) // stride + 1,
            "dilation is forgotten: the kernel reaches over d(k−1)+1 pixels, not over k",
        ),
        Mistake(
            lambda size, kernel_size, stride=1, padding=0, dilation=1: (
                (size + 2 * padding - dilation * kernel_size) // stride + 1
            ),
            "dilation is multiplied with k; between k cells there are only k−1 gaps",
        ),
        Mistake(
            lambda size, kernel_size, stride=1, padding=0, dilation=1: (
                -(-(size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride) + 1
            ),
            "rounded up: a last step that does not fit is not taken",
            "Use `//`. Some pooling layers offer rounding up as `ceil_mode`; convolutions do not.",
        ),
        Mistake(
            lambda size, kernel_size, stride=1, padding=0, dilation=1: (
                (size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1
            ),
            "a true division: use `//`, the number of places is whole",
        ),
        Mistake(
            lambda size, kernel_size, stride=1, padding=0, dilation=1: size + 2 * padding - dilation * (kernel_size - 1),
            "stride is forgotten",
        ),
    ],
    hints=[
        "How many pixels are there after padding? Zeros are added on the left *and* on the right.",
        "A kernel of $k$ cells with $k-1$ gaps of $d$ reaches over $d(k-1)+1$ pixels. Where can its last place start at the latest?",
        "The starts are $0, s, 2s, \\dots$: count those that are not beyond the last possible start. Do not forget the 0.",
    ],
    solution=_output_size,
)


def _conv2d(images, weight, bias, stride=1, padding=0, dilation=1):
    return F.conv2d(images, weight, bias, stride, padding, dilation)


def _loops_solution(images, weight, bias, stride=1, padding=0, dilation=1):
    x = F.pad(images, (padding, padding, padding, padding))
    N, O, (kh, kw) = len(images), len(weight), weight.shape[2:]
    H = (x.shape[2] - dilation * (kh - 1) - 1) // stride + 1
    W = (x.shape[3] - dilation * (kw - 1) - 1) // stride + 1
    output = x.new_zeros(N, O, H, W)
    for n in range(N):
        for o in range(O):
            for i in range(H):
                for j in range(W):
                    top, left = stride * i, stride * j
                    patch = x[n, :, top : top + dilation * kh : dilation, left : left + dilation * kw : dilation]
                    output[n, o, i, j] = bias[o] + (weight[o] * patch).sum()
    return output


def _conv_cases(draw):
    yield Case(draw.integers(1, 1, 3, 3), draw.integers(1, 1, 2, 2), draw.integers(1, low=0, high=1), label="one channel")
    yield Case(draw.integers(1, 1, 3, 4), draw.integers(1, 1, 2, 2), draw.integers(1, low=1, high=4), label="with a bias")
    yield Case(draw.integers(1, 2, 3, 3), draw.integers(1, 2, 2, 2), draw.integers(1), label="two channels in")
    yield Case(draw.integers(1, 1, 4, 4), draw.integers(3, 1, 3, 3), draw.integers(3, low=1, high=9), label="three channels out")
    yield Case(draw.integers(1, 1, 4, 4), draw.integers(1, 1, 3, 2), draw.integers(1), label="a kernel that is not square")
    yield Case(draw.integers(2, 1, 3, 3), draw.integers(1, 1, 2, 2), draw.integers(1), label="two images")
    yield Case(draw.integers(1, 1, 3, 4), draw.integers(1, 1, 3, 3), draw.integers(1), padding=1)
    yield Case(draw.integers(1, 1, 5, 6), draw.integers(1, 1, 2, 2), draw.integers(1), stride=2)
    yield Case(draw.integers(1, 1, 5, 6), draw.integers(1, 1, 2, 3), draw.integers(1), dilation=2)
    yield Case(draw.normal(2, 3, 7, 6), draw.normal(4, 3, 3, 2), draw.normal(4), stride=2, padding=2, dilation=2)


def _one_side(images, padding):
    return F.pad(images, (padding, 0, padding, 0))


def _only_first_image(images, weight, bias, stride=1, padding=0, dilation=1):
    output = F.conv2d(images, weight, bias, stride, padding, dilation)
    output[1:] = 0
    return output


def _bias_in_the_sum(images, weight, bias, stride=1, padding=0, dilation=1):
    return F.conv2d(images, weight, bias * weight[0].numel(), stride, padding, dilation)


conv2d_loops = Exercise(
    chapter="04",
    name="conv2d_loops",
    title="A layer as loops",
    minutes=25,
    difficulty=2,
    equation="Eq. 4.4",
    oracle=_conv2d,
    cases=_conv_cases,
    shapes={"images": "N C H W", "weight": "O C kh kw"},
    solution=_loops_solution,
    mistakes=[
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(
                images, weight.flip(2, 3), bias, stride, padding, dilation
            ),
            "the kernel is flipped: that is convolution, not cross-correlation",
            "In Eq. 4.4 the cell $(u,v)$ meets the pixel at *plus* $(u,v)$.",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(
                _one_side(images, padding), weight, bias, stride, 0, dilation
            ),
            "padding on one side only: the zeros go to the left and to the right, above and below",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(
                F.pad(images, (0, padding, 0, padding)), weight, bias, stride, 0, dilation
            ),
            "padding only at the right and the bottom: the zeros go to all four sides",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(
                images[:, :1], weight[:, :1], bias, stride, padding, dilation
            ),
            "the channel sum is forgotten: only the first input channel is used",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(
                images, weight / weight.shape[1], bias, stride, padding, dilation
            ),
            "the channels are averaged; Eq. 4.4 adds them up",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(
                images, weight, None, stride, padding, dilation
            ),
            "the bias is forgotten",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(images, weight, bias, stride, 0, dilation),
            "padding is forgotten: the size is that of an image without zeros around it",
        ),
        Mistake(
            _only_first_image,
            "only the first image is computed: is the `return` inside a loop?",
        ),
        Mistake(
            _bias_in_the_sum,
            "the bias is added once for every product; it is added once for every output pixel",
            "Take it out of the sum over $c, u, v$.",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(images, weight, bias, 1, padding, dilation),
            "stride is forgotten: the kernel moves one pixel at a time",
        ),
        Mistake(
            lambda images, weight, bias, stride=1, padding=0, dilation=1: F.conv2d(
                images, weight, bias, stride, padding, dilation
            )[:, :, :-1, :-1],
            "off by one in the output size: the last row and the last column of places are missing",
            "Eq. 4.3 ends with $+1$.",
        ),
    ],
    hints=[
        "Which four loops are there, and how long is each? Begin with stride 1, no padding and no dilation: the patch of place $(i,j)$ is `images[n, :, i:i+kh, j:j+kw]`, and it has the shape of `weight[o]`.",
        "Pad first, with `F.pad(images, (p, p, p, p))`; then the padding is done with, and the size of the padded image goes into Eq. 4.3 with $p = 0$.",
        "With stride the patch starts at row `stride * i`. With dilation take every `dilation`-th row: `x[top : top + dilation * kh : dilation]`.",
    ],
    afterword="Count your multiplications: exercise 4.6 will ask for them.",
)


def _im2col(images, kernel_size, stride=1, padding=0):
    return ops.unfold(images, kernel_size, 1, padding, stride)


def _im2col_solution(images, kernel_size, stride=1, padding=0):
    x = F.pad(images, (padding, padding, padding, padding))
    H = (x.shape[2] - kernel_size) // stride + 1
    W = (x.shape[3] - kernel_size) // stride + 1
    shifted = [
        x[:, :, u : u + stride * (H - 1) + 1 : stride, v : v + stride * (W - 1) + 1 : stride]
        for u in range(kernel_size)
        for v in range(kernel_size)
    ]  # k·k copies (N, C, H', W')
    return torch.stack(shifted, dim=2).flatten(1, 2).flatten(2)


def _im2col_cases(draw):
    yield Case(draw.distinct(1, 1, 3, 3), 2)
    yield Case(draw.distinct(1, 1, 3, 4), 2, label="wider than high")
    yield Case(draw.distinct(1, 2, 3, 3), 2, label="two channels")
    yield Case(draw.distinct(1, 1, 2, 2), 2, padding=1)
    yield Case(draw.distinct(1, 1, 5, 6), 2, stride=2)
    yield Case(draw.normal(2, 3, 7, 6), 3, stride=2, padding=1, label="a batch")


def _cells_first(images, kernel_size, stride=1, padding=0):
    columns = F.unfold(images, kernel_size, 1, padding, stride)
    return columns.unflatten(1, (images.shape[1], -1)).transpose(1, 2).flatten(1, 2)


def _patch_by_columns(images, kernel_size, stride=1, padding=0):
    columns = F.unfold(images, kernel_size, 1, padding, stride)
    return columns.unflatten(1, (images.shape[1], kernel_size, kernel_size)).transpose(2, 3).flatten(1, 3)


def _places_by_columns(images, kernel_size, stride=1, padding=0):
    columns = F.unfold(images, kernel_size, 1, padding, stride)
    H = (images.shape[2] + 2 * padding - kernel_size) // stride + 1
    return columns.unflatten(2, (H, -1)).transpose(2, 3).flatten(2)


def _stacked_last(images, kernel_size, stride=1, padding=0):
    N, C = images.shape[:2]
    columns = F.unfold(images, kernel_size, 1, padding, stride).unflatten(1, (C, -1))  # (N, C, k², L)
    return columns.transpose(2, 3).reshape(N, C * kernel_size**2, -1)


im2col = Exercise(
    chapter="04",
    name="im2col",
    title="im2col",
    minutes=30,
    difficulty=2,
    equation="Eq. 4.5",
    oracle=_im2col,
    cases=_im2col_cases,
    shapes={"images": "N C H W"},
    solution=_im2col_solution,
    mistakes=[
        Mistake(
            lambda images, kernel_size, stride=1, padding=0: F.unfold(images, kernel_size, 1, padding, stride).mT,
            "the matrix is transposed: patches stand as rows, they should stand as columns",
        ),
        Mistake(
            _cells_first,
            "the rows are in another order: cell first, then channel; Eq. 4.5 has the channel first",
            "Stack the shifted copies *behind* the channel axis, `torch.stack(…, dim=2)`, before flattening.",
        ),
        Mistake(
            _patch_by_columns,
            "each patch is read column by column; read it row by row, as `flatten` does",
            "The loop over $u$ (rows of the kernel) is the outer one.",
        ),
        Mistake(
            _places_by_columns,
            "the places run down the columns of the image; they should run along its rows, as `flatten` does",
        ),
        Mistake(
            _stacked_last,
            "the copies are stacked behind the pixels and then reshaped: stack them directly behind the channels, `torch.stack(…, dim=2)`",
        ),
        Mistake(
            lambda images, kernel_size, stride=1, padding=0: F.unfold(images, kernel_size, 1, padding, 1),
            "stride is forgotten: there is a patch for every pixel",
        ),
        Mistake(
            lambda images, kernel_size, stride=1, padding=0: F.unfold(_one_side(images, padding), kernel_size, 1, 0, stride),
            "padding on one side only: the zeros go to the left and to the right, above and below",
        ),
        Mistake(
            lambda images, kernel_size, stride=1, padding=0: F.unfold(images, kernel_size, 1, 0, stride),
            "padding is forgotten",
        ),
    ],
    hints=[
        "Look at the rows of $X_{col}$ in the example, not at its columns. Row $(u,v)$ is the image, moved by $(u,v)$ and cut to $H' \\times W'$.",
        "With stride, the cell $(u,v)$ meets the rows $u, u+s, u+2s, \\dots$: the slice `x[:, :, u : u + s * (H - 1) + 1 : s]`.",
        "Collect the $k^2$ shifted copies $(N, C, H', W')$ in a list, stack them as a new axis behind $C$, then flatten $C$ with it, and $H'$ with $W'$.",
    ],
)


def _convolution_matrix(kernel, height, width):
    return ops.toeplitz_matrix(kernel[None, None], (height, width))


def _matrix_solution(kernel, height, width):
    k, l = kernel.shape
    H, W = height - k + 1, width - l + 1
    matrix = kernel.new_zeros(H * W, height * width)
    for i in range(H):
        for j in range(W):
            for u in range(k):
                for v in range(l):
                    matrix[i * W + j, (i + u) * width + (j + v)] = kernel[u, v]
    return matrix


def _matrix_cases(draw):
    yield Case(draw.integers(1, 2, low=1, high=9), 1, 4, label="one row")
    yield Case(draw.integers(2, 1, low=1, high=9), 3, 2, label="a kernel of one column")
    yield Case(draw.integers(2, 2, low=1, high=9), 3, 3)
    yield Case(draw.integers(2, 2, low=1, high=9), 3, 4, label="wider than high")
    yield Case(draw.normal(3, 2), 5, 4)


def _row_width(columns_of_output, columns_of_input):
    """A wrong matrix: the widths used to count rows and columns of T are chosen by the two functions."""

    def build(kernel, height, width):
        k, l = kernel.shape
        H, W = height - k + 1, width - l + 1
        matrix = kernel.new_zeros(H * W, height * width)
        for i in range(H):
            for j in range(W):
                for u in range(k):
                    for v in range(l):
                        row, column = columns_of_output(i, j, H, W), columns_of_input(i + u, j + v, height, width)
                        matrix[row % (H * W), column % (height * width)] = kernel[u, v]
        return matrix

    return build


convolution_matrix = Exercise(
    chapter="04",
    name="convolution_matrix",
    title="The matrix of a convolution",
    minutes=15,
    difficulty=2,
    equation="Eq. 4.7",
    oracle=_convolution_matrix,
    cases=_matrix_cases,
    solution=_matrix_solution,
    mistakes=[
        Mistake(
            lambda kernel, height, width: _convolution_matrix(kernel, height, width).mT,
            "the matrix is transposed: it has one *row* for each output pixel",
        ),
        Mistake(
            lambda kernel, height, width: _convolution_matrix(kernel.flip(0, 1), height, width),
            "the kernel is flipped: the cell $(u,v)$ belongs to the pixel $(i+u, j+v)$",
        ),
        Mistake(
            _row_width(lambda i, j, H, W: i * W + j, lambda a, b, height, width: b * height + a),
            "the pixels are numbered down the columns; `flatten` numbers them along the rows: pixel $(\\alpha,\\beta)$ has column $\\alpha \\cdot$ width $+ \\beta$",
        ),
        Mistake(
            _row_width(lambda i, j, H, W: j * H + i, lambda a, b, height, width: a * width + b),
            "the places are numbered down the columns; number them along the rows: place $(i,j)$ has row $i\\,W' + j$",
        ),
        Mistake(
            _row_width(lambda i, j, H, W: i * W + j, lambda a, b, height, width: a * height + b),
            "the column of a pixel is its row times the image's *width*, not its height, plus its column",
        ),
    ],
    hints=[
        "$T$ has $H'W'$ rows, one for each place, and height × width columns, one for each pixel. All zeros at first.",
        "The place $(i,j)$ is row `i * W + j`, with `W` the number of places across. The pixel $(\\alpha,\\beta)$ is column `a * width + b`.",
        "In the row of place $(i,j)$, the weight `kernel[u, v]` stands in the column of the pixel $(i+u, j+v)$. Four loops.",
    ],
    afterword="Multiply it with a flattened image to see that it convolves. Its transpose is waiting in chapter 05.",
)


def _layer_cost(N, C, size, O, k, stride=1, padding=0, groups=1):
    places = ((size + 2 * padding - k) // stride + 1) ** 2
    weights = O * (C // groups) * k * k
    return weights, 2 * N * places * weights


def _cost_cases(draw):
    yield Case(1, 1, 4, 1, 3)
    yield Case(1, 3, 8, 4, 3)
    yield Case(5, 2, 8, 4, 3)
    yield Case(1, 2, 8, 4, 3, stride=2)
    yield Case(1, 2, 8, 4, 3, padding=1)
    yield Case(1, 4, 8, 8, 3, groups=4)
    yield Case(2, 64, 32, 64, 3, padding=1, groups=64)
    yield Case(8, 3, 224, 64, 7, stride=2, padding=3)


def _cost_with(flops=None, weights=None):
    """A wrong cost: ``flops(N, places, weights, size, groups)`` or ``weights(O, C, k, groups)`` in place of the right ones."""

    def cost(N, C, size, O, k, stride=1, padding=0, groups=1):
        places = ((size + 2 * padding - k) // stride + 1) ** 2
        right = O * (C // groups) * k * k
        learned = weights(O, C, k, groups) if weights else right
        return learned, flops(N, places, right, size, groups) if flops else 2 * N * places * learned

    return cost


layer_cost = Exercise(
    chapter="04",
    name="layer_cost",
    title="What a layer costs",
    minutes=10,
    difficulty=1,
    equation="Eq. 4.9",
    oracle=_layer_cost,
    cases=_cost_cases,
    returns=("weights", "FLOPs"),
    float32=False,
    solution=_layer_cost,
    mistakes=[
        Mistake(
            _cost_with(flops=lambda N, places, weights, size, groups: N * places * weights),
            "the FLOPs are half of what they are: a multiplication *and* an addition for each product",
        ),
        Mistake(
            _cost_with(flops=lambda N, places, weights, size, groups: 2 * places * weights),
            "the number of images is missing from the FLOPs",
        ),
        Mistake(
            _cost_with(flops=lambda N, places, weights, size, groups: 2 * N * size * size * weights),
            "the FLOPs count the pixels of the *input*; there is one dot product for each place, so take $H'W'$ from Eq. 4.3",
        ),
        Mistake(
            _cost_with(weights=lambda O, C, k, groups: O * C * k * k),
            "groups are forgotten: each kernel sees only $C/g$ channels",
        ),
        Mistake(
            _cost_with(weights=lambda O, C, k, groups: O * (C // groups) * k * k + O),
            "the biases are counted; the exercise asks for weights alone",
        ),
        Mistake(
            _cost_with(flops=lambda N, places, weights, size, groups: 2 * N * places * weights / groups),
            "divided by the groups twice: the number of weights has them already",
        ),
    ],
    hints=[
        "One output channel has a kernel of $k \\times k$ for each input channel that it sees. How many does it see with $g$ groups?",
        "Each weight is used once at every place, for every image. The places are $H' W'$; Eq. 4.3 gives them.",
        "FLOPs = 2 · N · places · weights.",
    ],
)

linear_inputs = ValueExercise(
    chapter="04",
    name="linear_inputs",
    title="From pixels to features",
    minutes=5,
    difficulty=1,
    equation="Eq. 4.3",
    oracle=784,
    solution="linear_inputs = 16 * 7 * 7  # 28 → 28 → 14 → 14 → 7 pixels a side, 16 channels",
    mistakes=[
        Mistake(
            16 * 5 * 5, "that would be without padding in the second convolution (and on 28×28 with padding in the first alone)"
        ),
        Mistake(
            16 * 4 * 4, "that would be without any padding: 28 → 24 → 12 → 8 → 4. Padding 2 keeps the size of a 5×5 convolution"
        ),
        Mistake(16 * 28 * 28, "the two poolings are missing: each halves the height and the width"),
        Mistake(16 * 14 * 14, "there are two poolings, each halves the height and the width"),
        Mistake(7 * 7, "that is one channel; all 16 arrive"),
        Mistake(6 * 7 * 7, "the second convolution makes 16 channels of the 6"),
    ],
    hints=[
        "A 5×5 convolution with padding 2: put $k=5$, $p=2$, $s=1$ into Eq. 4.3. What becomes of 28?",
        "A 2×2 pooling with stride 2 has $k=2$, $s=2$, $p=0$.",
        "28 → 28 → 14 → 14 → ?, and 16 channels of that size.",
    ],
)
