"""Networks that take their functional namespace as an argument: ``LeNet(F=mmlearn.ops)`` runs on the course's own equations.

Pictures      MLP, LeNet, VGG, ResNet (CIFAR-style), ResNet18, ViT
Text          TextRNN, TextTransformer, LanguageModel; SkipGram; BPE cuts words into pieces
Parts         BasicBlock, EncoderBlock, DecoderBlock, Encoder, MultiHeadAttention, Normalise; patchify, unpatchify
Codes         DenseAutoencoder, ConvAutoencoder, DenoisingAutoencoder, SparseAutoencoder, VAE, JointVAE, product_of_experts

Weights copy one to one into torch.nn, torchvision and transformers: ``mmlearn.models.published_weights``.
"""

from mmlearn.models.autoencoder import ConvAutoencoder, DenoisingAutoencoder, DenseAutoencoder, SparseAutoencoder
from mmlearn.models.bpe import BPE
from mmlearn.models.joint_vae import JointVAE, product_of_experts
from mmlearn.models.language_model import LanguageModel
from mmlearn.models.lenet import LeNet
from mmlearn.models.mlp import MLP
from mmlearn.models.normalise import Normalise
from mmlearn.models.recurrent import TextRNN
from mmlearn.models.resnet import BasicBlock, ResNet, ResNet18
from mmlearn.models.skip_gram import SkipGram
from mmlearn.models.text_transformer import TextTransformer
from mmlearn.models.transformer import DecoderBlock, Encoder, EncoderBlock, MultiHeadAttention
from mmlearn.models.vae import VAE
from mmlearn.models.vgg import VGG
from mmlearn.models.vit import ViT, patchify, unpatchify

__all__ = [
    "BPE",
    "MLP",
    "VAE",
    "VGG",
    "BasicBlock",
    "ConvAutoencoder",
    "DecoderBlock",
    "DenoisingAutoencoder",
    "DenseAutoencoder",
    "Encoder",
    "EncoderBlock",
    "JointVAE",
    "LanguageModel",
    "LeNet",
    "MultiHeadAttention",
    "Normalise",
    "ResNet",
    "ResNet18",
    "SkipGram",
    "SparseAutoencoder",
    "TextRNN",
    "TextTransformer",
    "ViT",
    "patchify",
    "product_of_experts",
    "unpatchify",
]
