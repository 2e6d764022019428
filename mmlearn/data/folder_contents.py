"""Which files a folder has, which captions there are, and which belong together."""

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
SOUNDS = {".wav"}
CAPTION_FILES = ("metadata.jsonl", "metadata.csv", "captions.jsonl", "captions.csv", "captions.json")


@dataclass(frozen=True)
class Problem:
    """What is wrong, and with which file or which row of the captions."""

    file: str
    what: str

    def __str__(self):
        return f"{self.file}: {self.what}"


@dataclass(frozen=True)
class Contents:
    """Names are relative to the folder, sorted, with forward slashes.

    rows: name → its row of the captions, in their order, for files that are there and have a caption
    captions: how many captions there are, usable or not   without_caption, without_file: what has no partner
    unusable: rows that cannot be used   other: files that are neither images nor sounds
    """

    folder: Path
    images: tuple[str, ...]
    sounds: tuple[str, ...]
    other: tuple[str, ...]
    rows: dict
    captions: int
    without_caption: tuple[str, ...]
    without_file: tuple[str, ...]
    unusable: tuple[Problem, ...]


def contents(path, captions="find", needed=True):
    """The Contents of a folder. ``captions`` as in ``read_folder``; ``needed``: raise FileNotFoundError where there are none."""
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is {'a file, not a folder' if folder.exists() else 'not there'}")
    source = _source(folder, captions, needed)
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != source)
    names = [file.relative_to(folder) for file in files]
    names = [name.as_posix() for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.parts)]
    kinds = defaultdict(list)
    for name in names:
        suffix = PurePosixPath(name).suffix.lower()
        kinds["image" if suffix in IMAGES else "sound" if suffix in SOUNDS else "other"].append(name)
    usable = kinds["image"] + kinds["sound"]
    if captions is None:
        rows, without, problems, count = {name: {"file_name": name} for name in sorted(usable)}, [], [], 0
    else:
        given, problems = _rows(source) if source else ([], [])
        rows, without, count = {}, [], len(given) + len(problems)
        for where, row in given:
            name = row["file_name"] = str(row["file_name"])
            if (wrong := _wrong(name, rows, kinds["other"])) is not None:
                problems.append(Problem(where, wrong))
            elif name not in usable:
                without.append(name)
            elif isinstance(row["caption"], str) and row["caption"].strip():
                rows[name] = row
    lonely = tuple(name for name in usable if name not in rows)
    images, sounds, other = (tuple(kinds[kind]) for kind in ("image", "sound", "other"))
    return Contents(folder, images, sounds, other, rows, count, lonely, tuple(without), tuple(problems))


def _source(folder, captions, needed):
    """The file with the captions, or None."""
    if captions is None:
        return None
    if captions != "find":
        source = folder / captions
        if not source.is_file():
            raise FileNotFoundError(f"there is no file {source} with captions")
        return source
    found = [name for name in CAPTION_FILES if (folder / name).is_file()]
    if len(found) > 1:
        raise ValueError(f"{folder} has {' and '.join(found)}: say which one with captions={found[0]!r}")
    if found:
        return folder / found[0]
    if needed:
        below = sorted(file.parent.name for name in CAPTION_FILES for file in folder.glob(f"*/{name}"))
        hint = f"the folders {', '.join(below)} below it do: read one of them" if below else "captions=None reads the files alone"
        raise FileNotFoundError(f"{folder} has none of {', '.join(CAPTION_FILES)}; {hint}")
    return None


def _wrong(name, rows, other):
    """Why a row cannot be used, or None."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return f"file_name {name!r} points outside of the folder"
    if name in rows:
        return f"file_name {name!r} is named twice"
    return f"file_name {name!r} is neither an image nor a sound" if name in other else None


def _rows(source):
    """([(where, row with file_name and caption)], [Problem]) of a file with captions."""
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8") from error
    read = {".jsonl": _from_lines, ".csv": _from_table, ".json": _from_json}.get(source.suffix.lower())
    if read is None:
        raise ValueError(f"captions are read from .jsonl, .csv or .json; got {source.name}")
    rows, problems = [], []
    for where, row in read(text, source):
        if isinstance(row, Problem):
            problems.append(row)
        elif not isinstance(row, dict) or not row.get("file_name"):
            problems.append(Problem(where, 'has no "file_name"'))
        else:
            rows.append((where, {"caption": row.get("text"), **row}))  # "text" is the other usual name
    return rows, problems


def _from_lines(text, source):
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"{source.name} line {number}"
            try:
                yield where, json.loads(line)
            except json.JSONDecodeError as error:
                yield where, Problem(where, f"is not JSON: {error.msg} at character {error.pos + 1}")


def _from_table(text, source):
    table = csv.DictReader(text.splitlines(keepends=True))
    if "file_name" not in (table.fieldnames or ()):
        raise ValueError(f'{source} has no column "file_name" in its first line; it has {table.fieldnames}')
    for row in table:
        where = f"{source.name} line {table.line_num}"
        yield where, Problem(where, "has more fields than the first line names") if None in row else row


def _from_json(text, source):
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source} is not JSON: {error}") from error
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        content = _from_coco(content)
    elif isinstance(content, dict):
        content = [{"file_name": name, "caption": caption} for name, caption in content.items()]
    elif not isinstance(content, list):
        raise ValueError(f"{source} must hold a list of rows, a mapping from file name to caption, or COCO's form")
    for number, row in enumerate(content, start=1):
        yield f"{source.name} row {number}", row


def _from_coco(content):
    """COCO's images and annotations as rows with all of a picture's captions."""
    captions = defaultdict(list)
    for annotation in content["annotations"]:
        captions[annotation["image_id"]].append(annotation.get("caption", ""))
    return [
        {"file_name": image["file_name"], "caption": captions[image["id"]][0].strip() if captions[image["id"]] else None}
        | {"captions": tuple(caption.strip() for caption in captions[image["id"]])}
        for image in content["images"]
    ]
