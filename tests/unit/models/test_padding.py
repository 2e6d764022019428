import pytest
import torch

from mmlearn.models.padding import check_tokens, lengths_of, pool

MASK = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])


def test_pools_of_a_sequence_by_hand():
    sequence = torch.tensor([[[1.0, -1], [5, -2], [3, -6]], [[2, -3], [99, 99], [99, 99]], [[99, 99], [99, 99], [99, 99]]])
    expected = {
        "mean": [[3, -3], [2, -3], [0, 0]],
        "max": [[5, -1], [2, -3], [0, 0]],
        "first": [[1, -1], [2, -3], [0, 0]],
        "last": [[3, -6], [2, -3], [0, 0]],
    }
    for how, rows in expected.items():
        assert pool(sequence, MASK, how).tolist() == rows, how


@pytest.mark.parametrize("how", ["mean", "max", "first", "last"])
def test_what_stands_on_padding_changes_no_pool_and_gets_no_gradient(how):
    sequence = torch.randn(3, 3, 2, generator=torch.Generator().manual_seed(0))
    spoilt = sequence.where(MASK[..., None], torch.nan).requires_grad_()
    pooled = pool(spoilt, MASK, how)
    assert torch.equal(pooled, pool(sequence, MASK, how))
    pooled.square().sum().backward()
    assert not spoilt.grad[~MASK].any()
    assert spoilt.grad[0].any()


def test_lengths_are_the_number_of_tokens():
    assert lengths_of(MASK).tolist() == [3, 1, 0]
    with pytest.raises(ValueError, match="in row 1 a token follows padding"):
        lengths_of(torch.tensor([[True, False], [False, True]]))


def test_without_a_mask_every_token_counts():
    assert check_tokens(torch.tensor([[0, 1]]), None, 2).tolist() == [[True, True]]


@pytest.mark.parametrize(
    ("ids", "mask", "error", "says"),
    [
        (torch.tensor([1, 2]), None, ValueError, r"got \(2,\): one text becomes a batch with ids\[None\]"),
        (torch.tensor([[1.0, 2.0]]), None, TypeError, r"got torch.float32 \(1, 2\)"),
        (torch.zeros(2, 0, dtype=torch.long), None, ValueError, r"got texts of length zero, \(2, 0\)"),
        (torch.zeros(0, 3, dtype=torch.long), None, ValueError, r"got no texts, \(0, 3\)"),
        (torch.tensor([[1, 9]]), None, ValueError, r"from 0 to 8 in this network; got 9: .*vocabulary_size"),
        (torch.tensor([[1, -1]]), None, ValueError, "got -1"),
        (torch.tensor([[1, 2, 3, 4]]), None, ValueError, "places for 3 tokens; got 4: build it with length=4"),
        (torch.tensor([[1, 2]]), torch.ones(1, 3, dtype=torch.bool), ValueError, r"bool \(1, 2\).*got torch.bool \(1, 3\)"),
        (torch.tensor([[1, 2]]), torch.ones(1, 2), ValueError, r"got torch.float32 \(1, 2\): give mask.bool\(\)"),
    ],
)
def test_wrong_tokens_get_told_what_is_wanted(ids, mask, error, says):
    with pytest.raises(error, match=says):
        check_tokens(ids, mask, 9, longest=3)


def test_an_unknown_pool_is_refused():
    with pytest.raises(ValueError, match="'last' or 'first' or 'mean' or 'max'; got 'sum'"):
        pool(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool), "sum")
