"""Notebooks without the traces of one machine and one run, so that a diff shows what an author changed.

What goes: times of execution, absolute paths, all but the last state of a progress bar, the random ids of widgets, and widgets
that no cell shows.
"""

import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
_OF_ONE_RUN = ("execution", "ExecuteTime", "papermill", "trusted", "colab")
_VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"


def normalise(notebook, stem, folders=()):
    """Normalise a notebook in place. `folders`: absolute paths whose names shall not stay in outputs, beside the usual ones."""
    import nbformat

    notebook.metadata.update(nbformat.from_dict(_METADATA))
    for holder in (notebook, *notebook.cells):
        for key in _OF_ONE_RUN:
            holder.metadata.pop(key, None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_clean(output, folders) for output in merge_streams(cell.outputs)]
    for model in _widget_models(notebook).values():
        state = model["state"]
        if "outputs" in state:
            outputs = [nbformat.from_dict(output) for output in state["outputs"]]
            state["outputs"] = [_clean(output, folders) for output in merge_streams(outputs)]
        if model["model_name"] == "LayoutModel":  # forty properties, of which a widget sets one or two
            model["state"] = {name: value for name, value in state.items() if value is not None}
    prune_widgets(notebook)
    _rename_widgets(notebook, stem)


def _widget_models(notebook):
    return notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})


def merge_streams(outputs):
    """The outputs with neighbouring pieces of one stream joined."""
    merged = []
    for output in outputs:
        before = merged[-1] if merged else None
        if before and output.output_type == before.output_type == "stream" and output.name == before.name:
            before["text"] += output.text
        else:
            merged.append(output)
    return merged


def last_state(text):
    r"""A stream's text as a terminal would show it in the end: after each carriage return a line begins anew.

    >>> last_state("50%\r100%\ndone\n")
    '100%\ndone\n'
    """
    lines = (line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    return "\n".join(lines)


def _clean(output, folders):
    if output.output_type == "stream":
        output["text"] = without_paths(last_state(output.text), folders)
    elif output.output_type == "error":
        output["evalue"] = without_paths(output.evalue, folders)
        output["traceback"] = [without_paths(line, folders) for line in output.traceback]
    else:
        for kind, content in output.data.items():
            if kind.startswith("text/") and isinstance(content, str):
                output.data[kind] = without_paths(content, folders)
    return output


def without_paths(text, folders=()):
    """The text with this machine's folders left out of file names, embedded images untouched."""
    names = {**{f"{folder}/": "" for folder in folders}, f"{sys.prefix}/": "", f"{Path.home()}/": "~/"}
    pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    temporary = re.escape(tempfile.gettempdir())
    cell = rf"(?:{temporary}|/tmp|/var/tmp)/ipykernel_\d+/\d+\.py"

    def shorten(match):
        found = match.group()
        return found if found.startswith("data:") else names.get(found, "<cell>")

    return re.sub(rf"data:[\w/+-]+;base64,[^\"')\s]*|{cell}|(?<![\w.~/-])(?:{pattern})", shorten, text)


def prune_widgets(notebook):
    """Drop the saved state of widgets that no output shows, and put the others in the order in which they are found."""
    saved = notebook.metadata.get("widgets", {}).get(_STATE)
    if saved is None:
        return
    models = saved["state"]
    shown = _reachable(_shown_widgets(notebook), models)
    saved["state"] = {id: models[id] for id in [*shown, *_links_among(shown, models)]}
    if not saved["state"]:
        del notebook.metadata["widgets"]


def _links_among(shown, models):
    """Links join two widgets that are shown, and no widget refers to them."""
    ends = {
        id: [shown.index(end) for end in _mentioned(model) if end in shown] for id, model in models.items() if id not in shown
    }
    links = [id for id in ends if "Link" in models[id].get("model_name", "") and len(ends[id]) == 2]
    return sorted(links, key=ends.get)


def _shown_widgets(notebook):
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return [output.data[_VIEW]["model_id"] for output in outputs if _VIEW in output.get("data", {})]


def _reachable(ids, models):
    """The models that these ids mean, with all that they hold, in the order of discovery."""
    found, waiting = [], list(ids)
    while waiting:
        id = waiting.pop(0)
        if id in models and id not in found:
            found.append(id)
            waiting.extend(_mentioned(models[id]))
    return found


def _mentioned(model):
    """The ids of the models that a model refers to: its children, layout, style, and what an Output widget shows."""
    pairs = re.findall(r'IPY_MODEL_(\w+)|"model_id": "(\w+)"', json.dumps(model, sort_keys=True))
    return [held or shown for held, shown in pairs]


def _rename_widgets(notebook, stem):
    """Give each widget an id that depends on its place alone: every run draws new random ones."""
    models = _widget_models(notebook)
    if not models:
        return
    names = {id: hashlib.sha256(f"{stem}:{place}".encode()).hexdigest()[:32] for place, id in enumerate(models)}
    pattern = re.compile("|".join(map(re.escape, names)))

    def renamed(part):
        return json.loads(pattern.sub(lambda match: names[match.group()], json.dumps(part)))

    notebook.metadata["widgets"] = renamed(notebook.metadata["widgets"])
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if _VIEW in output.get("data", {}):
                output["data"] = renamed(output["data"])
