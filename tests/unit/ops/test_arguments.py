"""Every wrong argument of every operation becomes a ValueError that names it, shows what was given and says what was expected."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import mmlearn.ops as F

IMAGE, KERNEL = torch.zeros(2, 4, 6, 5), torch.zeros(6, 4, 3, 3)
UP = torch.zeros(4, 6, 3, 3)  # a kernel of conv_transpose2d
LOGITS, LABELS = torch.zeros(3, 5), torch.tensor([0, 4, 2])
ROWS, MATRIX = torch.zeros(3, 7), torch.zeros(2, 7)
GREY, EDGE = torch.zeros(5, 5), torch.zeros(3, 3)
COLUMNS = torch.zeros(1, 8, 9)

WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    # broadcasting
    (lambda: F.broadcast_to(ROWS.long(), (2, 3, 7)), "input", r"int64 of shape \(3, 7\)", "floating-point"),
    (lambda: F.broadcast_to(ROWS, (1, 7)), "input", r"shape \(3, 7\)", r"a shape that stretches to \(1, 7\)"),
    # convolution
    (lambda: F.conv2d(IMAGE.long(), KERNEL), "input", r"int64 of shape \(2, 4, 6, 5\)", r"floating-point .*\.float\(\)"),
    (lambda: F.conv2d(np.zeros((2, 4, 6, 5)), KERNEL), "input", "ndarray", "torch.Tensor"),
    (lambda: F.conv2d(IMAGE[0, 0], KERNEL), "input", r"shape \(6, 5\)", r"\(N, C, H, W\) or \(C, H, W\)"),
    (lambda: F.conv2d(IMAGE[None], KERNEL), "input", r"shape \(1, 2, 4, 6, 5\)", r"\(N, C, H, W\)"),
    (lambda: F.conv2d(IMAGE, KERNEL[0]), "weight", r"shape \(4, 3, 3\)", r"\(O, C/groups, kh, kw\)"),
    (lambda: F.conv2d(IMAGE, KERNEL.tolist()), "weight", "list", "torch.Tensor"),
    (lambda: F.conv2d(IMAGE, KERNEL[:, :3]), "weight", r"shape \(6, 3, 3, 3\)", "4 input channels / 1 groups"),
    (lambda: F.conv2d(IMAGE, KERNEL[:, :, :0]), "weight", r"shape \(6, 4, 0, 3\)", "at least one number"),
    (lambda: F.conv2d(IMAGE, KERNEL[:0]), "weight", r"shape \(0, 4, 3, 3\)", "at least one number"),
    (lambda: F.conv2d(IMAGE, KERNEL.double()), "weight", "float64", "float32 on cpu, as input is"),
    (lambda: F.conv2d(IMAGE.to("meta"), KERNEL), "weight", "cpu", "meta, as input is"),
    (lambda: F.conv2d(IMAGE, KERNEL, torch.zeros(4)), "bias", r"shape \(4,\)", r"\(6,\): one number per output channel"),
    (lambda: F.conv2d(IMAGE, KERNEL, torch.zeros(6, 1)), "bias", r"shape \(6, 1\)", r"\(6,\)"),
    (lambda: F.conv2d(IMAGE, KERNEL, torch.zeros(6).double()), "bias", "float64", "float32"),
    (lambda: F.conv2d(IMAGE, KERNEL, 1.0), "bias", "float", "torch.Tensor"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=0), "stride", "0", "a whole number ≥ 1"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=-1), "stride", "-1", "a whole number ≥ 1"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=True), "stride", "True", "a whole number"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=(1, 0)), "stride", r"\(1, 0\)", r"two of them \(height, width\)"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=(1, 2, 3)), "stride", r"\(1, 2, 3\)", "two of them"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=1.5), "stride", "1.5", "a whole number"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=None), "stride", "None", "a whole number"),
    (lambda: F.conv2d(IMAGE, KERNEL, padding=-1), "padding", "-1", "a whole number ≥ 0"),
    (lambda: F.conv2d(IMAGE, KERNEL, padding="full"), "padding", "'full'", "'valid' or 'same'"),
    (lambda: F.conv2d(IMAGE, KERNEL, padding="same", stride=2), "padding", r"'same' with stride \(2, 2\)", "only with stride 1"),
    (lambda: F.conv2d(IMAGE, KERNEL, dilation=0), "dilation", "0", "a whole number ≥ 1"),
    (lambda: F.conv2d(IMAGE, KERNEL, dilation=3), "weight", r"3 with dilation 3, .* 7", "fits into the padded input of 6"),
    (lambda: F.conv2d(IMAGE[..., :2], KERNEL), "weight", "3 with dilation 1, .* 3", "fits into the padded input of 2"),
    (lambda: F.conv2d(IMAGE, KERNEL, groups=0), "groups", "0", "a whole number ≥ 1"),
    (lambda: F.conv2d(IMAGE, KERNEL, groups=True), "groups", "True", "a whole number"),
    (lambda: F.conv2d(IMAGE, KERNEL[:, :1], groups=4), "groups", "4", "a divisor of the 6 output channels"),
    (lambda: F.conv2d(IMAGE, KERNEL, groups=2), "weight", r"shape \(6, 4, 3, 3\)", "4 input channels / 2 groups"),
    # its other forms and its gradients
    *(
        (lambda form=form: form(IMAGE[0], KERNEL), "input", r"shape \(4, 6, 5\)", r"\(N, C, H, W\)")
        for form in (F.conv2d_loops, F.conv2d_im2col, F.conv2d_toeplitz)
    ),
    *(
        (lambda form=form: form(IMAGE, KERNEL[:, :3]), "weight", r"shape \(6, 3, 3, 3\)", "4 input channels")
        for form in (F.conv2d_loops, F.conv2d_im2col, F.conv2d_toeplitz)
    ),
    (lambda: F.correlate2d(GREY[None], EDGE), "image", r"shape \(1, 5, 5\)", r"\(H, W\)"),
    (lambda: F.correlate2d(GREY, EDGE[0]), "kernel", r"shape \(3,\)", r"\(kh, kw\)"),
    (lambda: F.correlate2d(GREY, EDGE.long()), "kernel", "int64", "floating-point"),
    (lambda: F.correlate2d(GREY, EDGE.double()), "kernel", "float64", "float32 on cpu, as image is"),
    (lambda: F.correlate2d(GREY, EDGE[:0]), "kernel", r"shape \(0, 3\)", "at least one number"),
    (lambda: F.correlate2d(EDGE, GREY), "kernel", "5 with dilation 1", "fits into the padded input of 3"),
    (lambda: F.convolve2d(GREY, [[1.0]]), "kernel", "list", "torch.Tensor"),
    (lambda: F.toeplitz_matrix(KERNEL, 6), "input_size", "6", r"two whole numbers \(H, W\)"),
    (lambda: F.toeplitz_matrix(KERNEL, (6, 0)), "input_size", r"\(6, 0\)", r"two whole numbers \(H, W\)"),
    (lambda: F.toeplitz_matrix(EDGE, (6, 6)), "weight", r"shape \(3, 3\)", r"\(O, C, kh, kw\)"),
    (lambda: F.conv2d_flops((4, 6, 5), (6, 4, 3, 3)), "input_size", r"\(4, 6, 5\)", r"four whole numbers \(N, C, H, W\)"),
    (lambda: F.conv2d_flops((1, 4, 6, 5), (6, 3, 3, 3)), "weight", r"\(6, 3, 3, 3\)", "4 input channels"),
    (lambda: F.conv_output_size(5, 7), "kernel_size", "7 with dilation 1", "fits into the padded input of 5"),
    (lambda: F.conv_output_size(5, 3, stride=0), "stride", "0", "a whole number ≥ 1"),
    (lambda: F.conv_output_size(5, 3, padding=-1), "padding", "-1", "a whole number ≥ 0"),
    (lambda: F.conv_output_size(5.0, 3), "size", "5.0", "a whole number"),
    (lambda: F.conv2d_input((4, 6, 5), KERNEL, IMAGE), "input_size", r"\(4, 6, 5\)", "four whole numbers"),
    (
        lambda: F.conv2d_input(IMAGE.shape, KERNEL, IMAGE),
        "grad_output",
        r"shape \(2, 4, 6, 5\)",
        r"output's shape \(2, 6, 4, 3\)",
    ),
    (lambda: F.conv2d_input(IMAGE.shape, KERNEL, torch.zeros(2, 6, 4, 3).double()), "grad_output", "float64", "as weight is"),
    (lambda: F.conv2d_weight(IMAGE[0], KERNEL.shape, IMAGE), "input", r"shape \(4, 6, 5\)", r"\(N, C, H, W\)"),
    (lambda: F.conv2d_weight(IMAGE, (6, 4), IMAGE), "weight_size", r"\(6, 4\)", "four whole numbers"),
    (lambda: F.conv2d_weight(IMAGE, KERNEL.shape, IMAGE), "grad_output", r"shape \(2, 4, 6, 5\)", r"\(2, 6, 4, 3\)"),
    (lambda: F.conv2d_backward(IMAGE, IMAGE, KERNEL), "grad_output", r"shape \(2, 4, 6, 5\)", r"\(2, 6, 4, 3\)"),
    (lambda: F.conv2d_input_by_correlation(IMAGE.shape, KERNEL, IMAGE), "grad_output", r"\(2, 4, 6, 5\)", r"\(2, 6, 4, 3\)"),
    (lambda: F.conv2d_input_by_correlation(IMAGE.shape, KERNEL, IMAGE, stride=0), "stride", "0", "≥ 1"),
    (lambda: F.insert_zeros(GREY, 0), "stride", "0", "a whole number ≥ 1"),
    (lambda: F.insert_zeros(GREY[0], 2), "input", r"shape \(5,\)", "at least one pixel"),
    # transposed convolution
    (lambda: F.conv_transpose2d(IMAGE.int(), UP), "input", "int32", "floating-point"),
    (lambda: F.conv_transpose2d(GREY, UP), "input", r"shape \(5, 5\)", r"\(N, C, H, W\)"),
    (lambda: F.conv_transpose2d(IMAGE[..., :0], UP), "input", r"shape \(2, 4, 6, 0\)", "at least one pixel"),
    (lambda: F.conv_transpose2d(IMAGE, KERNEL), "weight", r"shape \(6, 4, 3, 3\)", r"\(4, O/groups, kh, kw\)"),
    (lambda: F.conv_transpose2d(IMAGE, UP[0]), "weight", r"shape \(6, 3, 3\)", r"\(C, O/groups, kh, kw\)"),
    (lambda: F.conv_transpose2d(IMAGE, UP[:, :0]), "weight", r"shape \(4, 0, 3, 3\)", "at least one number"),
    (lambda: F.conv_transpose2d(IMAGE, UP.half()), "weight", "float16", "float32"),
    (lambda: F.conv_transpose2d(IMAGE, UP, torch.zeros(4)), "bias", r"shape \(4,\)", r"\(6,\)"),
    (lambda: F.conv_transpose2d(IMAGE, UP, stride=0), "stride", "0", "≥ 1"),
    (lambda: F.conv_transpose2d(IMAGE, UP, padding="same"), "padding", "'same'", "a whole number ≥ 0"),
    (lambda: F.conv_transpose2d(IMAGE[..., :1, :1], UP, padding=2), "padding", r"\(2, 2\)", "less: the output would have -1×-1"),
    (lambda: F.conv_transpose2d(IMAGE, UP, stride=2, output_padding=2), "output_padding", r"2", r"less than the stride \(2, 2\)"),
    (lambda: F.conv_transpose2d(IMAGE, UP, groups=3), "groups", "3", "a divisor of the 4 input channels"),
    (lambda: F.conv_transpose2d(IMAGE, UP, dilation=-1), "dilation", "-1", "≥ 1"),
    (lambda: F.conv_transpose2d_backward(IMAGE, IMAGE, UP), "grad_output", r"\(2, 4, 6, 5\)", r"\(2, 6, 8, 7\)"),
    # patches
    (lambda: F.unfold(IMAGE.bool(), 2), "input", "bool", "floating-point"),
    (lambda: F.unfold(GREY, 2), "input", r"shape \(5, 5\)", r"\(N, C, H, W\)"),
    (lambda: F.unfold(IMAGE, 0), "kernel_size", "0", "≥ 1"),
    (lambda: F.unfold(IMAGE, 7), "kernel_size", "7 with dilation 1", "fits into the padded input of 6"),
    (lambda: F.unfold(IMAGE, 2, stride=0), "stride", "0", "≥ 1"),
    (lambda: F.unfold(IMAGE, 2, padding=-1), "padding", "-1", "≥ 0"),
    (lambda: F.unfold(IMAGE, 2, dilation=False), "dilation", "False", "a whole number"),
    (lambda: F.fold(COLUMNS.long(), 4, 2), "input", "int64", "floating-point"),
    (lambda: F.fold(COLUMNS[0, 0], 4, 2), "input", r"shape \(9,\)", r"\(N, C·kh·kw, L\)"),
    (lambda: F.fold(COLUMNS[:, :7], 4, 2), "input", r"shape \(1, 7, 9\)", "a multiple of 4 rows"),
    (lambda: F.fold(COLUMNS, 5, 2), "input", r"shape \(1, 8, 9\)", "L = 4·4"),
    (lambda: F.fold(COLUMNS, 0, 2), "output_size", "0", "≥ 1"),
    (lambda: F.fold(COLUMNS, 1, 2), "kernel_size", "2 with dilation 1", "fits into the padded input of 1"),
    # pooling
    *(
        case
        for pool in (F.max_pool2d, F.avg_pool2d)
        for case in [
            (lambda pool=pool: pool(IMAGE.int(), 2), "input", "int32", "floating-point"),
            (lambda pool=pool: pool(GREY, 2), "input", r"shape \(5, 5\)", r"\(N, C, H, W\)"),
            (lambda pool=pool: pool(IMAGE[..., :0], 2), "input", r"shape \(2, 4, 6, 0\)", "at least one pixel"),
            (lambda pool=pool: pool(IMAGE, 0), "kernel_size", "0", "≥ 1"),
            (lambda pool=pool: pool(IMAGE, 7), "kernel_size", "7 with dilation 1", "fits into the padded input of 6"),
            (lambda pool=pool: pool(IMAGE, (2, 2, 2)), "kernel_size", r"\(2, 2, 2\)", "two of them"),
            (lambda pool=pool: pool(IMAGE, 2, 0), "stride", "0", "≥ 1"),
            (lambda pool=pool: pool(IMAGE, 2, True), "stride", "True", "a whole number"),
            (lambda pool=pool: pool(IMAGE, 2, padding=2), "padding", "2", "at most half of the kernel size 2"),
            (lambda pool=pool: pool(IMAGE, 2, padding="same"), "padding", "'same'", "a whole number ≥ 0"),
        ]
    ),
    (lambda: F.max_pool2d(IMAGE, 2, dilation=0), "dilation", "0", "≥ 1"),
    (lambda: F.avg_pool2d(IMAGE, 2, divisor_override=0), "divisor_override", "0", "not 0"),
    (lambda: F.avg_pool2d(IMAGE, 2, divisor_override=1.5), "divisor_override", "1.5", "a whole number"),
    (lambda: F.max_pool2d_backward(IMAGE, IMAGE, 2), "grad_output", r"\(2, 4, 6, 5\)", r"\(2, 4, 3, 2\)"),
    (lambda: F.avg_pool2d_backward(IMAGE, IMAGE, 2), "grad_output", r"\(2, 4, 6, 5\)", r"\(2, 4, 3, 2\)"),
    # linear
    (lambda: F.linear(ROWS.long(), MATRIX), "input", "int64", "floating-point"),
    (lambda: F.linear(torch.tensor(1.0), MATRIX), "input", r"shape \(\)", r"\(…, D\)"),
    (lambda: F.linear(ROWS, MATRIX.T), "input", r"shape \(3, 7\)", r"\(…, 2\), as weight is \(7, 2\)"),
    (lambda: F.linear(ROWS, MATRIX[0]), "weight", r"shape \(7,\)", r"\(K, D\)"),
    (lambda: F.linear(ROWS, MATRIX.double()), "weight", "float64", "float32"),
    (lambda: F.linear(ROWS, MATRIX[:0]), "weight", r"shape \(0, 7\)", "at least one number"),
    (lambda: F.linear(ROWS, MATRIX, torch.zeros(7)), "bias", r"shape \(7,\)", r"\(2,\)"),
    (lambda: F.linear(ROWS, MATRIX, torch.zeros(1, 2)), "bias", r"shape \(1, 2\)", r"\(2,\)"),
    (lambda: F.linear_backward(ROWS, ROWS, MATRIX), "grad_output", r"shape \(3, 7\)", r"\(3, 2\)"),
    # activations
    *((lambda f=f: f(LABELS), "input", "int64", "floating-point") for f in (F.relu, F.sigmoid, F.tanh)),
    *((lambda f=f: f([1.0]), "input", "list", "torch.Tensor") for f in (F.relu, F.sigmoid, F.tanh)),
    *(
        (lambda f=f: f(LOGITS[0], LOGITS), "grad_output", r"shape \(5,\)", r"\(3, 5\)")
        for f in (F.relu_backward, F.sigmoid_backward, F.tanh_backward)
    ),
    *(
        case
        for f in (F.softmax, F.log_softmax)
        for case in [
            (lambda f=f: f(LABELS, 0), "input", "int64", "floating-point"),
            (lambda f=f: f([1.0], 0), "input", "list", "torch.Tensor"),
            (lambda f=f: f(LOGITS, 2), "dim", "2", r"an axis of input \(3, 5\)"),
            (lambda f=f: f(LOGITS, -3), "dim", "-3", r"an axis of input \(3, 5\)"),
            (lambda f=f: f(LOGITS, 1.0), "dim", "1.0", "an axis"),
            (lambda f=f: f(LOGITS, 1, dtype=torch.int32), "dtype", "torch.int32", "a floating-point torch.dtype"),
            (lambda f=f: f(LOGITS, 1, dtype="float32"), "dtype", "float32", "a floating-point torch.dtype"),
            (lambda f=f: f(LOGITS[:, :0], 1), "input", r"shape \(3, 0\)", "at least one number along dim 1"),
        ]
    ),
    (lambda: F.softmax_backward(LOGITS[0], LOGITS, 1), "grad_output", r"shape \(5,\)", r"\(3, 5\)"),
    (lambda: F.log_softmax_backward(LOGITS[0], LOGITS, 1), "grad_output", r"shape \(5,\)", r"\(3, 5\)"),
    # losses
    (lambda: F.cross_entropy(LABELS, LABELS), "input", "int64", "floating-point"),
    (lambda: F.cross_entropy(torch.tensor(1.0), LABELS), "input", r"shape \(\)", r"\(N, K\)"),
    (lambda: F.cross_entropy(LOGITS[:, :0], LABELS), "input", r"shape \(3, 0\)", "at least one class"),
    (lambda: F.cross_entropy(LOGITS, LABELS.int()), "target", "int32", "int64 class indices"),
    (lambda: F.cross_entropy(LOGITS, [0, 4, 2]), "target", "list", "class indices or probabilities"),
    (lambda: F.cross_entropy(LOGITS, LABELS[:2]), "target", r"shape \(2,\)", r"\(3,\): input's \(3, 5\) without"),
    (lambda: F.cross_entropy(LOGITS, LABELS[:, None]), "target", r"shape \(3, 1\)", r"\(3,\)"),
    (lambda: F.cross_entropy(LOGITS, LABELS + 1), "target", r"classes \[5\]", "from 0 to 4"),
    (lambda: F.cross_entropy(LOGITS, LABELS - 1), "target", r"classes \[-1\]", "from 0 to 4"),
    (lambda: F.cross_entropy(LOGITS, LOGITS[:, :4]), "target", r"shape \(3, 4\)", r"probabilities .*\(3, 5\)"),
    (lambda: F.cross_entropy(LOGITS, LOGITS, ignore_index=1), "ignore_index", "1", "the target is probabilities"),
    (lambda: F.cross_entropy(LOGITS, LABELS, ignore_index=None), "ignore_index", "None", "a whole number"),
    (lambda: F.cross_entropy(LOGITS, LABELS, torch.ones(4)), "weight", r"shape \(4,\)", r"\(5,\): one number per class"),
    (lambda: F.cross_entropy(LOGITS, LABELS, torch.ones(5).double()), "weight", "float64", "float32"),
    (lambda: F.cross_entropy(LOGITS, LABELS, reduction="average"), "reduction", "'average'", "'mean' or 'sum' or 'none'"),
    (lambda: F.cross_entropy(LOGITS, LABELS, size_average=True), "reduction", "size_average=True", "in their place"),
    (lambda: F.cross_entropy(LOGITS, LABELS, label_smoothing=1.5), "label_smoothing", "1.5", "between 0 and 1"),
    (lambda: F.cross_entropy(LOGITS, LABELS, label_smoothing="a"), "label_smoothing", "'a'", "between 0 and 1"),
    (lambda: F.cross_entropy_backward(LOGITS, LOGITS, LABELS), "grad_output", r"shape \(3, 5\)", r"shape \(\)"),
    (lambda: F.mse_loss(LABELS, LABELS), "input", "int64", "floating-point"),
    (lambda: F.mse_loss(LOGITS, 0.0), "target", "float", "torch.Tensor"),
    (lambda: F.mse_loss(LOGITS, LOGITS.long()), "target", "int64", "floating-point"),
    (lambda: F.mse_loss(LOGITS, LOGITS[:, :1]), "target", r"shape \(3, 1\)", r"\(3, 5\), .* broadcasting would hide a mistake"),
    (lambda: F.mse_loss(LOGITS, LOGITS, weight=LOGITS[0]), "weight", r"shape \(5,\)", r"\(3, 5\)"),
    (lambda: F.mse_loss(LOGITS, LOGITS, reduction=None), "reduction", "None", "'mean'"),
    (lambda: F.mse_loss_backward(LOGITS, LOGITS, LOGITS), "grad_output", r"shape \(3, 5\)", r"shape \(\)"),
    # sequences and attention: the first of many, the others stand beside each operation's own tests
    (lambda: F.rnn_tanh_cell(ROWS, ROWS[:2], MATRIX, MATRIX[:, :2]), "hx", r"shape \(2, 7\)", r"\(3, 2\): \(N, H\)"),
    (lambda: F.gru_cell(ROWS, ROWS, MATRIX, MATRIX), "w_hh", r"shape \(2, 7\)", r"\(3·H, H\)"),
    (lambda: F.lstm_cell(ROWS, ROWS, MATRIX, MATRIX), "hx", "Tensor", r"a pair of tensors \(h, c\)"),
    (lambda: F.rnn_tanh_recurrence(ROWS, ROWS, MATRIX), "projected", r"shape \(3, 7\)", r"\(T, N, H\)"),
    (lambda: F.gru_recurrence(ROWS, ROWS, MATRIX), "projected", r"shape \(3, 7\)", r"\(T, N, 3·H\)"),
    (lambda: F.lstm_recurrence(ROWS, ROWS, ROWS, MATRIX), "projected", r"shape \(3, 7\)", r"\(T, N, 4·H\)"),
    (lambda: F.scaled_dot_product_attention(ROWS, MATRIX, ROWS), "value", r"shape \(3, 7\)", r"\(…, 2, V\), as key is"),
    (lambda: F.rotary_positions(ROWS), "input", r"shape \(3, 7\)", "an even number D of features"),
    # the check of gradients
    (lambda: F.numerical_gradient(torch.sin, LOGITS), "input", "float32", r"float64 .*\.double\(\)"),
    (lambda: F.numerical_gradient(torch.sin, 1.0), "input", "float", "float64 tensor"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()


def test_every_operation_is_in_a_table_of_wrong_arguments():
    tables = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    looped = {"max_pool2d", "avg_pool2d", "relu", "sigmoid", "tanh", "softmax", "log_softmax"}
    operations = {name.removesuffix("_backward") for name in F.__all__ if name.endswith("_backward")}
    assert {name for name in operations - looped if not re.search(rf"lambda: (F\.)?{name}\(", tables)} == set()


def test_whole_numbers_may_be_those_of_numpy_and_pairs_may_be_lists():
    expected = F.conv2d(IMAGE, KERNEL, stride=2, padding=(1, 0))
    assert torch.equal(F.conv2d(IMAGE, KERNEL, stride=np.int64(2), padding=[1, np.int32(0)]), expected)
    assert F.max_pool2d(IMAGE, kernel_size=[2], stride=torch.Size([2, 1])).shape == (2, 4, 3, 4)


@pytest.mark.parametrize("shape", [(0, 4, 6, 5)])
def test_an_empty_batch_gives_an_empty_output_and_gradients_of_zero(shape):
    images, kernel = torch.zeros(shape, requires_grad=True), torch.zeros(6, 4, 3, 3, requires_grad=True)
    up, matrix = torch.zeros(4, 6, 3, 3, requires_grad=True), torch.zeros(2, 5, requires_grad=True)
    outputs = {
        (0, 6, 4, 3): F.conv2d(images, kernel, torch.zeros(6)),
        (0, 6, 8, 7): F.conv_transpose2d(images, up, torch.zeros(6)),
        (0, 4, 3, 2): F.max_pool2d(images, 2),
        (0, 4, 2, 2): F.avg_pool2d(images, 3, 2, 1, ceil_mode=False)[:, :, :2, :2],
        (0, 36, 12): F.unfold(images, 3),
        (0, 4, 6, 2): F.linear(images, matrix),
        (0, 4, 6, 5): F.softmax(F.log_softmax(F.tanh(F.sigmoid(F.relu(images))), 1), 1),
        (0, 2, 4, 4): F.fold(torch.zeros(0, 8, 9), 4, 2) + 0 * images.sum(),
    }
    for expected, output in outputs.items():
        assert output.shape == expected
        output.sum().backward()
    assert images.grad.shape == shape
    for weight in (kernel, up, matrix):
        assert torch.equal(weight.grad, torch.zeros_like(weight))


def test_the_mean_loss_of_an_empty_batch_is_nan_as_in_torch():
    for library in (F, torch.nn.functional):
        assert library.cross_entropy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)).isnan()
        assert library.cross_entropy(torch.zeros(0, 3), torch.zeros(0, 3)).isnan()
        assert library.mse_loss(torch.zeros(0, 3), torch.zeros(0, 3)).isnan()
        assert library.cross_entropy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), reduction="sum") == 0
