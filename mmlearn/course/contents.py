"""The table of contents: all chapters of the course, written or planned."""

from pathlib import PurePath
from typing import NamedTuple

from mmlearn.course.errors import CourseError, nearest, unknown


class Chapter(NamedTuple):
    """One chapter. `can` completes the sentence "afterwards you can …"."""

    number: str
    slug: str
    title: str
    part: str
    can: str

    @property
    def name(self):
        return f"{self.number}-{self.slug}"


_PARTS = {
    "I · Learning by gradients": [
        ("tensors", "Tensors: every sense as an array", "read any modality as an array, and predict shapes and cost"),
        ("backprop", "Backpropagation by hand", "write any layer's vector–Jacobian product"),
        ("training", "Training that works", "choose initialisation, optimiser and normalisation, and read a loss curve"),
    ],
    "II · Encoders, from the equations up": [
        ("convolution", "Convolution, three ways", "implement convolution as loops, as im2col and as one Toeplitz matrix"),
        ("convolution-gradients", "The gradients of convolution", "derive and check every gradient of a CNN layer"),
        ("cnn", "Convolutional networks", "design LeNet-, VGG- and ResNet-style nets and say why they train"),
        ("rnn", "Recurrent networks", "unroll a recurrence and explain vanishing gradients"),
        ("lstm", "Gates: LSTM and GRU", "backpropagate through gates"),
        ("embeddings", "Word embeddings", "learn word vectors from text"),
        ("transformer", "Attention and the transformer", "build a transformer encoder and a ViT"),
        ("autoencoder", "Autoencoders", "compress and denoise images"),
        ("vae", "Variational autoencoders", "derive the ELBO and sample from it"),
    ],
    "III · Features": [
        ("features", "Pretrained features", "freeze, probe and fine-tune image and text backbones"),
        ("multimodal-data", "Multimodal data", "build a leak-free pipeline and know what a label needs"),
    ],
    "IV · Fusion, alignment, interaction": [
        ("fusion", "Fusion", "choose among early, middle and late fusion, and say when addition must fail"),
        ("bilinear-fusion", "Bilinear fusion", "tell when products are needed, and afford them with a low rank"),
        ("interaction", "Interaction", "let modalities attend to each other"),
        ("alignment", "Alignment", "put two modalities into one space and search across them"),
        ("balance", "Balance", "stop one modality from winning"),
        ("multitask", "Multi-task learning", "train many tasks on one trunk"),
    ],
    "V · Tasks": [
        ("captioning", "Captioning", "write captions with attention and beam search, and score them"),
        ("vqa", "Visual question answering", "answer questions about pictures and expose language priors"),
        ("detection-segmentation", "Detection and segmentation", "find, box and outline objects, also those that a text names"),
        ("retrieval", "Retrieval", "retrieve across modalities with hard negatives, and answer from what was found"),
        ("sound-and-motion", "Sound and motion", "learn from spectrograms and from video"),
        ("vision-language-model", "A vision–language model", "connect a ViT to a small language model and instruct it"),
        ("generation", "Generation by diffusion", "derive diffusion and guide it with text"),
    ],
    "VI · Trust and speed": [
        ("interpretability", "Interpretability", "explain and calibrate a multimodal prediction"),
        ("robustness-privacy", "Robustness and privacy", "harden a model, and train it without exposing its data"),
        ("efficiency", "Efficiency", "make training and inference several times cheaper"),
        ("gpu-kernels", "GPU kernels", "write convolution, attention and fused layers in Triton"),
    ],
    "VII · Case studies, end to end": [
        ("smart-try-on", "Smart try-on", "recommend size and style from a photo and measurements"),
        ("face-recognition", "Face recognition", "verify identities and read a ROC curve"),
        ("medical", "Medical images and reports", "answer questions about radiographs from image and report"),
        ("recommendation", "Recommendation", "recommend items from behaviour, image and text"),
        ("driving", "Driving", "fuse camera, LiDAR and GPS"),
        ("inspection", "Inspection", "judge a machine by image, sound and sensors"),
        ("capstone", "Capstone", "report a result with bootstrap confidence, paired tests and a model card"),
    ],
}  # fmt: skip

CONTENTS = tuple(
    Chapter(f"{number:02d}", slug, title, part, can)
    for number, (part, (slug, title, can)) in enumerate(
        ((part, entry) for part, entries in _PARTS.items() for entry in entries), start=1
    )
)


def find(given, among=CONTENTS):
    """The chapter that `given` names: by number, slug, number-slug, file name or the beginning of one of them.

    >>> find("4").name, find("convolution").name, find("multim").name
    ('04-convolution', '04-convolution', '14-multimodal-data')

    Raises CourseError with the nearest names when none fits, and with the candidates when several do.
    """
    wanted = PurePath(str(given).strip()).name.removesuffix(".ipynb").lower()
    if wanted.isdigit():
        fitting = [chapter for chapter in among if int(chapter.number) == int(wanted)]
    else:
        fitting = [chapter for chapter in among if wanted in (chapter.slug, chapter.name)]
        fitting = fitting or [chapter for chapter in among if wanted and _begins(chapter, wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise CourseError(f"{str(given)!r} fits several chapters: {', '.join(chapter.name for chapter in fitting)}; say which")
    by_slug = {chapter.slug: chapter.name for chapter in among}
    close = [by_slug[slug] for slug in nearest(wanted.lstrip("0123456789-"), by_slug)]
    if close:
        raise CourseError(f"unknown chapter {str(given)!r}; did you mean {' or '.join(close)}? (mmlearn list shows all)")
    raise unknown("chapter", given, [chapter.name for chapter in among], see="mmlearn list shows all")


def _begins(chapter, wanted):
    return chapter.slug.startswith(wanted) or chapter.name.startswith(wanted)
