"""Batch normalisation with the parameters of a layer, computed in any functional namespace."""


def batch_norm(F, layer, x):
    """What nn.BatchNorm1d or nn.BatchNorm2d computes, by ``F.batch_norm`` (Ioffe & Szegedy 2015).

    F: torch.nn.functional, mmlearn.ops, …   layer: holds weight, bias and the running estimates   x: (N, C) or (N, C, H, W)
    While the layer trains, the statistics are the batch's and the layer's running estimates follow them; otherwise the running
    estimates are used. ``layer.eval()`` alone freezes it, whatever the network around it does.
    """
    momentum = layer.momentum
    if layer.training:
        layer.num_batches_tracked.add_(1)
        if momentum is None:  # the plain average of all batches so far
            momentum = 1 / layer.num_batches_tracked.item()
    running = (layer.running_mean, layer.running_var)
    return F.batch_norm(x, *running, layer.weight, layer.bias, layer.training, momentum or 0.0, layer.eps)
