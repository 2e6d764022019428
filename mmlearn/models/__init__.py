"""Networks that take their functional namespace as an argument: ``LeNet(F=mmlearn.ops)`` runs on the course's own equations.

Pictures      MLP, LeNet, VGG, ResNet (CIFAR-style), ResNet18, ViT
Text          TextRNN, TextTransformer, LanguageModel; SkipGram; BPE cuts words into pieces
Parts         BasicBlock, EncoderBlock, DecoderBlock, Encoder, MultiHeadAttention, Normalise; patchify, unpatchify
Senses        MultimodalModel(encoders, fusion, head); fusions in ``mmlearn.models.fusion``; SharedEncoder, ImageTextMatching;
              UnimodalHeads, ModalityDropout
Several tasks HardSharing, CrossStitch, MMoE
Pretrained    Features, load_features, course_encoders; frozen, thawed; LoRALinear, add_lora, merge_lora, remove_lora
Codes         DenseAutoencoder, ConvAutoencoder, DenoisingAutoencoder, SparseAutoencoder, VAE, JointVAE, product_of_experts

Weights copy one to one into torch.nn, torchvision and transformers: ``mmlearn.models.published_weights``.
"""

from mmlearn.models.autoencoder import ConvAutoencoder, DenoisingAutoencoder, DenseAutoencoder, SparseAutoencoder
from mmlearn.models.bpe import BPE
from mmlearn.models.deep_cca import deep_cca_loss
from mmlearn.models.features import Features, course_encoders, hooked, load_features
from mmlearn.models.freeze import frozen, moving_statistics, thawed
from mmlearn.models.joint_vae import JointVAE, product_of_experts
from mmlearn.models.language_model import LanguageModel
from mmlearn.models.lenet import LeNet
from mmlearn.models.lora import (
    LoRALinear,
    add_lora,
    count_trainable,
    fold_lora,
    lora_state,
    merge_lora,
    remove_lora,
    unmerge_lora,
)
from mmlearn.models.matching import ImageTextMatching, hard_negatives, matching_loss
from mmlearn.models.mlp import MLP
from mmlearn.models.modality_dropout import ModalityDropout, WithModalityDropout
from mmlearn.models.multimodal import MultimodalModel
from mmlearn.models.normalise import Normalise
from mmlearn.models.recurrent import TextRNN
from mmlearn.models.resnet import BasicBlock, ResNet, ResNet18
from mmlearn.models.shared_encoder import SharedEncoder, reference_loss
from mmlearn.models.sharing import CrossStitch, HardSharing, MMoE
from mmlearn.models.skip_gram import SkipGram
from mmlearn.models.text_transformer import TextTransformer
from mmlearn.models.transformer import DecoderBlock, Encoder, EncoderBlock, MultiHeadAttention
from mmlearn.models.unimodal_heads import UnimodalHeads
from mmlearn.models.vae import VAE
from mmlearn.models.vgg import VGG
from mmlearn.models.vit import ViT, patchify, unpatchify
from mmlearn.models.zero_shot import class_vectors, zero_shot

__all__ = [
    "BPE",
    "MLP",
    "VAE",
    "VGG",
    "BasicBlock",
    "ConvAutoencoder",
    "CrossStitch",
    "DecoderBlock",
    "DenoisingAutoencoder",
    "DenseAutoencoder",
    "Encoder",
    "EncoderBlock",
    "Features",
    "HardSharing",
    "ImageTextMatching",
    "JointVAE",
    "LanguageModel",
    "LeNet",
    "LoRALinear",
    "MMoE",
    "ModalityDropout",
    "MultiHeadAttention",
    "MultimodalModel",
    "Normalise",
    "ResNet",
    "ResNet18",
    "SharedEncoder",
    "SkipGram",
    "SparseAutoencoder",
    "TextRNN",
    "TextTransformer",
    "UnimodalHeads",
    "ViT",
    "WithModalityDropout",
    "add_lora",
    "class_vectors",
    "count_trainable",
    "course_encoders",
    "deep_cca_loss",
    "fold_lora",
    "frozen",
    "hard_negatives",
    "hooked",
    "load_features",
    "lora_state",
    "matching_loss",
    "merge_lora",
    "moving_statistics",
    "patchify",
    "product_of_experts",
    "reference_loss",
    "remove_lora",
    "thawed",
    "unmerge_lora",
    "unpatchify",
    "zero_shot",
]
