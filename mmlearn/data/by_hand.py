"""Public data sets that the reader puts into place: where they are looked for, and what to do when they are not there."""

from pathlib import Path

from mmlearn.data.download import cache_folder


def located(title, folders, marker, root, source, licence):
    """The folder of a data set: the first of ``folders`` below the root, or the root itself, that holds ``marker``.

    root: None for ``cache_folder()`` (MMLEARN_DATA), or a folder of yours
    Raises FileNotFoundError naming the data set, where it was looked for, where it comes from, and its licence.
    """
    base = cache_folder() if root is None else Path(root).expanduser()
    places = [base / folder for folder in folders] + [base]
    for place in places:
        if (place / marker).exists():
            return place
    setting = "MMLEARN_DATA" if root is None else "root"
    raise FileNotFoundError(
        f"{title} is not on this machine: looked for {folders[0]}/{marker} below the folder of {setting}.\n"
        f"Get it from {source} (licence: {licence}), put it into {base / folders[0]}, "
        f"or set {setting} to the folder that holds {folders[0]}."
    )
