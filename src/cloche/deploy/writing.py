"""From a build context to a folder: a new one, an empty one, or one that was written here before."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cloche.deploy.context import FORMAT, INDEX
from cloche.errors import UsageError


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """
    Write *files* into *folder*; what an earlier build wrote there is taken away, and nothing else.

    Raises:
        UsageError: the folder holds something that no build wrote, or cannot be written.
    """
    try:
        earlier = _earlier(folder)
        for path in (*earlier, INDEX) if earlier else ():
            (folder / path).unlink(missing_ok=True)
        for inside in sorted({parent for path in earlier for parent in PurePosixPath(path).parents}, reverse=True):
            with contextlib.suppress(OSError):  # not empty: somebody else's
                (folder / inside).rmdir()
        for path, content in files.items():
            _write(folder, path, content)
    except OSError as exc:
        raise UsageError(f"{folder}: cannot write: {exc.strerror}") from exc


def _earlier(folder: Path) -> tuple[str, ...]:
    if not folder.exists() or not any(folder.iterdir()):
        return ()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads((folder / INDEX).read_bytes())
        paths = tuple(document["files"])
        if document["schema"] == FORMAT and all(map(_is_inside, paths)):
            return paths
    raise UsageError(f"{folder}: expected a new or empty folder, or one that cloche build wrote; nothing was written")


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def _write(folder: Path, path: str, content: bytes) -> None:
    target = folder / path
    for parent in reversed([one for one in target.parents if one == folder or folder in one.parents]):
        if not parent.is_dir():
            parent.mkdir(parents=True)
            parent.chmod(0o755)  # whatever the umask: they are copied with their modes, and read by another user
    target.write_bytes(content)
    target.chmod(0o644)
