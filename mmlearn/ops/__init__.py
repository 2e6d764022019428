"""The course's equations as pure, readable, differentiable functions.

``import mmlearn.ops as F`` in place of ``import torch.nn.functional as F`` and every network of the course still runs: same
names, same argument order, same defaults, same shapes. The gradients are the hand-written ``<name>_backward`` functions beside
each operation.

Layers        conv2d, conv_transpose2d, linear, max_pool2d, avg_pool2d, adaptive_avg_pool2d, batch_norm, layer_norm, dropout,
              embedding, unfold, fold
Activations   relu, sigmoid, tanh, gelu, silu, softmax, log_softmax
Recurrent     rnn_tanh, lstm, gru (whole sequences), rnn_tanh_cell, lstm_cell, gru_cell, and their recurrences: the steps without
              the inputs' products
Attention     scaled_dot_product_attention, multi_head_attention, attention_weights, sinusoidal_positions, rotary_positions
Losses        cross_entropy, mse_loss, binary_cross_entropy_with_logits, kl_div, gaussian_kl, skip_gram_negative_sampling
Sampling      reparameterised_sample
Training      sgd_momentum, rmsprop, adam, adamw; clip_grad_norm, clip_grad_value; xavier_uniform, xavier_normal, kaiming_uniform,
              kaiming_normal, output_variance, xavier_variance, kaiming_variance, uniform_bound, fans, calculate_gain,
              derived_gain; learning_rate_bound, effective_learning_rate
Gradients     conv2d_backward (and its parts conv2d_input, conv2d_weight), linear_backward, embedding_backward_sparse, …; to check
              them: gradcheck, numerical_gradient, torch_gradients
For reading   correlate2d, convolve2d, conv2d_loops, conv2d_im2col, conv2d_toeplitz, toeplitz_matrix, conv2d_input_by_correlation,
              insert_zeros, conv_output_size, conv_transpose_output_size, conv2d_flops
Graphs        evaluate, accumulate, paths, sum_over_paths, local_derivatives; vector_jacobian_product, jacobian_vector_product,
              chain_products; broadcast_to and its gradient; best_step, central_difference_error
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
from mmlearn.ops.adaptive_pooling import adaptive_avg_pool2d, adaptive_avg_pool2d_backward
from mmlearn.ops.attention import (
    AttentionGradients,
    attention_weights,
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
)
from mmlearn.ops.broadcasting import broadcast_to, broadcast_to_backward
from mmlearn.ops.by_hand import differentiated_by, torch_gradients
from mmlearn.ops.clipping import ClippedGradients, clip_grad_norm, clip_grad_value
from mmlearn.ops.convolution import Conv2dGradients, conv2d, conv2d_backward, conv2d_flops, conv2d_input, conv2d_weight
from mmlearn.ops.convolution_forms import conv2d_im2col, conv2d_loops, conv2d_toeplitz, convolve2d, correlate2d, toeplitz_matrix
from mmlearn.ops.divergence import (
    GaussianKlGradients,
    SampleGradients,
    SkipGramGradients,
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_backward,
    gaussian_kl,
    gaussian_kl_backward,
    kl_div,
    kl_div_backward,
    reparameterised_sample,
    reparameterised_sample_backward,
    skip_gram_negative_sampling,
    skip_gram_negative_sampling_backward,
)
from mmlearn.ops.dropout import dropout, dropout_backward
from mmlearn.ops.embedding import EmbeddingGradients, SparseRows, embedding, embedding_backward, embedding_backward_sparse
from mmlearn.ops.gradient_check import best_step, central_difference_error, numerical_gradient
from mmlearn.ops.gradient_table import GradientRow, GradientTable, gradcheck
from mmlearn.ops.initialisers import (
    calculate_gain,
    derived_gain,
    fans,
    kaiming_normal,
    kaiming_uniform,
    kaiming_variance,
    output_variance,
    uniform_bound,
    xavier_normal,
    xavier_uniform,
    xavier_variance,
)
from mmlearn.ops.jacobian import chain_products, jacobian_vector_product, vector_jacobian_product
from mmlearn.ops.linear import LinearGradients, linear, linear_backward
from mmlearn.ops.loss import LossGradients, cross_entropy, cross_entropy_backward, mse_loss, mse_loss_backward
from mmlearn.ops.lstm import lstm_cell, lstm_cell_backward, lstm_recurrence, lstm_recurrence_backward
from mmlearn.ops.multi_head import multi_head_attention
from mmlearn.ops.normalisation import (
    BatchNormGradients,
    LayerNormGradients,
    batch_norm,
    batch_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from mmlearn.ops.optimisers import (
    AdamState,
    AdamStep,
    RmspropState,
    RmspropStep,
    SgdState,
    SgdStep,
    adam,
    adamw,
    rmsprop,
    sgd_momentum,
)
from mmlearn.ops.patches import conv_output_size, fold, fold_backward, taps, unfold, unfold_backward
from mmlearn.ops.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from mmlearn.ops.positions import rotary_positions, rotary_positions_backward, sinusoidal_positions
from mmlearn.ops.recurrent import (
    CellGradients,
    RecurrenceGradients,
    gru_cell,
    gru_cell_backward,
    gru_recurrence,
    gru_recurrence_backward,
    rnn_tanh_cell,
    rnn_tanh_cell_backward,
    rnn_tanh_recurrence,
    rnn_tanh_recurrence_backward,
)
from mmlearn.ops.scalar_graph import accumulate, evaluate, local_derivatives, paths, sum_over_paths
from mmlearn.ops.sequences import gru, lstm, rnn_tanh
from mmlearn.ops.shapes import broadcast_shape, contiguous_strides, element_offset, matmul_flops
from mmlearn.ops.smooth_activations import gelu, gelu_backward, silu, silu_backward
from mmlearn.ops.smoothing import gaussian_blur, gaussian_kernel, noise_gain
from mmlearn.ops.stability import effective_learning_rate, learning_rate_bound
from mmlearn.ops.transposed import (
    ConvTranspose2dGradients,
    conv2d_input_by_correlation,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose_output_size,
    insert_zeros,
)

__all__ = [
    "AdamState",
    "AdamStep",
    "AttentionGradients",
    "BatchNormGradients",
    "CellGradients",
    "ClippedGradients",
    "Conv2dGradients",
    "ConvTranspose2dGradients",
    "EmbeddingGradients",
    "GaussianKlGradients",
    "GradientRow",
    "GradientTable",
    "LayerNormGradients",
    "LinearGradients",
    "LossGradients",
    "RecurrenceGradients",
    "RmspropState",
    "RmspropStep",
    "SampleGradients",
    "SgdState",
    "SgdStep",
    "SkipGramGradients",
    "SparseRows",
    "accumulate",
    "adam",
    "adamw",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "attention_weights",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "best_step",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_backward",
    "broadcast_shape",
    "broadcast_to",
    "broadcast_to_backward",
    "calculate_gain",
    "central_difference_error",
    "chain_products",
    "clip_grad_norm",
    "clip_grad_value",
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
    "derived_gain",
    "differentiated_by",
    "dropout",
    "dropout_backward",
    "effective_learning_rate",
    "element_offset",
    "embedding",
    "embedding_backward",
    "embedding_backward_sparse",
    "evaluate",
    "fans",
    "fold",
    "fold_backward",
    "gaussian_blur",
    "gaussian_kernel",
    "gaussian_kl",
    "gaussian_kl_backward",
    "gelu",
    "gelu_backward",
    "gradcheck",
    "gru",
    "gru_cell",
    "gru_cell_backward",
    "gru_recurrence",
    "gru_recurrence_backward",
    "insert_zeros",
    "jacobian_vector_product",
    "kaiming_normal",
    "kaiming_uniform",
    "kaiming_variance",
    "kl_div",
    "kl_div_backward",
    "layer_norm",
    "layer_norm_backward",
    "learning_rate_bound",
    "linear",
    "linear_backward",
    "local_derivatives",
    "log_softmax",
    "log_softmax_backward",
    "lstm",
    "lstm_cell",
    "lstm_cell_backward",
    "lstm_recurrence",
    "lstm_recurrence_backward",
    "matmul_flops",
    "max_pool2d",
    "max_pool2d_backward",
    "mse_loss",
    "mse_loss_backward",
    "multi_head_attention",
    "noise_gain",
    "numerical_gradient",
    "output_variance",
    "paths",
    "relu",
    "relu_backward",
    "reparameterised_sample",
    "reparameterised_sample_backward",
    "rmsprop",
    "rnn_tanh",
    "rnn_tanh_cell",
    "rnn_tanh_cell_backward",
    "rnn_tanh_recurrence",
    "rnn_tanh_recurrence_backward",
    "rotary_positions",
    "rotary_positions_backward",
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
    "sgd_momentum",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "sinusoidal_positions",
    "skip_gram_negative_sampling",
    "skip_gram_negative_sampling_backward",
    "softmax",
    "softmax_backward",
    "sum_over_paths",
    "tanh",
    "tanh_backward",
    "taps",
    "toeplitz_matrix",
    "torch_gradients",
    "unfold",
    "unfold_backward",
    "uniform_bound",
    "vector_jacobian_product",
    "xavier_normal",
    "xavier_uniform",
    "xavier_variance",
]
