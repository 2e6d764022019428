"""The course's equations as pure, readable, differentiable functions.

``import mmlearn.ops as F`` in place of ``import torch.nn.functional as F`` and every network of the course still runs: same names, same
argument order, same defaults, same shapes. The gradients are the hand-written ``<name>_backward`` functions beside each operation.

Layers        conv2d, conv_transpose2d, linear, max_pool2d, avg_pool2d, unfold, fold
Activations   relu, sigmoid, tanh, softmax, log_softmax
Losses        cross_entropy, mse_loss
Gradients     conv2d_backward (and its parts conv2d_input, conv2d_weight), linear_backward, …; numerical_gradient to check them
For reading   correlate2d, convolve2d, conv2d_loops, conv2d_im2col, conv2d_toeplitz, toeplitz_matrix, conv2d_input_by_correlation,
              insert_zeros, conv_output_size, conv_transpose_output_size, conv2d_flops
"""

from mmlearn.ops.activation import *
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.convolution import *
from mmlearn.ops.convolution_forms import *
from mmlearn.ops.gradient_check import numerical_gradient
from mmlearn.ops.linear import *
from mmlearn.ops.loss import *
from mmlearn.ops.patches import *
from mmlearn.ops.pooling import *
from mmlearn.ops.transposed import *
