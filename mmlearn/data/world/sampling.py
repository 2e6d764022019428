"""Drawing scenes by chance: which objects, where, and which pairs of colour and shape are kept back."""

from numbers import Real

import torch

from .arguments import allowed_pairs, check_attributes, check_places, check_share, object_counts, scene_numbers, whole_numbers
from .attributes import COLOURS, SHAPES, SIZES, numbers_of
from .chance import Chance
from .placing import layers, placed
from .render import check_size, rendered
from .scenes import Scenes

RADIUS_VARIES = 0.08  # an object's radius differs from its size's by up to this share


def sample(
    n=None,
    *,
    seed,
    size=64,
    objects=(1, 4),
    split="train",
    start=0,
    index=None,
    shapes=None,
    colours=None,
    sizes=None,
    pairs=None,
    overlap=0.25,
    texture=0.5,
    noise=0.03,
):
    """n scenes of hashed objects: Scenes with images of size × size pixels, masks, boxes and the objects' attributes.

    objects   how many objects a scene has: a number, or (fewest, most), each count equally probable; (0, most) makes empty
              scenes, too. K, the number of slots, is the most; the objects take the first slots, in no order of depth or place
    split     "train", "validation" or "test": their scenes never coincide
    start, index  which scenes: start … start + n − 1, or those with the numbers ``index`` (then n may be left out)
    shapes, colours, sizes  names to draw from, equally probable; None: all of SHAPES, COLOURS, SIZES
    pairs     (colour, shape) names to draw from instead of every combination, as ``hold_out_pairs`` gives them
    overlap   0 to 0.5: two objects are at least (1 − overlap) times the sum of their radii apart
    texture   0 to 1, of the background      noise  0 to 0.5, standard deviation of the noise of each pixel and channel

    Scene i of a seed and split depends on nothing but the arguments above: it is the same alone and among thousands.
    Raises ValueError on what is out of range, on unknown names (with the nearest known ones) and when the objects find no room.

    >>> scenes = sample(3, seed=0, objects=2, colours=["red"])
    >>> scenes.image.shape, scenes.mask.shape, scenes.count.tolist()
    (torch.Size([3, 3, 64, 64]), torch.Size([3, 2, 64, 64]), [2, 2, 2])
    >>> bool((scenes.image[2] == sample(index=[2], seed=0, objects=2, colours=["red"]).image[0]).all())
    True
    """
    index = scene_numbers(n, start, index)
    fewest, most = object_counts(objects)
    allowed = torch.tensor(allowed_pairs(pairs, shapes, colours))  # (P, 2): colour, shape
    kinds = torch.tensor(numbers_of(sizes, SIZES, "size"))
    chance = Chance(seed, split, index)
    count = fewest + chance.integers("count", most - fewest + 1, 1)  # (N, 1)
    present = torch.arange(most) < count  # (N, K)
    colour, shape = allowed[chance.integers("pair", len(allowed), most)].unbind(-1)
    drawn = {"colour": colour, "shape": shape, "size": kinds[chance.integers("size", len(kinds), most)]}
    drawn = {name: values.where(present, -1) for name, values in drawn.items()}
    options = {"resolution": size, "overlap": overlap, "texture": texture, "noise": noise}
    return compose(seed=seed, split=split, index=index, **drawn, **options)


def compose(
    *,
    seed,
    split="train",
    index,
    shape,
    colour,
    size,
    x=None,
    y=None,
    depth=None,
    resolution=64,
    overlap=0.25,
    texture=0.5,
    noise=0.03,
):
    """Scenes with given attributes; places, radii and layering that are not given are drawn by chance.

    index               (N,) whole numbers of the scenes in their seed and split: what is drawn by chance, the background included
    shape, colour, size (N, K) int64 positions in SHAPES, COLOURS, SIZES; −1 in all three for a slot without an object
    x, y                (N, K) centres in image widths, or None: drawn so that the object lies inside the image. If at least one
                        of the two is drawn, the objects keep their distance (``overlap`` of ``sample``); else they lie as given
    depth               (N, K) whole numbers that order the objects of a scene, the nearest first; None for a random order
    resolution          height and width of the images; overlap, texture, noise as in ``sample``

    Raises ValueError on what is out of range or contradicts itself, and when the objects find no room.
    """
    check_size(resolution)
    check_share("overlap", overlap, 0.5), check_share("texture", texture, 1), check_share("noise", noise, 0.5)
    index = whole_numbers(index, "index", 1)
    shape, colour, size = check_attributes(len(index), shape=shape, colour=colour, size=size)
    present = shape >= 0
    N, K = shape.shape
    chance = Chance(seed, split, index)
    mean = torch.tensor(list(SIZES.values()))[size.clamp(min=0)]
    radius = (mean * (1 - RADIUS_VARIES + 2 * RADIUS_VARIES * chance.uniform("radius", K))).where(present, 0)
    x, y = (check_places(name, places, present) for name, places in (("x", x), ("y", y)))
    if x is None or y is None:
        x, y = placed(seed, split, index, present, radius, overlap, x, y)
    scenes = Scenes(
        image=torch.empty(N, 3, 0, 0),
        mask=torch.empty(N, K, 0, 0, dtype=torch.bool),
        box=torch.empty(N, K, 4),
        visible=torch.empty(N, K),
        present=present,
        shape=shape,
        colour=colour,
        size=size,
        x=x,
        y=y,
        radius=radius,
        depth=layers(chance.ranks("depth", K) if depth is None else depth, present),
        index=index,
        seed=seed,
        split=split,
        texture=texture,
        noise=noise,
    )
    return rendered(scenes, resolution)


def hold_out_pairs(fraction=0.25, *, seed=0, shapes=None, colours=None):
    """Split all pairs of colour and shape: (seen, unseen), lists of (colour, shape) names; unseen is about ``fraction`` of them.

    Train on ``sample(pairs=seen)``, test on ``sample(pairs=unseen)``: what is new in the test is the combination, never the word,
    for every colour and every shape is among the seen pairs, and among the unseen ones too where these are as many as the colours
    and as the shapes. Raises ValueError when the fraction leaves no such pairs.

    >>> seen, unseen = hold_out_pairs(0.25, shapes=["circle", "square"], colours=["red", "green", "blue", "white"])
    >>> len(seen), len(unseen), set(seen) & set(unseen)
    (6, 2, set())
    """
    if not (isinstance(fraction, Real) and 0 < fraction < 1):
        raise ValueError(f"fraction must lie between 0 and 1, both excluded; got {fraction!r}")
    rows, columns = numbers_of(colours, COLOURS, "colour"), numbers_of(shapes, SHAPES, "shape")
    total, longer, shorter = len(rows) * len(columns), max(len(rows), len(columns)), min(len(rows), len(columns))
    held = max(1, round(fraction * total))
    if total - held < longer:
        raise ValueError(
            f"holding out {held} of the {total} pairs of {len(rows)} colours and {len(columns)} shapes leaves too few to show "
            f"each of them: hold out at most {total - longer}, or take more colours and shapes"
        )
    chance = Chance(seed, "train", [0])
    rows = [rows[rank] for rank in chance.ranks("held-out colours", len(rows))[0].tolist()]
    columns = [columns[rank] for rank in chance.ranks("held-out shapes", len(columns))[0].tolist()]
    # Each diagonal of the table, wrapped around, has every colour and every shape: the first are held out, the last are seen.
    wide = len(columns) > len(rows)
    cells = [(i + wide * diagonal, i + (not wide) * diagonal) for diagonal in range(shorter) for i in range(longer)]
    pairs = [(list(COLOURS)[rows[i % len(rows)]], SHAPES[columns[j % len(columns)]]) for i, j in cells]
    return sorted(pairs[held:]), sorted(pairs[:held])
