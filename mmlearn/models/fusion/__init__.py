"""Fusion: features of several modalities become one.   Op(dims={"image": 64, "text": 32}, out_dim=128)

Additive          Concat, Sum, Mean, WeightedMean; Late and ProductOfExperts, of classifiers' answers
Multiplicative    Hadamard, Gated, FiLM
All products      Bilinear, TensorFusion, Multiplicative; LowRank and CompactBilinear, which never form them
Attention         CrossAttention, CoAttention, QueryPooling, GatedCrossAttention; for sequences of tokens
"""

from mmlearn.models.fusion.attention import CoAttention, CrossAttention, GatedCrossAttention, QueryPooling
from mmlearn.models.fusion.bilinear import Bilinear, LowRank, Multiplicative, TensorFusion
from mmlearn.models.fusion.compact import CompactBilinear
from mmlearn.models.fusion.gates import FiLM, Gated
from mmlearn.models.fusion.interface import Fusion
from mmlearn.models.fusion.late import Late, ProductOfExperts
from mmlearn.models.fusion.simple import Concat, Hadamard, Mean, Sum, WeightedMean

__all__ = [
    "Bilinear",
    "CoAttention",
    "CompactBilinear",
    "Concat",
    "CrossAttention",
    "FiLM",
    "Fusion",
    "Gated",
    "GatedCrossAttention",
    "Hadamard",
    "Late",
    "LowRank",
    "Mean",
    "Multiplicative",
    "ProductOfExperts",
    "QueryPooling",
    "Sum",
    "TensorFusion",
    "WeightedMean",
]
