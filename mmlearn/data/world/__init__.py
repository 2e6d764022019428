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

import importlib

_HOME = {
    "COLOURS": "attributes",
    "MAX_OBJECTS": "attributes",
    "SAFE_COLOURS": "attributes",
    "SHAPES": "attributes",
    "SIZES": "attributes",
    "Scenes": "scenes",
    "compose": "sampling",
    "hold_out_pairs": "sampling",
    "sample": "sampling",
    "KINDS": "questions",
    "Questions": "questions",
    "TEMPLATES": "captions",
    "vocabulary": "vocabulary",
    "Task": "tasks",
    "dial": "tasks",
    "matching": "tasks",
    "redundant": "tasks",
    "selection": "tasks",
    "unique_image": "tasks",
    "unique_text": "tasks",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value  # so that the name keeps meaning the function, not the module called after it
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
