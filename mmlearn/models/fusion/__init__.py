"""Fusion: features of several modalities become one.   Op(dims={"image": 64, "text": 32}, out_dim=128)"""

from mmlearn.models.fusion.interface import Fusion

__all__ = ["Fusion"]
