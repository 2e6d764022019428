"""Fetch files that must be exactly right: checked before use, whole or absent under their final name, refetched when damaged."""

import errno
import gzip
import hashlib
import http.client
import os
import shutil
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte before a mirror is given up


class DamagedFile(ValueError):
    """A file of a public data set is not, byte for byte, the file its authors published."""


class DownloadError(ConnectionError):
    """No mirror gave the file. The message says which files to put into which folder by hand."""


@dataclass(frozen=True)
class RemoteFile:
    """One published file: its name, size in bytes and sha256; and the sha256 of what a .gz file holds, once unpacked."""

    name: str
    size: int
    sha256: str
    unpacked_sha256: str | None = None

    @property
    def unpacked_name(self):
        return self.name.removesuffix(".gz")

    def locate(self, folder):
        """The file's path in ``folder``: as published, else unpacked, else None."""
        published, unpacked = folder / self.name, folder / self.unpacked_name
        if published.is_file():
            return published
        return unpacked if self.unpacked_sha256 and unpacked.is_file() else None

    def problem(self, path):
        """None if the file at ``path`` is the published one (or its unpacked form), else what is wrong with it."""
        unpacked = path.name == self.unpacked_name != self.name
        if not unpacked and (size := path.stat().st_size) != self.size:
            return f"cut off or damaged: it has {size:,} bytes where {self.size:,} are right"
        expected = self.unpacked_sha256 if unpacked else self.sha256
        found = sha256(path)
        return None if found == expected else f"damaged: its sha256 is {found[:16]}… where {expected[:16]}… is right"

    def read(self, folder):
        """The content as bytes, unpacked. Raises DamagedFile before a wrong byte is used."""
        path = self.locate(folder)
        if problem := self.problem(path):
            raise DamagedFile(f"{path} is {problem}")
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def cache_folder():
    """Where downloads are kept: the environment variable MMLEARN_DATA, else this platform's cache folder of the user."""
    if folder := os.environ.get("MMLEARN_DATA"):
        return Path(folder).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("mmlearn", appauthor=False))


def sha256(path):
    """The sha256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(file, mirrors, folder, *, progress=True):
    """Bring a RemoteFile into ``folder`` from the first of ``mirrors`` (base URLs) that has it whole.

    It is written under another name, checked, and only then renamed: nobody ever sees half of it.
    Raises DownloadError with one line for each mirror; OSError when the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        url = mirror + file.name
        handle, name = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".part", dir=folder)
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                _copy(url, out, file, progress)
            if problem := file.problem(partial):
                raise DamagedFile(f"what came is {problem}")
            partial.chmod(0o644)
            os.replace(partial, folder / file.name)
            return folder / file.name
        except (OSError, http.client.HTTPException, DamagedFile) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                room = f"{folder} has {shutil.disk_usage(folder).free:,} bytes left, {file.name} needs {file.size:,}"
                raise OSError(error.errno, f"{room}: free some space, or set MMLEARN_DATA to another disk") from error
            failures.append(f"  {url}: {error}")
        finally:
            partial.unlink(missing_ok=True)
    raise DownloadError("\n".join(failures))


def _copy(url, out, file, progress):
    from tqdm import tqdm

    request = urllib.request.Request(url, headers={"User-Agent": "mmlearn"})
    bar = tqdm(total=file.size, unit="B", unit_scale=True, desc=file.name, disable=None if progress else True, leave=False)
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response, bar:
        while chunk := response.read(_CHUNK):
            out.write(chunk)
            bar.update(len(chunk))
