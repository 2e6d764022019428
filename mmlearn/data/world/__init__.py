"""The world: rendered scenes of coloured shapes, with every sense of them and a known amount of information in each.

    from mmlearn.data import world

    scenes = world.sample(1000, seed=0)                    # images, masks, boxes, and what is where
    scenes.captions(), scenes.questions(), scenes.sound(), scenes.scan(), scenes.clip()
    seen, unseen = world.hold_out_pairs()                  # (colour, shape) pairs for a compositional split

    task = world.matching(2000, seed=0)                    # image, text, label: the label table P(a, b, y) is known,
    task.decomposition, task.ceilings                      # so theory says beforehand what fusion can reach
    task = world.dial(eps_r=0.1, eps_s=0.2, n=2000, seed=0)   # redundancy and synergy as you like them

    world.vocabulary().encode(scenes.captions())           # words to numbers

Scene i of a seed and split is the same on any machine, drawn alone or among thousands.
"""

from .attributes import COLOURS, MAX_OBJECTS, SAFE_COLOURS, SHAPES, SIZES
from .captions import TEMPLATES
from .questions import KINDS, Questions
from .sampling import compose, hold_out_pairs, sample
from .scenes import Scenes
from .task import Task
from .tasks import dial, matching, redundant, selection, unique_image, unique_text
from .vocabulary import vocabulary

__all__ = [
    "COLOURS",
    "KINDS",
    "MAX_OBJECTS",
    "SAFE_COLOURS",
    "SHAPES",
    "SIZES",
    "TEMPLATES",
    "Questions",
    "Scenes",
    "Task",
    "compose",
    "dial",
    "hold_out_pairs",
    "matching",
    "redundant",
    "sample",
    "selection",
    "unique_image",
    "unique_text",
    "vocabulary",
]
