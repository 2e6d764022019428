"""Chapter 06's way through real data, in short: Fashion-MNIST from its files, a small ResNet, a test score far above guessing."""

from functools import partial

import torch

from mmlearn.data import public
from mmlearn.models.resnet import ResNet
from mmlearn.training import evaluate, fit


def test_a_small_resnet_learns_clothes_from_two_thousand_pictures(real):
    splits = public.fashion_mnist(root=real("fashion_mnist"), download=False)
    torch.manual_seed(0)
    model = ResNet(image_size=28, depth=8, width=6)
    cosine = partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=3)
    history = fit(model, splits.train[:2000], epochs=3, lr=3e-3, batch_size=50, scheduler=cosine, seed=0, progress=False)
    assert history["train_loss"] == sorted(history["train_loss"], reverse=True)
    assert evaluate(model, splits.test[:1000])["accuracy"] > 0.5  # guessing: 0.1
