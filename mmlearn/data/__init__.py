"""The data of the course, and what every modality needs before it can be learnt from.

Data          world             rendered scenes with captions, questions, sounds, range scans; tasks with known information
              digits, photo     scikit-learn's handwritten digits, split in three; scikit-image's photographs (PHOTOS)
              public            Fashion-MNIST, MNIST, COCO, FSDD, KITTI, easy-VQA, clothes: checked, cached
Files         shipped.folder    the data that comes with the course, in a clone or in an installed package
              inspect_folder    what is wrong with a folder of pictures and captions, before you read it; read_folder reads it
              read_wav          sound; log_mel makes a picture of it, resample changes its rate
Cleaning      check_images, clean_captions, to_float; inspect_readings, fit_limits, clean_readings
Normalising   statistics, standardise, restore: with the training data's numbers alone
Time          align, resample_to, windows: streams at different rates on one clock
Augmenting    augment           crop, mirror, rotate, recolour; boxes, masks and words follow
Batches       collate           padding, masks, missing modalities; presence, drop_modalities
Words         Vocabulary        words to numbers and back
Imbalance     class_weights, balanced_sampler, effective_number_weights, shift_prior
Features      ridge_probe, logistic_probe: what a linear layer can read off; linear_cka, unbiased_cka: are two layers alike?
Two senses    cca               the mixtures that correlate; recall_at_k with chance_recall and recall_ceiling
Leaks         find_leaks        pictures of the test part that are in the training part, too; group_leaks, split_by_group
Information   entropy, conditional_entropy, mutual_information, decompose, ceilings, best_additive_accuracy: what a label
              needs, and what a model can reach; empirical_table, mutual_information_bias: the same from samples
              permutation_test  is the score better than with shuffled labels?
"""

from mmlearn.data import public, shipped
from mmlearn.data.additive_accuracy import best_additive_accuracy
from mmlearn.data.align import align, resample_to, windows
from mmlearn.data.audio import log_mel, read_wav, resample, write_wav
from mmlearn.data.augment import affine_points, augment, mirror_words
from mmlearn.data.ceilings import ceilings
from mmlearn.data.cka import linear_cka, unbiased_cka
from mmlearn.data.cleaning import check_images, clean_captions, clean_readings, clean_text, fit_limits, inspect_readings
from mmlearn.data.collate import Batch, collate
from mmlearn.data.correlation import cca
from mmlearn.data.decomposition import decompose
from mmlearn.data.digits import digits
from mmlearn.data.estimates import empirical_table, mutual_information_bias, permutation_test
from mmlearn.data.folder import inspect_folder, read_folder
from mmlearn.data.imbalance import balanced_sampler, class_weights, effective_number_weights, shift_prior
from mmlearn.data.information import conditional_entropy, entropy, mutual_information
from mmlearn.data.leakage import find_leaks, find_text_leaks, group_leaks, split_by_group
from mmlearn.data.missing import drop_modalities, fill_absent, presence
from mmlearn.data.normalise import Statistics, restore, standardise, statistics
from mmlearn.data.photos import PHOTOS, photo
from mmlearn.data.probe import logistic_probe, ridge_probe
from mmlearn.data.retrieval import chance_recall, recall_at_k, recall_ceiling
from mmlearn.data.splits import ImageSplits, Labelled, to_float
from mmlearn.data.text import Vocabulary

from mmlearn.data import world  # isort: skip  it uses most of what stands above

__all__ = [
    "PHOTOS",
    "Batch",
    "ImageSplits",
    "Labelled",
    "Statistics",
    "Vocabulary",
    "affine_points",
    "align",
    "augment",
    "balanced_sampler",
    "best_additive_accuracy",
    "cca",
    "ceilings",
    "chance_recall",
    "check_images",
    "class_weights",
    "clean_captions",
    "clean_readings",
    "clean_text",
    "collate",
    "conditional_entropy",
    "decompose",
    "digits",
    "drop_modalities",
    "effective_number_weights",
    "empirical_table",
    "entropy",
    "fill_absent",
    "find_leaks",
    "find_text_leaks",
    "fit_limits",
    "group_leaks",
    "inspect_folder",
    "inspect_readings",
    "linear_cka",
    "log_mel",
    "logistic_probe",
    "mirror_words",
    "mutual_information",
    "mutual_information_bias",
    "permutation_test",
    "photo",
    "presence",
    "public",
    "read_folder",
    "read_wav",
    "recall_at_k",
    "recall_ceiling",
    "resample",
    "resample_to",
    "restore",
    "ridge_probe",
    "shift_prior",
    "shipped",
    "split_by_group",
    "standardise",
    "statistics",
    "to_float",
    "unbiased_cka",
    "windows",
    "world",
    "write_wav",
]
