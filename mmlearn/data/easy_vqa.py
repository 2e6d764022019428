"""easy-VQA: questions about pictures of one coloured shape each, published by Victor Zhou (2019) as a first task of its kind."""

import json
from dataclasses import dataclass

import torch

from mmlearn.data.by_hand import located
from mmlearn.data.coco import read_image

SOURCE = "https://github.com/vzhou842/easy-VQA"
LICENCE = "MIT, Victor Zhou 2019"


@dataclass(frozen=True)
class EasyVqa:
    """Q questions about P pictures.

    images    (P, 3, 64, 64) float32 in [0, 1]     picture  (Q,) int64: which picture each question is about
    texts     Q questions                          label    (Q,) int64, positions in ``classes``
    """

    images: torch.Tensor
    texts: tuple[str, ...]
    picture: torch.Tensor
    label: torch.Tensor
    classes: tuple[str, ...]
    source: str = SOURCE
    licence: str = LICENCE

    def __len__(self):
        return len(self.texts)

    def about(self, pictures):
        """The rows of all questions about these pictures, (n,) int64: split by picture, or the test has seen its pictures."""
        return torch.isin(self.picture, torch.as_tensor(pictures)).nonzero().flatten()


def easy_vqa(root=None, part="test"):
    """One part of easy-VQA, "test" (1,000 pictures, 9,673 questions) or "train": an EasyVqa.

    root: None for MMLEARN_DATA, or a folder of yours that holds ``data/<part>/questions.json`` as the repository does
    Raises FileNotFoundError with what to put where; ValueError naming a file that is damaged.
    """
    if part not in ("train", "test"):
        raise ValueError(f"part must be 'train' or 'test'; got {part!r}")
    folder = located("easy-VQA", ("easy_vqa", "easy-VQA/easy_vqa"), f"data/{part}/questions.json", root, SOURCE, LICENCE) / "data"
    path = folder / part / "questions.json"
    try:
        lines = [(str(text), str(answer), int(number)) for text, answer, number in json.loads(path.read_text(encoding="utf-8"))]
        classes = tuple((folder / "answers.txt").read_text(encoding="utf-8").split())
        label = torch.tensor([classes.index(answer) for _, answer, _ in lines])
    except (ValueError, TypeError, FileNotFoundError) as error:
        raise ValueError(f"{path} or {folder / 'answers.txt'} is damaged: {error}. Fetch both again") from error
    numbers = sorted({number for *_, number in lines})
    place = {number: n for n, number in enumerate(numbers)}
    files = [folder / part / "images" / f"{number}.png" for number in numbers]
    lacking = [file.name for file in files if not file.exists()]
    if lacking:
        raise FileNotFoundError(f"{len(lacking)} pictures are missing in {folder / part / 'images'}: {', '.join(lacking[:5])}")
    images = torch.stack([read_image(file) for file in files]).float() / 255
    picture = torch.tensor([place[number] for *_, number in lines])
    return EasyVqa(images, tuple(text for text, *_ in lines), picture, label, classes)
