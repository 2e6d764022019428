import numpy as np
import pytest
import torch

from mmlearn.data import Labelled, to_float
from mmlearn.data.splits import hold_out


def test_bytes_become_floats_between_zero_and_one_with_channels_first():
    colour = torch.randint(0, 256, (5, 4, 6, 3), dtype=torch.uint8)
    floats = to_float(colour)
    assert floats.shape == (5, 3, 4, 6)
    assert floats.dtype == torch.float32
    assert torch.equal((floats * 255).round().to(torch.uint8).permute(0, 2, 3, 1), colour)
    assert to_float(np.full((2, 4, 6), 255, dtype=np.uint8)).tolist() == torch.ones(2, 1, 4, 6).tolist()


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (torch.zeros(2, 4, 6), TypeError, "got torch.float32 (2, 4, 6)"),
        (torch.zeros(2, 3, 4, 6, dtype=torch.uint8), ValueError, "got (2, 3, 4, 6)"),
        (torch.zeros(4, dtype=torch.uint8), ValueError, "images[None]"),
    ],
)
def test_what_is_not_a_batch_of_byte_images_is_refused(images, error, says):
    with pytest.raises(error) as caught:
        to_float(images)
    assert says in str(caught.value)


def test_the_parts_of_a_split_share_nothing_lose_nothing_and_keep_the_proportions():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    images = torch.arange(100.0).view(100, 1, 1, 1)
    rest, held = hold_out(images, labels, 20, seed=3)
    both = torch.cat([rest.images, held.images]).flatten()
    assert both.sort().values.tolist() == list(range(100))
    assert held.labels.bincount().tolist() == [12, 6, 2]
    assert torch.equal(held.images, hold_out(images, labels, 20, seed=3)[1].images)
    assert not torch.equal(held.images, hold_out(images, labels, 20, seed=4)[1].images)


def test_a_split_that_would_leave_a_class_out_is_refused():
    images, labels = torch.zeros(10, 1, 2, 2), torch.arange(10) % 5
    assert len(hold_out(images, labels, 0, seed=0)[1]) == 0
    for count in (2, 7, 10, -1):
        with pytest.raises(ValueError, match=f"cannot hold out {count} of 10 images"):
            hold_out(images, labels, count, seed=0)


def test_labelled_gives_examples_like_a_torch_dataset_and_parts_like_a_tensor():
    some = Labelled(torch.rand(5, 1, 2, 2), torch.arange(5))
    image, label = some[-1]
    assert torch.equal(image, some.images[4])
    assert label == 4
    assert some[torch.tensor([3, 1])].labels.tolist() == [3, 1]
    assert [int(label) for _, label in some] == [0, 1, 2, 3, 4]
    loader = torch.utils.data.DataLoader(some, batch_size=2)
    assert [len(labels) for _, labels in loader] == [2, 2, 1]
    with pytest.raises(ValueError, match="got 5 images and 4 labels"):
        Labelled(torch.zeros(5, 1, 2, 2), torch.arange(4))
