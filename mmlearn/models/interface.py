"""What every network of the course agrees on: the functions it computes with, and the images it accepts."""

from types import SimpleNamespace


def functions(F, *names):
    """The named functions of a functional namespace: torch.nn.functional, mmlearn.ops, mmlearn.kernels or one of yours.

    The functions are kept rather than the module, so that a network can be copied and a missing function is found at once.

    >>> import torch
    >>> functions(torch.nn.functional, "conv2d", "relu").relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    missing = [name for name in names if not hasattr(F, name)]
    if missing:
        raise TypeError(
            f"F must offer {', '.join(names)} like torch.nn.functional; {getattr(F, '__name__', F)} lacks {', '.join(missing)}"
        )
    return SimpleNamespace(**{name: getattr(F, name) for name in names})


def check_images(images, channels, image_size):
    """Raise unless ``images`` is (N, channels, image_size, image_size), N ≥ 1, and floating point; say what to do about it."""
    shape = tuple(images.shape)
    wanted = f"images must be floats (N, {channels}, {image_size}, {image_size})"
    if images.ndim == 4 and shape[-1] == channels != shape[1]:
        advice = ": channels come second, call mmlearn.data.to_float(images)"
    elif images.ndim == 3 and shape == (channels, image_size, image_size):
        advice = ": one image becomes a batch with images.unsqueeze(0)"
    elif images.ndim == 3 and channels == 1:
        advice = ": add the channel axis with images.unsqueeze(1)"
    elif images.ndim == 4 and shape[1] == channels:
        advice = f": build the network with image_size={shape[-1]}, or resize the images"
    elif images.ndim == 4:
        advice = f": build the network with channels={shape[1]}"
    else:
        advice = ""
    if shape[1:] != (channels, image_size, image_size):
        raise ValueError(f"{wanted}; got {images.dtype} {shape}{advice}")
    if not images.is_floating_point():
        raise TypeError(f"{wanted}; got {images.dtype} {shape}: call mmlearn.data.to_float(images)")
    if len(images) == 0:
        raise ValueError(f"{wanted}; got an empty batch {shape}")
