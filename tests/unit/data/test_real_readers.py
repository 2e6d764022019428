"""COCO, FSDD and KITTI: what the readers make of the real files, and what they say of missing and damaged ones."""

import json
import shutil

import pytest
import torch

from mmlearn.data import public

READERS = {"coco_mini": public.coco_captions, "fsdd": public.fsdd, "kitti_mini": public.kitti}


@pytest.mark.parametrize("name", READERS)
def test_without_files_the_reader_is_told_what_to_put_where(name, tmp_path, monkeypatch):
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"is not on this machine.*\nGet it from https.*licence.*MMLEARN_DATA"):
        READERS[name]()


@pytest.mark.parametrize("name", READERS)
def test_the_folder_of_all_data_sets_will_do(name, real, monkeypatch):
    folder = real(name)
    monkeypatch.setenv("MMLEARN_DATA", str(folder.parent))
    assert READERS[name]()
    assert READERS[name](root=folder)


def test_coco_photographs_come_with_their_own_captions_and_boxes(real):
    folder = real("coco_mini")
    ours = public.coco_captions(folder)
    theirs = json.loads((folder / "annotations/captions_val2017.json").read_text())
    assert len(ours) > 5
    assert not ours.missing
    for photograph in ours:
        expected = [line["caption"] for line in theirs["annotations"] if line["image_id"] == photograph.number]
        assert [" ".join(caption.split()) for caption in expected] == list(photograph.captions)
        assert expected
        H, W = photograph.image.shape[1:]
        x1, y1, x2, y2 = photograph.box.T
        assert photograph.image.dtype == torch.uint8
        assert len(photograph.objects) == len(photograph.box)
        assert ((x1 >= 0) & (x1 < x2) & (x2 <= W + 0.5) & (y1 >= 0) & (y1 < y2) & (y2 <= H + 0.5)).all()
        assert photograph.licence != "not stated"


def test_pictures_without_captions_and_captions_without_pictures_are_listed(real, tmp_path):
    folder = tmp_path / "coco"
    shutil.copytree(real("coco_mini"), folder)
    pictures = sorted((folder / "val2017").glob("*.jpg"))
    pictures[0].unlink()
    pictures[1].rename(pictures[1].with_name("000000000001.jpg"))
    found = public.coco_captions(folder)
    assert found.missing == [pictures[0].name, pictures[1].name]
    assert found.uncaptioned == ["000000000001.jpg"]
    assert len(found) == len(pictures) - 2


def test_a_damaged_photograph_is_named(real, tmp_path):
    folder = tmp_path / "coco"
    shutil.copytree(real("coco_mini"), folder)
    picture = min((folder / "val2017").glob("*.jpg"))
    picture.write_bytes(picture.read_bytes()[:3000])
    with pytest.raises(ValueError, match=f"{picture.name} cannot be read as a picture"):
        list(public.coco_captions(folder))


def test_fsdd_has_each_digit_of_each_speaker(real):
    recordings = public.fsdd(real("fsdd"), takes=2)
    speakers = sorted({recording.speaker for recording in recordings})
    assert [(r.digit, r.speaker, r.take) for r in recordings] == [
        (d, s, t) for d in range(10) for s in speakers for t in range(2)
    ]
    assert all(r.rate == 8000 and r.sound.ndim == 1 and 0.1 < len(r.sound) / r.rate < 3 for r in recordings)
    assert all(0.01 < r.sound.abs().max() <= 1 for r in recordings)
    with pytest.raises(ValueError, match=r"no recordings by nobody: the speakers are .*theo"):
        public.fsdd(real("fsdd"), speakers=["nobody"])


def test_fsdd_files_with_other_names_are_listed(tmp_path):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "seven.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1 files not called <digit>_<speaker>_<take>\.wav: seven\.wav"):
        public.fsdd(tmp_path)


def test_kitti_laser_points_fall_on_the_objects_that_the_camera_sees(real):
    frame = public.kitti(real("kitti_mini"))
    assert frame.image.shape == (3, 375, 1242)
    assert frame.points.shape[1] == 4
    assert len(frame.points) > 100_000
    assert frame.objects == ("Truck", "Car", "Cyclist")
    place, depth = frame.pixels()
    seen = frame.in_picture()
    assert 0.1 < seen.double().mean() < 0.3  # the camera looks forward, the laser all around
    x1, y1, x2, y2 = frame.box[0]  # the truck, 69.44 m ahead by KITTI's label
    on_it = seen & (place[:, 0] > x1) & (place[:, 0] < x2) & (place[:, 1] > y1) & (place[:, 1] < y2)
    assert on_it.any()
    assert (depth[on_it] - 69.44).abs().min() < 7


def test_kitti_by_hand(real):
    frame = public.kitti(real("kitti_mini"))
    lines = dict(
        line.split(":") for line in (real("kitti_mini") / "Kitti/raw/training/calib/000001.txt").read_text().split("\n") if line
    )
    matrix = {name: torch.tensor([float(v) for v in values.split()], dtype=torch.float64) for name, values in lines.items()}
    point = frame.points[0, :3].double()
    camera = matrix["R0_rect"].view(3, 3) @ (
        matrix["Tr_velo_to_cam"].view(3, 4)[:, :3] @ point + matrix["Tr_velo_to_cam"].view(3, 4)[:, 3]
    )
    u, v, w = matrix["P2"].view(3, 4)[:, :3] @ camera + matrix["P2"].view(3, 4)[:, 3]
    place, depth = frame.pixels()
    assert torch.allclose(place[0], torch.stack([u / w, v / w]))
    assert torch.isclose(depth[0], w)


def test_kitti_damage_is_named(real, tmp_path):
    folder = tmp_path / "raw"
    shutil.copytree(real("kitti_mini") / "Kitti" / "raw", folder)
    laser, calibration = folder / "training/velodyne/000001.bin", folder / "training/calib/000001.txt"
    whole = laser.read_bytes()
    laser.write_bytes(whole[:1001])
    with pytest.raises(ValueError, match=r"000001\.bin is cut off: 1001 bytes"):
        public.kitti(folder)
    laser.write_bytes(bytes([255] * 16) + whole[16:])
    with pytest.raises(ValueError, match=r"holds 1 points of \d+ with NaN"):
        public.kitti(folder)
    laser.write_bytes(whole)
    calibration.write_text(calibration.read_text().replace("P2:", "P9:"))
    with pytest.raises(ValueError, match=r"000001\.txt is damaged: it should give the matrices P2"):
        public.kitti(folder)
    calibration.unlink()
    with pytest.raises(FileNotFoundError, match=r"frame '000001' lacks calib/000001\.txt"):
        public.kitti(folder)
