"""Files and folders that are whole or not there: written under another name, then renamed, which takes one step.

It stands below all layers and imports nothing but the standard library, because the ``mmlearn`` command and the progress file use
it where torch may be missing.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path


def write_atomically(path, content, *, fsync=False, mode=0o666):
    """Put ``content`` into the file ``path``, whose folder exists: all of it or, when the process dies on the way, nothing.

    content: bytes, or a text, which is written as UTF-8 with its line ends as they are, on every system
    fsync: wait until the disk has it before it gets its name, so that a power cut leaves the old file or the new one, too;
           without it a power cut just after may leave an empty file, and a killed process still does no harm
    mode: the permissions of the file, of which the user's umask takes some away; 0o600 keeps it from other users
    What a file of that name held before is gone, and so are its permissions; a symbolic link is replaced, not followed.

    A failure leaves the old file and no other: OSError when the folder is missing, not writable or full, UnicodeEncodeError
    for a text that is none. Only a process killed in the midst of writing leaves a hidden file ``.<name>.<16 digits>.part``.
    Several processes may write the same file at once; the last one stays.
    """
    path = Path(path)
    content = content.encode("utf-8") if isinstance(content, str) else content
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        # Not tempfile.mkstemp: its files are 0o600 whatever the umask says.
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that led here says more
            draft.unlink()
        raise


def replace_folder(folder, files):
    """Put a whole new folder in the old one's place.   files: {name below the folder, with forward slashes: bytes}

    It is written beside it, then two renamings follow at once: nobody meets half of the files, and a failure leaves the old ones.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    new, old = scratch / "new", scratch / "old"
    try:
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder.is_dir():
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(scratch)
