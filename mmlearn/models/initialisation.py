"""How weights start."""

from torch import nn


def he_normal(model):
    """Start every convolution and linear layer as He et al. (2015) derive for ReLU; return the model.

    weight ~ normal, variance 2 / fan-in, so that activations keep their size from layer to layer; bias = 0
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model
