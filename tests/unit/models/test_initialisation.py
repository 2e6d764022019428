import torch
from torch import nn

from mmlearn.models.initialisation import he_normal


def test_he_weights_keep_the_size_of_the_signal_through_thirty_layers_where_torchs_default_loses_it():
    torch.manual_seed(0)
    layers = [layer for _ in range(30) for layer in (nn.Linear(256, 256), nn.ReLU())]
    network, signal = nn.Sequential(*layers), torch.randn(64, 256)
    assert network(signal).var(dim=0).mean() < 1e-6  # every input ends at the same place: only the biases are left
    assert 0.2 < he_normal(network)(signal).square().mean() < 5


def test_variance_is_two_over_fan_in_and_biases_are_zero():
    torch.manual_seed(0)
    convolution = he_normal(nn.Conv2d(16, 512, kernel_size=3))
    assert abs(convolution.weight.var() * (16 * 3 * 3) - 2) < 0.05
    assert not convolution.bias.any()
