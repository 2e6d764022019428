import pytest
import torch

import mmlearn.ops

NAMESPACES = {"torch.nn.functional": torch.nn.functional, "mmlearn.ops": mmlearn.ops}


@pytest.fixture(params=NAMESPACES)
def F(request):
    """Both functional namespaces, one after the other."""
    return NAMESPACES[request.param]
