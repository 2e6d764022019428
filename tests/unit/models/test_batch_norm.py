import pytest
import torch
from torch import nn

from mmlearn.models.batch_norm import batch_norm


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize(("kind", "shape"), [(nn.BatchNorm1d, (6, 3)), (nn.BatchNorm2d, (6, 3, 2, 5))])
def test_it_computes_and_learns_what_the_layer_does_itself(F, kind, shape, momentum):
    torch.manual_seed(0)
    own, theirs = (kind(3, momentum=momentum).double() for _ in range(2))
    for _ in range(3):
        x = torch.randn(shape, dtype=torch.float64) * 3 + 1
        torch.testing.assert_close(batch_norm(F, own, x), theirs(x))
    torch.testing.assert_close(own.state_dict(), theirs.state_dict())
    own.eval(), theirs.eval()
    torch.testing.assert_close(batch_norm(F, own, x), theirs(x))
    assert own.num_batches_tracked == 3


def test_a_frozen_layer_keeps_its_estimates(F):
    layer = nn.BatchNorm1d(2).eval()
    batch_norm(F, layer, torch.randn(5, 2))
    assert layer.running_mean.tolist() == [0, 0]
    assert layer.num_batches_tracked == 0
