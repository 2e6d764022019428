"""The sections on real data read the real files, when the reader has them."""

import json
import os
import subprocess
import sys

import pytest

SAYS = {  # what each chapter prints of which data set
    "01-tensors": {
        "coco_mini": "photographs; the first: (3, ",
        "fsdd": "recordings of 0.",
        "kitti_mini": "points in the picture: ",
    },
    "07-rnn": {"text_small": "SMS spam, RNN: "},
    "08-lstm": {"text_small": "SMS spam: the bag's heaviest words"},
    "13-features": {"clothing_dataset_small": "clothing, world-resnet: ["},
    "14-multimodal-data": {"fsdd": "split by speaker: ["},
    "15-fusion": {"fsdd": "spoken and written digits: "},
    "16-bilinear-fusion": {"easy_vqa": "easy-VQA: 9,673 questions"},
    "17-interaction": {"easy_vqa": "9,673 questions, 26 words"},
    "18-alignment": {"coco_mini": "13 numbers and "},
    "19-balance": {"fsdd": "seen and heard, alone on its own training pairs"},
    "20-multitask": {"fsdd": "digit and speaker conflict in "},
}

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(600)]


@pytest.mark.parametrize("chapter", SAYS)
def test_a_chapter_reads_the_real_files(chapter, tmp_path, root, real):
    data, *_ = [real(name).parent for name in SAYS[chapter]]
    executed = tmp_path / "executed.ipynb"
    command = [sys.executable, "-m", "papermill", str(root / "chapters" / f"{chapter}.ipynb"), str(executed)]
    command += ["-p", "profile", "smoke", "-k", "python3", "--cwd", str(tmp_path), "--no-progress-bar"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=os.environ | {"MMLEARN_DATA": str(data)})
    assert done.returncode == 0, done.stderr[-4000:]
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    printed = "".join("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", []))
    for name, words in SAYS[chapter].items():
        assert words in printed, f"nothing of {name}: {words!r} is not in what {chapter} printed"
    assert "is not on this machine" not in printed
