"""
What other tools wrote: recognised by content, opened without running its code, handed on as a fitted model.

Nothing is stored here: `api/importing.py` saves what comes out of here as any other model.
"""

from __future__ import annotations

import stat
from pathlib import Path

from cloche.errors import ImportRefusedError, NotAFileError, NotFoundError
from cloche.importers import contained, contents
from cloche.importers.found import Found, FoundField, table_of
from cloche.importers.layouts import LAYOUTS
from cloche.importers.opening import NOT_TOLD, Opened, Structure, open_found
from cloche.importers.unpacking import unpack

__all__ = ["NOT_TOLD", "Found", "FoundField", "Opened", "Structure", "find", "open_found", "table_of"]


def find(path: Path, folder: Path) -> Found:
    """
    What lies at *path*: a folder of another tool, an archive of one, or a model file; archives go to *folder*.

    Raises:
        NotFoundError: nothing is there.
        NotAFileError, PathEscapeError, ArchiveLimitError: it leads out of itself, or would unpack to too much.
        ImportRefusedError: it is nothing that is known here.
    """
    try:
        kind = path.stat().st_mode
    except OSError as exc:
        raise NotFoundError(f"{path}: nothing is there that can be read") from exc
    if stat.S_ISDIR(kind):
        return _of_folder(path)
    if not stat.S_ISREG(kind):
        raise NotAFileError(f"{path}: expected a file or a folder, got a special file")
    path = path.resolve()  # a link that was named by hand is followed; none inside a folder is
    found = contents.guess(path)
    if found in (contents.TAR, contents.ZIP):
        target = folder / "unpacked"
        target.mkdir()
        unpack(path, found, target)
        return _of_folder(_only(target))
    return Found(kind="file", file=path, notes=("a bare file tells no input fields: the model's own names are used",))


def _of_folder(folder: Path) -> Found:
    contained.check_folder(folder)
    layout = next((one for one in LAYOUTS if one.recognises(folder)), None)
    if layout is not None:
        return layout.read(folder)
    contained.refuse_saved_model(folder)
    models = [name for name in contained.check_folder(folder) if contained.is_model(folder / name)]
    if len(models) == 1:
        return Found(kind="file", file=folder / models[0])
    known = "; ".join(one.name for one in LAYOUTS)
    found = f"it holds {len(models)} model files: {', '.join(models[:10])}" if models else "no model file is in it"
    raise ImportRefusedError(f"{folder}: not a folder that is known here ({known}); {found}")


def _only(folder: Path) -> Path:
    """The folder in which everything lies: archives often hold one of the model's name."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
