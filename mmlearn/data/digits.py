"""1,797 handwritten digits of 8×8 pixels that come with scikit-learn: real, tiny, and there without a network."""

import torch

from mmlearn.data.splits import ImageSplits, hold_out

SOURCE = (
    "Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (Alpaydin & Kaynak 1998), "
    "the test set as sklearn.datasets.load_digits ships it"
)
LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"


def digits(seed=0, size=8):
    """The digits as ImageSplits: about 60 % train, 20 % validation, 20 % test, each class in its proportion.

    images: (N, 1, size, size) float32 in [0, 1] (ink is 1)   labels: (N,) int64, 0…9
    size: 8 as in the file, or larger to enlarge the digits (bilinear), so that a deeper network has room to pool.
    The split depends on ``seed`` alone. Writers are not told apart in the file, so one writer may be in two parts.
    """
    from sklearn.datasets import load_digits  # slow to import

    if not isinstance(size, int) or size < 8:
        raise ValueError(f"size must be a whole number of pixels, at least the 8 of the file; got {size!r}")
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float().unsqueeze(1) / 16  # (1797, 1, 8, 8), counts 0…16 → [0, 1]
    if size > 8:
        images = torch.nn.functional.interpolate(images, (size, size), mode="bilinear")  # (1797, 1, size, size)
    labels = torch.from_numpy(bunch.target).long()  # (1797,)

    fifth = round(len(labels) / 5)
    rest, test = hold_out(images, labels, fifth, seed=seed)
    train, validation = hold_out(rest.images, rest.labels, fifth, seed=seed)
    return ImageSplits(train, validation, test, tuple(str(name) for name in bunch.target_names), SOURCE, LICENCE)
