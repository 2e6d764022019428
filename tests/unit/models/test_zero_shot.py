"""Classes by their names: the nearest wins, wordings are averaged on the sphere, lengths do not matter."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.models.zero_shot import class_vectors, zero_shot


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**20))
def test_the_most_probable_class_has_the_largest_cosine(n, k, d, seed):
    generator = torch.Generator().manual_seed(seed)
    images, classes = (torch.randn(m, d, generator=generator, dtype=torch.float64) for m in (n, k))
    cosines = torch.nn.functional.cosine_similarity(images[:, None], classes, dim=2)
    found = zero_shot(images, classes, scale=7.0)
    torch.testing.assert_close(found, (7 * cosines).softmax(1))
    torch.testing.assert_close(zero_shot(3 * images, 0.2 * classes, 7.0), found)


def test_one_wording_is_itself_and_equal_ones_count_once():
    prompts = torch.nn.functional.normalize(torch.randn(3, 1, 5), dim=2)
    torch.testing.assert_close(class_vectors(prompts), prompts[:, 0])
    torch.testing.assert_close(class_vectors(prompts.expand(3, 4, 5)), prompts[:, 0])


def test_what_points_nowhere_or_into_another_space_is_refused():
    with pytest.raises(ValueError, match="rows of zeros"):
        zero_shot(torch.zeros(1, 3), torch.eye(3))
    with pytest.raises(ValueError, match="rows of zeros"):
        class_vectors(torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]))
    with pytest.raises(ValueError, match="4 features"):
        zero_shot(torch.ones(1, 3), torch.eye(4))
    with pytest.raises(ValueError, match="no wording"):
        class_vectors(torch.zeros(2, 0, 3))
