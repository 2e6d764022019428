"""KITTI: a car's camera and laser scanner at the same moment, and how the one maps to the other (Geiger, Lenz & Urtasun 2012)."""

from dataclasses import dataclass

import torch

from mmlearn.data.by_hand import located
from mmlearn.data.coco import read_image

SOURCE = "https://www.cvlibs.net/datasets/kitti"
LICENCE = "CC BY-NC-SA 3.0"
_TRAINING = "training/image_2"


@dataclass(frozen=True)
class DrivingFrame:
    """One moment of a drive.

    image       (3, H, W) uint8, the left colour camera
    points      (M, 4) float32: x forward, y left, z up in metres from the laser; reflectance in [0, 1]
    projection  (3, 4) float64: laser (x, y, z, 1) → picture (u·w, v·w, w), with w the distance along the camera's axis
    box         (K, 4) float32 xyxy in pixels   objects: K names; what KITTI marks as DontCare is left out
    """

    image: torch.Tensor
    points: torch.Tensor
    projection: torch.Tensor
    box: torch.Tensor
    objects: tuple[str, ...]

    def pixels(self):
        """Where each point lies in the picture: (M, 2) column and row; (M,) metres ahead of the camera, negative behind it."""
        ahead = torch.cat([self.points[:, :3].double(), torch.ones(len(self.points), 1, dtype=torch.float64)], dim=1)
        u, v, w = (ahead @ self.projection.T).unbind(1)
        return torch.stack([u, v], dim=1) / w[:, None], w

    def in_picture(self):
        """(M,) bool: the point is in front of the camera and inside the picture."""
        place, depth = self.pixels()
        H, W = self.image.shape[1:]
        return (depth > 0) & (place >= 0).all(1) & (place[:, 0] < W) & (place[:, 1] < H)


def kitti(root=None, frame="000001"):
    """One frame of KITTI's object data with camera, laser, calibration and boxes: a DrivingFrame.

    root: None for MMLEARN_DATA, or a folder of yours that holds ``training/image_2``, ``velodyne``, ``calib``, ``label_2``
    Raises FileNotFoundError with what to put where, or naming the missing file of the frame; ValueError naming a damaged one.
    """
    folders = ("kitti/Kitti/raw", "kitti_mini/Kitti/raw", "Kitti/raw", "kitti", "raw")
    folder = located("KITTI", folders, _TRAINING, root, SOURCE, LICENCE) / "training"
    files = {"image_2": "png", "velodyne": "bin", "calib": "txt", "label_2": "txt"}
    paths = {part: folder / part / f"{frame}.{ending}" for part, ending in files.items()}
    missing = [f"{part}/{path.name}" for part, path in paths.items() if not path.exists()]
    if missing:
        known = sorted(path.stem for path in (folder / "image_2").glob("*.png"))
        raise FileNotFoundError(
            f"KITTI's frame {frame!r} lacks {', '.join(missing)}. Frames with a picture: {', '.join(known[:8])}"
        )

    labels = [line.split() for line in paths["label_2"].read_text().splitlines() if line.strip()]
    labels = [line for line in labels if line[0] != "DontCare"]
    box = torch.tensor([[float(value) for value in line[4:8]] for line in labels]).reshape(-1, 4)
    return DrivingFrame(
        read_image(paths["image_2"]),
        _points(paths["velodyne"]),
        _projection(paths["calib"]),
        box,
        tuple(line[0] for line in labels),
    )


def _points(path):
    """A velodyne file as (M, 4) float32."""
    content = bytearray(path.read_bytes())
    if not content or len(content) % 16:
        raise ValueError(f"{path} is cut off: {len(content)} bytes are no whole number of points of 16 bytes. Fetch it again")
    points = torch.frombuffer(content, dtype=torch.float32).reshape(-1, 4)
    bad = int((~points.isfinite()).any(1).sum())
    if bad:
        raise ValueError(f"{path} holds {bad} points of {len(points)} with NaN or infinity. Fetch it again")
    return points


def _projection(path):
    """P2 · R0 · Tr of a calibration file: laser → rectified camera → picture, (3, 4)."""
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    try:
        P2, R0, Tr = (torch.tensor([float(value) for value in lines[name].split()], dtype=torch.float64) for name in _MATRICES)
        P2, R0, Tr = P2.view(3, 4), R0.view(3, 3), Tr.view(3, 4)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged: it should give the matrices {', '.join(_MATRICES)} ({error})") from error
    return P2 @ _square(R0) @ _square(Tr)


_MATRICES = ("P2", "R0_rect", "Tr_velo_to_cam")


def _square(matrix):
    """(3, 3) or (3, 4) → (4, 4), with 1 in the last corner."""
    square = torch.eye(4, dtype=matrix.dtype)
    square[:3, : matrix.shape[1]] = matrix
    return square
