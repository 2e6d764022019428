"""Networks that take their functional namespace as an argument: ``LeNet(F=mmlearn.ops)`` runs on the course's own equations."""

from mmlearn.models.lenet import LeNet
from mmlearn.models.normalise import Normalise
from mmlearn.models.vgg import VGG

__all__ = ["VGG", "LeNet", "Normalise"]
