"""
`model.skops`: written only if it can be opened elsewhere, opened only if it holds nothing but allowed types.

Opening runs no code from the file: archive limits, then the schema as plain data, then the allow-list,
then skops, then the content of what was built (`validators`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from cloche.errors import MissingFileError, SaveRefusedError, TamperedModelError, UntrustedTypeError
from cloche.flavors.sklearn import ecosystem, pandas_parts
from cloche.flavors.sklearn.allowlist import ALLOWED_LOADERS, ALLOWED_TYPES
from cloche.flavors.sklearn.neighbours import rebuild
from cloche.flavors.sklearn.recipes import refuse_code
from cloche.flavors.sklearn.schema import Named, named, read_schema
from cloche.flavors.sklearn.slim import slim
from cloche.flavors.sklearn.validators import validate
from cloche.trust import TrustPolicy

FILE = "model.skops"
ALLOWED = ALLOWED_TYPES | ecosystem.TYPES


def dump(
    model: Any, directory: Path, trust: TrustPolicy, *, replaced: Mapping[int, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """
    Write *model* as `model.skops`; the neighbour trees it leaves out are built again by `load`.

    *replaced* is what stands for some of its parts, by their identity.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = skops.io.dumps(pandas_parts.to_data(slim(model, replaced)))
    except Exception as exc:  # skops raises whatever an object's own __reduce__ raises
        raise SaveRefusedError(
            f"{type(model).__name__} cannot be stored safely: {exc} "
            "Replace the step that holds this object, or leave it out of the model"
        ) from exc
    holds = list(named(read_schema(raw, FILE)))
    refuse_code(holds, _untrusted_names(raw, holds, trust))
    (directory / FILE).write_bytes(raw)
    packages = ecosystem.versions(one.name for one in holds)
    return {"file": FILE, **({"packages": packages} if packages else {})}


def load(directory: Path, trust: TrustPolicy, files: Mapping[str, bytes] | None) -> Any:
    """
    Open `model.skops`; *files* are bytes that were verified before.

    Raises:
        MissingFileError: the artifact has none; and as `loads`.
    """
    if files is not None and FILE not in files:
        raise MissingFileError(f"{FILE}: expected the model, but the manifest lists no such file")
    return loads((directory / FILE).read_bytes() if files is None else files[FILE], trust, FILE)


def loads(raw: bytes, trust: TrustPolicy, name: str) -> Any:
    """
    Open the skops archive *raw*, which messages call *name*.

    Raises:
        WrongFormatError, ArchiveLimitError, UntrustedTypeError, TamperedModelError
        MissingExtraError: a step comes from a package that is not installed.
    """
    holds = list(named(read_schema(raw, name)))
    _refuse_loaders(holds, trust, name)
    trusted = {one.name for one in holds} & (ALLOWED | trust.allowed_types)
    ecosystem.require(one.name for one in holds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = skops.io.loads(raw, trusted=sorted(trusted))
    except UntrustedTypesFoundException as exc:
        raise _untrusted(_untrusted_names(raw, holds, trust), holds, name) from exc
    except Exception as exc:  # a constructor met content it cannot take
        raise TamperedModelError(f"{name}: cannot be built from its content: {type(exc).__name__}: {exc}") from exc
    return check_content(model, name)


def check_content(model: Any, name: str) -> Any:
    """Check what was built, and build what is never stored: neighbour trees, and tables inside a step."""
    try:
        model = pandas_parts.from_data(model)
        validate(model)
        rebuild(model)
        return model
    except TamperedModelError as exc:
        raise TamperedModelError(f"{name}: {exc}") from exc
    except Exception as exc:  # content of another shape or type than the rule that reads it expects
        raise TamperedModelError(f"{name}: cannot be checked: {type(exc).__name__}: {exc}") from exc


def _untrusted_names(raw: bytes, holds: list[Named], trust: TrustPolicy) -> set[str]:
    """What neither skops, nor our list, nor the operator allows."""
    loaders = {one.name for one in holds if one.loader not in ALLOWED_LOADERS}
    return (set(skops.io.get_untrusted_types(data=raw)) - ALLOWED | loaders) - trust.allowed_types


def _refuse_loaders(holds: list[Named], trust: TrustPolicy, name: str) -> None:
    refused = {one.name for one in holds if one.loader not in ALLOWED_LOADERS} - trust.allowed_types
    if refused:
        raise _untrusted(refused, holds, name)


def _untrusted(refused: set[str], holds: list[Named], name: str) -> UntrustedTypeError:
    first = sorted(refused)[0]
    where = next((one.where for one in holds if one.name == first), "model")
    more = f" (and {len(refused) - 1} more: {', '.join(sorted(refused)[1:6])})" if len(refused) > 1 else ""
    return UntrustedTypeError(
        f"{name}: {where}: the type '{first}' is not on the allow-list{more}; it was not opened. "
        f"An operator who has read its code allows it: cloche trust --type {first}"
    )
