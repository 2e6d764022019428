"""Classification without training on the classes: name them, and take the name that lies nearest (Radford et al. 2021)."""

from mmlearn.ops.arguments import check_alike, check_floating, require
from mmlearn.ops.contrastive import unit_rows


def class_vectors(prompts):
    """One vector for each class from several wordings: the unit vector along their mean.

    prompts: (K, P, D), the texts' vectors, P wordings of each of K classes   returns: (K, D), unit rows

    >>> import torch
    >>> class_vectors(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    tensor([[0.7071, 0.7071]])
    """
    check_floating(prompts, "prompts", (3,), "(K, P, D)")
    require(prompts.shape[1] > 0, "prompts", "no wording", "one wording or more of each class")
    return unit_rows(prompts.mean(1))


def zero_shot(images, classes, scale=1.0):
    """P(k | image) = softmax over k of s·u·c_k, with unit vectors u of the image and c_k of the class's name — Eq. 18.15.

    images: (N, D)   classes: (K, D); neither need have length 1   scale: s   returns: probabilities (N, K)

    >>> import torch
    >>> zero_shot(torch.tensor([[2.0, 0.0]]), torch.eye(2), scale=1.0)
    tensor([[0.7311, 0.2689]])
    """
    check_floating(images, "images", (2,), "(N, D)")
    check_floating(classes, "classes", (2,), "(K, D)")
    check_alike("images", images, classes=classes)
    require(
        images.shape[1] == classes.shape[1], "classes", f"{classes.shape[1]} features", f"{images.shape[1]}, the images' space"
    )
    return (scale * unit_rows(images) @ unit_rows(classes).mT).softmax(1)
