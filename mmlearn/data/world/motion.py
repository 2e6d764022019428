"""Scenes set in motion: a short clip, and a sentence that says what moves where.

Each object stays, or moves left, right, up or down, slowly or quickly, by chance for each object of each scene, so it is the
same in any batch. In the middle of the clip the objects are where the scene has them, and each comes from as far as it goes. So
one way is as likely as the other wherever an object is: the image, sound and scan of a scene tell nothing about whether what
moves goes left or right, up or down. What they do tell: near an edge an object moves along it rather than to and from it, and
in a corner slowly or not at all. A first frame alone tells more, since what moves left begins further right.

The background and its noise stand still, as dust on a lens does: two frames of a clip differ only where something moves.
"""

from dataclasses import dataclass, fields, replace

import torch

from .chance import Chance
from .grammar import NOTHING, listed, noun, things
from .render import rendered

BEHAVIOURS = {"stays": (0, 0), "left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}  # → direction of x, y
SPEEDS = {"slowly": 0.08, "quickly": 0.2}  # → the length of the path through the whole clip, in image widths
_ROUNDING = 1e-6  # image widths: an object that touches the edge is inside
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
WORDS = ("moves", "stays still", "from the left", "the", "and", ",", NOTHING, "left", "right", "up", "down", *SPEEDS, *ORDINALS)


@dataclass(frozen=True)
class Clip:
    """N clips of T frames, as ``clip`` draws them; the slots are those of the scenes.

    frames     (N, T, 3, H, H) float32 in [0, 1]; with an odd T the one in the middle is the scene's own image
    box        (N, T, K, 4) float32, xyxy in pixels, of the visible pixels in each frame; 0 where there are none
    x, y       (N, T, K) float32: the centres in image widths, from the left and from the top; 0 where absent
    velocity   (N, K, 2) float32: image widths a frame, along x (rightwards) and y (downwards)
    behaviour  (N, K) int64: position in BEHAVIOURS; −1 where absent
    speed      (N, K) int64: position in SPEEDS; −1 where absent or still
    captions   N strings
    """

    frames: torch.Tensor
    box: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    velocity: torch.Tensor
    behaviour: torch.Tensor
    speed: torch.Tensor
    captions: list[str]

    def __len__(self):
        return len(self.frames)

    def to(self, device):
        tensors = {field.name: getattr(self, field.name).to(device) for field in fields(self) if field.type is torch.Tensor}
        return replace(self, **tensors)

    def __repr__(self):
        count, time, _, side, _ = self.frames.shape
        return f"Clip({count} clips of {time} frames, {side}×{side})"


def clip(scenes, frames=8):
    """The scenes in motion, as Clip: T = ``frames`` pictures each, evenly spaced along the same path whatever T is.

    An object inside the picture never leaves it; one partly outside stays still. The depth order stays, so objects can pass
    behind each other and be hidden for a while. Captions name the objects from left to right, as they stand in the scene, by
    colour and shape, by size where needed, and by their order where they are alike:

        the red circle moves left quickly and the blue square stays still
        the first small green star from the left moves up slowly and the second small green star from the left stays still

    Raises ValueError unless ``frames`` is a whole number, at least 2.
    """
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < 2:
        raise ValueError(f"frames must be a whole number, at least 2, or nothing could move; got {frames!r}")
    behaviour, speed = _draw(scenes)
    directions = torch.tensor(list(BEHAVIOURS.values()), dtype=torch.float32, device=scenes.x.device)
    lengths = torch.tensor([*SPEEDS.values(), 0.0], device=scenes.x.device)  # the last for −1
    velocity = directions[behaviour] * (lengths[speed] / (frames - 1))[..., None]  # (N, K, 2); absent: speed −1, so 0
    time = torch.arange(frames, device=scenes.x.device)[:, None] - (frames - 1) / 2  # (T, 1): 0 in the middle
    x = scenes.x[:, None] + time * velocity[:, None, :, 0]  # (N, T, K)
    y = scenes.y[:, None] + time * velocity[:, None, :, 1]

    pictures, boxes = [], []
    for moment in range(frames):
        drawn = rendered(replace(scenes, x=x[:, moment], y=y[:, moment]), scenes.resolution)
        pictures.append(drawn.image)
        boxes.append(drawn.box)
    sentences = _sentences(scenes, behaviour.tolist(), speed.tolist())
    return Clip(torch.stack(pictures, 1), torch.stack(boxes, 1), x, y, velocity, behaviour, speed, sentences)


def _draw(scenes):
    """(N, K) behaviour and speed of each object, by chance, such that its path has room; −1 as in Clip."""
    chance = Chance(scenes.seed, scenes.split, scenes.index.cpu().numpy())
    slots, device = scenes.present.shape[1], scenes.x.device
    drawn = chance.integers("motion behaviour", len(BEHAVIOURS), slots).to(device)
    pace = chance.integers("motion speed", len(SPEEDS), slots).to(device)
    names = list(BEHAVIOURS)
    turned = torch.tensor([names.index(name) for name in ("stays", "up", "down", "left", "right")], device=device)[drawn]
    slow = torch.zeros_like(pace)
    behaviour, speed = slow, slow
    for other, its_speed in ((turned, slow), (drawn, slow), (turned, pace), (drawn, pace)):  # the last that has room counts
        room = _has_room(scenes, other, its_speed)
        behaviour, speed = torch.where(room, other, behaviour), torch.where(room, its_speed, speed)
    behaviour = torch.where(scenes.present, behaviour, -1)
    return behaviour, torch.where(behaviour > 0, speed, -1)


def _has_room(scenes, behaviour, speed):
    """(N, K) bool: the object is inside the picture at both ends of its path."""
    path = torch.tensor(list(SPEEDS.values()), device=scenes.x.device)[speed]
    direction = torch.tensor(list(BEHAVIOURS.values()), device=scenes.x.device)[behaviour]  # (N, K, 2)
    room = torch.ones_like(scenes.present)
    for axis, middle in enumerate((scenes.x, scenes.y)):
        reach = scenes.radius + direction[..., axis].abs() * path / 2 - _ROUNDING
        room &= (middle >= reach) & (middle <= 1 - reach)
    return room


def _sentences(scenes, behaviour, speed):
    sentences = []
    for scene, slots, row in zip(things(scenes), _left_to_right(scenes), range(len(scenes)), strict=True):
        moves = [_does(behaviour[row][slot], speed[row][slot]) for slot in slots]
        sentences.append(listed([f"{_name(place, scene)} {move}" for place, move in enumerate(moves)]) if scene else NOTHING)
    return sentences


def _left_to_right(scenes):
    """The slots of each scene in the order in which ``things`` lists its objects."""
    rows = zip(scenes.present.tolist(), scenes.x.tolist(), scenes.y.tolist(), strict=True)
    return [
        sorted((slot for slot, there in enumerate(present) if there), key=lambda slot: (x[slot], y[slot]))
        for present, x, y in rows
    ]


def _does(behaviour, speed):
    return "stays still" if behaviour == 0 else f"moves {tuple(BEHAVIOURS)[behaviour]} {tuple(SPEEDS)[speed]}"


def _name(place, scene):
    """What to call the object at ``place`` among those of a scene, so that no other one can be meant."""
    thing = scene[place]
    alike = [other for other in scene if (other.colour, other.shape) == (thing.colour, thing.shape)]
    if len(alike) == 1:
        return f"the {noun(colour=thing.colour, shape=thing.shape)}"
    phrase = noun(size=thing.size, colour=thing.colour, shape=thing.shape)
    if sum(other.size == thing.size for other in alike) == 1:
        return f"the {phrase}"
    before = sum((other.size, other.colour, other.shape) == (thing.size, thing.colour, thing.shape) for other in scene[:place])
    return f"the {ORDINALS[before]} {phrase} from the left"
