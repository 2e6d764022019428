"""Write data/world, the sample of the world that ships with the course, and an example and the checksums into data/README.md.

    .venv/bin/python tools/make_world_sample.py            write what differs; a second time there is nothing to do
    .venv/bin/python tools/make_world_sample.py --check    write nothing; name what differs, exit with 1 if anything does

The form is that of Hugging Face's imagefolder: world/SPLIT/NNNN.png and world/SPLIT/metadata.jsonl, a line for each picture.
The bytes are the same on every machine.
"""

import argparse
import hashlib
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

from mmlearn.atomic import replace_folder, write_atomically
from mmlearn.course.documents import filled
from mmlearn.data import world

DATA = Path(__file__).resolve().parent.parent / "data"
SCENES = {"train": 128, "validation": 32, "test": 32}
SEED = 2026  # not one of the small numbers that the chapters draw from
NOISE = 0.01
QUESTIONS = 5  # about each scene, one of each kind where the scene allows it
EXAMPLE = 8  # the training scene whose row data/README.md shows
NOT_OURS_NOR_IN_THE_WAY = {".DS_Store"}  # the Finder's, which git ignores, too
_LONGEST_BLOCK = 2**16 - 1


def scenes_of(split):
    """The scenes of one split, from the settings above."""
    return world.sample(SCENES[split], seed=SEED, split=split, noise=NOISE)


def png(pixels):
    """The bytes of a PNG file (ISO/IEC 15948). pixels: (H, W, 3) uint8.

    The rows are stored, not compressed. Which bytes a compressor chooses depends on its version (zlib, zlib-ng and others differ
    at the same level), and Pillow takes whichever it was built with; a stored row has one form.
    """
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, 2: RGB, no interlacing
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # 0: the row as it is, not its difference from another
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", stored(rows)) + _chunk(b"IEND", b"")


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def stored(content):
    """``content`` as a zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4)."""
    stream = b"\x78\x01"
    for start in range(0, max(1, len(content)), _LONGEST_BLOCK):
        block = content[start : start + _LONGEST_BLOCK]
        last = start + _LONGEST_BLOCK >= len(content)
        stream += struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
    return stream + struct.pack(">I", zlib.adler32(content))


def rows(scenes, questions):
    """A row of metadata.jsonl for each scene, the keys in this order."""
    asked = [[] for _ in range(len(scenes))]
    for row, text, answer, kind in zip(questions.scene.tolist(), questions.text, questions.answer, questions.kind, strict=True):
        asked[row].append({"question": text, "answer": answer, "kind": kind})
    captions, numbers, boxes = scenes.captions(), scenes.index.tolist(), scenes.box.round().int().tolist()
    for n, number in enumerate(numbers):
        objects = scenes.objects(n)  # the nearest first
        corners = [boxes[n][thing["slot"]] for thing in objects]
        yield {
            "file_name": f"{number:04d}.png",
            "caption": captions[n],
            "questions": asked[n],
            "objects": {
                "bbox": [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in corners],  # COCO's order
                "categories": [thing["shape"] for thing in objects],
                "colours": [thing["colour"] for thing in objects],
                "sizes": [thing["size"] for thing in objects],
                "depth": [scenes.depth[n, thing["slot"]].item() for thing in objects],
            },
            "seed": scenes.seed,
            "scene": number,
        }


def sample():
    """Every file of the sample: {name below world/, with forward slashes: bytes}, sorted."""
    files = {}
    for split in SCENES:
        scenes = scenes_of(split)
        pictures = (scenes.image * 255).round().byte().permute(0, 2, 3, 1).numpy()  # (N, H, W, 3)
        lines = list(rows(scenes, scenes.questions(per_scene=QUESTIONS)))
        for row, picture in zip(lines, pictures, strict=True):
            files[f"{split}/{row['file_name']}"] = png(np.ascontiguousarray(picture))
        files[f"{split}/metadata.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in lines).encode()
    return dict(sorted(files.items()))


def checksums(files):
    """The table of data/README.md: of each split's folder what `sha256sum * | sha256sum` prints, and of its metadata.jsonl."""
    table = ["| part | files | bytes | sha256 |", "|---|---|---|---|"]
    for split in SCENES:
        parts = {name.removeprefix(f"{split}/"): content for name, content in files.items() if name.startswith(f"{split}/")}
        listing = "".join(f"{_sha256(content)}  {name}\n" for name, content in parts.items()).encode()
        metadata = parts["metadata.jsonl"]
        table += [
            f"| `world/{split}` | {len(parts)} | {sum(map(len, parts.values()))} | `{_sha256(listing)}` |",
            f"| `world/{split}/metadata.jsonl` | 1 | {len(metadata)} | `{_sha256(metadata)}` |",
        ]
    return "\n".join(table)


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def example(files):
    """A row of metadata.jsonl for data/README.md: the same JSON on several lines."""
    row = json.loads(files["train/metadata.jsonl"].splitlines()[EXAMPLE])
    fields = [f'  "{key}": {_on_lines(value)}' for key, value in row.items()]
    return "```json\n{\n" + ",\n".join(fields) + "\n}\n```"


def _on_lines(value):
    """JSON with a line for each item of a dict or a list."""
    if isinstance(value, dict):
        opened, closed, items = "{", "}", [f'"{name}": {json.dumps(part)}' for name, part in value.items()]
    elif isinstance(value, list):
        opened, closed, items = "[", "]", [json.dumps(part) for part in value]
    else:
        return json.dumps(value)
    return f"{opened}\n    " + ",\n    ".join(items) + f"\n  {closed}"


def finished(readme, files):
    """The text of ``readme`` (a path) with what is made from the files between its marks. Raises ValueError without the marks."""
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    for name, content in (("example", example(files)), ("checksums", checksums(files))):
        text = filled(text, name, content, readme)
    return text


def strangers(folder, files):
    """What lies in ``folder`` and is no file of the sample: sorted names."""
    if not folder.is_dir():
        return [folder.name] if folder.exists() or folder.is_symlink() else []
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = (path.relative_to(folder).as_posix() for path in found if path.name not in NOT_OURS_NOR_IN_THE_WAY)
    return sorted(name for name in names if name not in files)


def differences(data, files):
    """One line for everything in which the folder ``data`` is not what this command would write."""
    folder, readme = data / "world", data / "README.md"
    lines = [f"{folder.name}/{name}: not a file of the sample" for name in strangers(folder, files)]
    for name, content in files.items():
        path = folder / name
        if not path.is_file():
            lines.append(f"{folder.name}/{name}: missing")
        elif path.read_bytes() != content:
            lines.append(f"{folder.name}/{name}: differs")
    if finished(readme, files) != readme.read_text(encoding="utf-8"):
        lines.append(f"{readme.name}: the example or the checksums differ")
    return lines


def write(data, files):
    """Make the folder ``data`` agree: the names of what was written. Raises FileExistsError, and writes nothing, on strangers."""
    folder, readme = data / "world", data / "README.md"
    if found := strangers(folder, files):
        raise FileExistsError(
            f"{folder} holds what this command did not write, and would be replaced as a whole: {', '.join(found[:5])}"
            f"{f' and {len(found) - 5} more' if len(found) > 5 else ''}. Move that elsewhere first"
        )
    text, written = finished(readme, files), []
    if any(line.startswith("world/") for line in differences(data, files)):
        replace_folder(folder, files)
        written.append(folder.name)
    if text != readme.read_text(encoding="utf-8"):
        write_atomically(readme, text)
        written.append(readme.name)
    return written


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Write data/world, the sample of the world that ships with the course.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what differs and exit with 1")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of world/ and README.md (default: the clone's data)")
    given = parser.parse_args(arguments)
    files = sample()
    try:
        if given.check:
            lines = differences(given.data, files)
            print("\n".join(lines) if lines else f"{given.data.name} is what this command writes")
            return 1 if lines else 0
        written = write(given.data, files)
    except (FileExistsError, ValueError) as mistake:
        print(mistake, file=sys.stderr)
        return 2
    size = f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB"
    print(f"wrote {' and '.join(written)} ({size} in all)" if written else f"nothing to do: {size} agree")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
