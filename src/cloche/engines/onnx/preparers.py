"""
The table of preparers: what turns fields into tensors where a plain description does not do (texts into tokens).

A preparer is a function of a flavor's module that imports no model library: `(settings, files) -> Prepare`, where
*files* are the verified bytes of the files that the interface names. It gives tensors for groups of rows; each group
runs by itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from cloche.errors import ManifestError, MissingExtraError, MissingFileError
from cloche.onnx import INTERFACE, Prepared
from cloche.onnx.runner import Prepare

#: By the name that `onnx/interface.json` says; text from an artifact never names a module.
PREPARERS: dict[str, str] = {"tokens": "cloche.flavors.tokens.preparing:prepare"}
_EXTRA = "text"


def preparer(wanted: Prepared, files: Mapping[str, bytes]) -> Prepare:
    """
    The preparer that an interface names.

    Raises:
        ManifestError: this cloche has none of that name.
        MissingFileError: a file that it needs is not in the artifact.
        MissingExtraError: a library that it needs is not installed.
    """
    target = PREPARERS.get(wanted.by)
    if target is None:
        known = ", ".join(sorted(PREPARERS)) or "none"
        raise ManifestError(f"{INTERFACE}: prepared: expected one of {known}, got {wanted.by!r}")
    missing = [name for name in wanted.files if name not in files]
    if missing:
        raise MissingFileError(f"{missing[0]}: {INTERFACE} names it, and it is not there")
    module, _, attribute = target.partition(":")
    try:
        make = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("cloche"):
            raise
        raise MissingExtraError(f"the preparer '{wanted.by}'", exc.name or "tokenizers", _EXTRA) from exc
    prepare: Prepare = make(wanted.settings, {name: files[name] for name in wanted.files})
    return prepare
