"""
Which program trained the model: its text by digest, its place in git, its arguments; its text itself where asked for.

Nothing of the machine's own paths is recorded: a place counts from the root of the work tree.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloche.errors import SaveRefusedError, UsageError
from cloche.manifest import Script
from cloche.saving import provenance

#: Where the artifact's own copy lies.
FOLDER = "training"
HIDDEN = "***"
_MAX_BYTES = 4 << 20
_MAX_ARGUMENTS = 200
_SECRET = re.compile(r"passw|secret|token|api[-_]?key|credential|private[-_]?key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Running:
    """The program of this process."""

    path: Path
    kind: str
    module: str | None
    arguments: tuple[str, ...]


def record(directory: Path, wanted: str | Path | bool | None) -> Script | None:
    """
    What is known of the training script; None where there is none to know.

    *wanted* None or True takes the program that is running, `"copy"` writes its text into *directory* too, a path names
    another file, False records nothing.

    Raises:
        UsageError: there is no such file.
        SaveRefusedError: a copy is asked for, and there is nothing to copy.
    """
    if wanted is False:
        return None
    if wanted is None or wanted is True or wanted == "copy":
        found = _running()
        if found is None and wanted == "copy":
            raise SaveRefusedError(
                'script="copy": this program has no file (a notebook, a prompt); name the script: script="train.py"'
            )
    else:
        found = _Running(Path(wanted), _kind(Path(wanted)), None, ())
        if not found.path.is_file():
            raise UsageError(f"script: {found.path}: no such file")
    return None if found is None else _script(directory, found, copied=wanted == "copy")


def _script(directory: Path, running: _Running, *, copied: bool) -> Script | None:
    try:
        text = running.path.read_bytes()
    except OSError as exc:
        raise UsageError(f"script: {running.path}: {exc.strerror}") from exc
    if copied:
        if len(text) > _MAX_BYTES:
            raise SaveRefusedError(f"script: {running.path.name}: expected at most {_MAX_BYTES} bytes, got {len(text)}")
        (directory / FOLDER).mkdir(exist_ok=True)
        (directory / FOLDER / running.path.name).write_bytes(text)
    place = provenance.place(running.path, text)
    return Script(
        name=running.path.name,
        sha256=hashlib.sha256(text).hexdigest(),
        kind=running.kind,
        path=place.path,
        commit=place.commit,
        folder=place.folder,
        module=running.module,
        arguments=running.arguments,
        hash_seed=os.environ.get("PYTHONHASHSEED"),
        file=f"{FOLDER}/{running.path.name}" if copied else None,
    )


def _running() -> _Running | None:
    """The file of `__main__`, where that is the user's own: no kernel, no installed command, no test runner."""
    main = sys.modules.get("__main__")
    notebook = getattr(main, "__vsc_ipynb_file__", None)  # set by VS Code; other notebooks do not tell
    if isinstance(notebook, str) and Path(notebook).is_file():
        return _Running(Path(notebook), "notebook", None, ())
    file = getattr(main, "__file__", None)
    if not isinstance(file, str) or "ipykernel" in sys.modules:
        return None
    path = Path(file).resolve()
    spec = getattr(main, "__spec__", None)
    module = None if spec is None else str(spec.name).removesuffix(".__main__")
    if not path.is_file() or path.suffix not in (".py", "") or _is_installed(path, module):
        return None
    return _Running(path, "script", module, hidden(sys.argv[1 : 1 + _MAX_ARGUMENTS]))


def _kind(path: Path) -> str:
    return "notebook" if path.suffix == ".ipynb" else "script"


def _is_installed(path: Path, module: str | None) -> bool:
    if module is not None and module.partition(".")[0] == "cloche":
        return True
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    return any(path.is_relative_to(Path(sysconfig.get_path(name)).resolve()) for name in names)


def hidden(arguments: Sequence[str]) -> tuple[str, ...]:
    """*arguments* with what follows the name of a secret replaced: `--token=***`, `--password ***`."""
    return tuple(_hidden(arguments))


def _hidden(arguments: Sequence[str]) -> Iterator[str]:
    before = ""
    for one in arguments:
        name, sign, _ = one.partition("=")
        if sign and _SECRET.search(name):
            yield f"{name}={HIDDEN}"
        elif before.startswith("-") and "=" not in before and _SECRET.search(before) and not one.startswith("-"):
            yield HIDDEN
        else:
            yield one
        before = one
