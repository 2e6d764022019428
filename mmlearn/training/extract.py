"""Features of a whole data set, computed once: what probes are fitted on."""

import torch

from mmlearn.training.evaluate import device_of, modes_kept


@torch.no_grad()
def extract(encoder, batch, *names, batch_size=256):
    """Features of a data set, batch by batch, in eval mode and without gradients: (N, D) on the CPU.

    encoder: a mmlearn.models.features.Features, or any module that maps pictures to features
    batch: pictures (N, 3, H, W), a list of texts, or (ids (N, T), mask (N, T))
    names: of layers, for a Features; then a list of (N, D), one for each, as ``Features.at`` pools them
    The encoder is left in the modes in which it was found. Raises ValueError on a data set without examples.
    """
    pairs = isinstance(batch, tuple)  # (ids, mask)
    count = len(batch[0]) if pairs else len(batch)
    if count == 0:
        raise ValueError("the data set has no example: there is nothing to extract features of")
    device, rows = device_of(encoder), []
    with modes_kept(encoder):
        encoder.eval()
        for start in range(0, count, batch_size):
            cut = slice(start, start + batch_size)
            piece = tuple(part[cut] for part in batch) if pairs else batch[cut]
            piece = piece.to(device) if isinstance(piece, torch.Tensor) else piece
            found = encoder.at(piece, *names) if names else encoder(*piece) if pairs else encoder(piece)
            rows.append([part.cpu() for part in (found if isinstance(found, list) else [found])])
    columns = [torch.cat(parts) for parts in zip(*rows, strict=True)]
    return columns if names else columns[0]
