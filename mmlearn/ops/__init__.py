"""The course's equations as pure, readable, differentiable functions.

``import mmlearn.ops as F`` in place of ``import torch.nn.functional as F`` and every network of the course still runs: same
names, same argument order, same defaults, same shapes. The gradients are the hand-written ``<name>_backward`` functions beside
each operation.

Layers        conv2d, conv_transpose2d, linear, max_pool2d, avg_pool2d, unfold, fold
Activations   relu, sigmoid, tanh, softmax, log_softmax
Losses        cross_entropy, mse_loss
Gradients     conv2d_backward (and its parts conv2d_input, conv2d_weight), linear_backward, …; to check them:
              numerical_gradient, torch_gradients
For reading   correlate2d, convolve2d, conv2d_loops, conv2d_im2col, conv2d_toeplitz, toeplitz_matrix, conv2d_input_by_correlation,
              insert_zeros, conv_output_size, conv_transpose_output_size, conv2d_flops
Smoothing     gaussian_blur, gaussian_kernel, noise_gain
Shapes        broadcast_shape, contiguous_strides, element_offset, matmul_flops
"""

from mmlearn.ops.activation import (
    log_softmax,
    log_softmax_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)
from mmlearn.ops.by_hand import differentiated_by, torch_gradients
from mmlearn.ops.convolution import Conv2dGradients, conv2d, conv2d_backward, conv2d_flops, conv2d_input, conv2d_weight
from mmlearn.ops.convolution_forms import conv2d_im2col, conv2d_loops, conv2d_toeplitz, convolve2d, correlate2d, toeplitz_matrix
from mmlearn.ops.gradient_check import numerical_gradient
from mmlearn.ops.linear import LinearGradients, linear, linear_backward
from mmlearn.ops.loss import LossGradients, cross_entropy, cross_entropy_backward, mse_loss, mse_loss_backward
from mmlearn.ops.patches import conv_output_size, fold, fold_backward, taps, unfold, unfold_backward
from mmlearn.ops.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from mmlearn.ops.shapes import broadcast_shape, contiguous_strides, element_offset, matmul_flops
from mmlearn.ops.smoothing import gaussian_blur, gaussian_kernel, noise_gain
from mmlearn.ops.transposed import (
    ConvTranspose2dGradients,
    conv2d_input_by_correlation,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose_output_size,
    insert_zeros,
)

__all__ = [
    "Conv2dGradients",
    "ConvTranspose2dGradients",
    "LinearGradients",
    "LossGradients",
    "avg_pool2d",
    "avg_pool2d_backward",
    "broadcast_shape",
    "contiguous_strides",
    "conv2d",
    "conv2d_backward",
    "conv2d_flops",
    "conv2d_im2col",
    "conv2d_input",
    "conv2d_input_by_correlation",
    "conv2d_loops",
    "conv2d_toeplitz",
    "conv2d_weight",
    "conv_output_size",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose_output_size",
    "convolve2d",
    "correlate2d",
    "cross_entropy",
    "cross_entropy_backward",
    "differentiated_by",
    "element_offset",
    "fold",
    "fold_backward",
    "gaussian_blur",
    "gaussian_kernel",
    "insert_zeros",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "matmul_flops",
    "max_pool2d",
    "max_pool2d_backward",
    "mse_loss",
    "mse_loss_backward",
    "noise_gain",
    "numerical_gradient",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "tanh",
    "tanh_backward",
    "taps",
    "toeplitz_matrix",
    "torch_gradients",
    "unfold",
    "unfold_backward",
]
