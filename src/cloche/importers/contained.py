"""Folders of other tools: nothing in them leads out of them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from cloche.errors import ImportRefusedError, NotAFileError, PathEscapeError
from cloche.importers import contents
from cloche.importers.contents import Format
from cloche.integrity import check_path, files_below

_MAX_FILES = 20_000
_MAX_BYTES = 8 << 30
_CHUNK = 1 << 20


def check_folder(folder: Path) -> list[str]:
    """
    Every file below *folder*, relative to it.

    Raises:
        NotAFileError: there is a link or a special file in it.
        ImportRefusedError: there are too many files.
    """
    count = sum(len(files) for _, _, files in os.walk(folder))
    if count > _MAX_FILES:
        raise ImportRefusedError(f"{folder}: expected at most {_MAX_FILES} files, got {count}; is this a model?")
    return files_below(folder)


def inside(folder: Path, told: Any, where: str) -> Path:
    """
    The path *told* by metadata (*where* says by which), below *folder*.

    Raises:
        PathEscapeError: it is absolute, holds `..`, or is no text.
        ImportRefusedError: nothing is there.
    """
    text = told.removesuffix("/") if isinstance(told, str) else ""
    try:
        check_path(text)
    except PathEscapeError as exc:
        raise PathEscapeError(f"{where}: expected a relative path inside {folder.name}, got {told!r}") from exc
    path = folder / text
    for part in (path, *path.parents):
        if part == folder:
            break
        if part.is_symlink():
            raise NotAFileError(f"{where}: {text}: expected a plain file, got a link")
    if not path.exists():
        raise ImportRefusedError(f"{where}: names '{text}', and {folder.name} has no such file")
    return path


def model_file(path: Path, where: str) -> Path:
    """
    The file *path*, or the one model file in the folder *path*.

    Raises:
        ImportRefusedError: there is none, or more than one.
    """
    if not path.is_dir():
        return path
    refuse_saved_model(path)
    found = {name: what for name in files_below(path) if (what := _format(path / name)) is not None}
    if len(found) == 1:
        return path / next(iter(found))
    listed = ", ".join(f"{name} ({what.name})" for name, what in sorted(found.items())[:10])
    raise ImportRefusedError(
        f"{where}: expected one model file, found {listed or 'none'}" + ("; name the one you mean" if found else "")
    )


def refuse_saved_model(folder: Path) -> None:
    """
    Raises:
        ImportRefusedError: *folder* is a program of TensorFlow, which is not opened on import.
    """
    if (folder / "saved_model.pb").is_file():
        raise ImportRefusedError(
            f"{folder.name}: a SavedModel of TensorFlow is a program, which is not run on import. Save the Keras model "
            "it was made from (model.save('model.keras')); or, if you know who made it, open it yourself: "
            "cloche.save(tf.saved_model.load(folder), NAME, inputs=X)"
        )


def is_model(path: Path) -> bool:
    """Whether *path* is of a format that is known here, by its content."""
    return _format(path) is not None


def _format(path: Path) -> Format | None:
    found = contents.guess(path)
    return None if found in (contents.ZIP, contents.TAR) else found


def copy_file(source: Path, target: Path) -> str:
    """
    Copy the plain file *source*; the sha256 of what was copied.

    Raises:
        NotAFileError: it is a link or a special file.
        ImportRefusedError: it is larger than anything that is read here.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(source, flags)
    except OSError as exc:
        raise NotAFileError(f"{source.name}: expected a readable plain file: {exc.strerror}") from exc
    digest, copied = hashlib.sha256(), 0
    with os.fdopen(descriptor, "rb") as file, target.open("xb") as copy:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotAFileError(f"{source.name}: expected a plain file, got a special file")
        while piece := file.read(_CHUNK):
            copied += len(piece)
            if copied > _MAX_BYTES:
                raise ImportRefusedError(f"{source.name}: expected at most {_MAX_BYTES} bytes")
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()
