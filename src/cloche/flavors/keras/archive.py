"""
A `.keras` file taken apart before Keras sees it: the archive, its config, its weights; and put together again with
nothing in it that a server does not need.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py

from cloche.errors import ArchiveLimitError, TamperedModelError, UntrustedTypeError, WrongFormatError
from cloche.flavors.keras.allowlist import check_config
from cloche.integrity.archive import check_archive
from cloche.trust import TrustPolicy

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_ASSET = re.compile(r"assets/[\w./-]+\.txt")
_MAX_CONFIG = 64 << 20
_KINDS = "fiub"
#: Sizes in a config, which Keras makes tensors of before it looks at the weights.
_SIZES = frozenset("units filters input_dim output_dim key_dim value_dim num_heads max_tokens vocabulary_size".split())
_FREE = 100_000


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of a checked file, its config, and the types in it that are not Keras' own."""

    members: Mapping[str, bytes]
    config: dict[str, Any]
    types: frozenset[str]

    def to_bytes(self) -> bytes:
        """The file without the optimizer: nothing that only training needs is served."""
        config = {key: value for key, value in self.config.items() if key != "compile_config"}
        written = dict(self.members) | {CONFIG: json.dumps(config).encode(), WEIGHTS: _served(self.members[WEIGHTS])}
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in sorted(written):
                archive.writestr(zipfile.ZipInfo(name), written[name])
        return packed.getvalue()


def read_archive(raw: bytes, trust: TrustPolicy, name: str) -> Archive:
    """
    Check the bytes of a `.keras` file, which messages call *name*.

    Raises:
        WrongFormatError: it is no such file.
        ArchiveLimitError: it would unpack to too much, or to paths that it must not hold.
        UntrustedTypeError: its config holds what is not on the list.
        TamperedModelError: its weights are not what they say.
    """
    check_archive(raw, name)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {one: archive.read(one) for one in archive.namelist()}
    except zipfile.BadZipFile as exc:
        raise TamperedModelError(f"{name}: a member is not what its checksum says: {exc}") from exc
    strange = [one for one in members if one not in (CONFIG, METADATA, WEIGHTS) and not _ASSET.fullmatch(one)]
    if strange or CONFIG not in members or WEIGHTS not in members:
        raise WrongFormatError(f"{name}: expected {CONFIG} and {WEIGHTS}, got {', '.join(sorted(members))}")
    config = read_config(members[CONFIG], name)
    served = {key: value for key, value in config.items() if key != "compile_config"}
    types = check_config(served, trust, name)
    check_sizes(served, check_weights(members[WEIGHTS], name), name)
    return Archive(members, config, types)


def read_config(raw: bytes | str, name: str) -> dict[str, Any]:
    """
    Raises:
        WrongFormatError: *raw* is no JSON object, or too long.
    """
    if len(raw) > _MAX_CONFIG:
        raise ArchiveLimitError(f"{name}: its config is {len(raw)} bytes, more than {_MAX_CONFIG}")
    try:
        config = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise WrongFormatError(f"{name}: its config is no JSON: {exc}") from exc
    if not isinstance(config, dict):
        raise WrongFormatError(f"{name}: expected the config of a Keras model")
    return config


# -- weights ------------------------------------------------------------------------------------


def check_weights(raw: bytes, name: str) -> int:
    """
    Check an HDF5 file, link by link, and count its numbers: nothing in it may lie or lead outside of it.

    Raises:
        WrongFormatError: it is none.
        UntrustedTypeError: a link or a tensor leads into another file.
        TamperedModelError: a tensor is of a type that is no number, or holds less than it says.
    """
    try:
        with h5py.File(io.BytesIO(raw), "r") as file:
            return sum(_checked(one, len(raw), name) for one in _datasets(file, name))
    except (OSError, KeyError, RuntimeError, ValueError) as exc:
        raise WrongFormatError(f"{name}: expected weights in HDF5: {exc}") from exc


def _datasets(group: Any, name: str, depth: int = 0) -> Iterator[Any]:
    if depth > 50:
        raise ArchiveLimitError(f"{name}: groups of weights inside each other, more than 50")
    for key in group:
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise UntrustedTypeError(f"{name}: the weights '{key}' are a link to elsewhere")
        one = group[key]
        if isinstance(one, h5py.Group):
            yield from _datasets(one, name, depth + 1)
        elif isinstance(one, h5py.Dataset):
            yield one


def _checked(tensor: Any, size: int, name: str) -> int:
    if tensor.external or tensor.is_virtual:
        raise UntrustedTypeError(f"{name}: the weights '{tensor.name}' lie in another file")
    if tensor.dtype.kind not in _KINDS:
        raise TamperedModelError(f"{name}: the weights '{tensor.name}' are {tensor.dtype}, no numbers")
    count = math.prod(int(one) for one in tensor.shape)
    if tensor.chunks is None and count * tensor.dtype.itemsize > size:
        raise TamperedModelError(
            f"{name}: the weights '{tensor.name}' declare {tensor.shape}, more than the file holds"
        )
    if count * tensor.dtype.itemsize > 100 * size:
        raise ArchiveLimitError(f"{name}: the weights '{tensor.name}' would unpack to {count} numbers")
    return count


def check_sizes(config: Any, numbers: int, name: str) -> None:
    """
    A layer cannot be wider than all the weights there are together: Keras would make room for it first.

    Raises:
        TamperedModelError: a size in *config* is.
    """
    most = max(numbers, _FREE)
    if isinstance(config, list):
        for one in config:
            check_sizes(one, numbers, name)
    elif isinstance(config, dict):
        for key, value in config.items():
            sizes = value if key in ("batch_shape", "target_shape", "batch_input_shape") else [value]
            if key in _SIZES or key in ("batch_shape", "target_shape", "batch_input_shape"):
                known = [abs(one) for one in sizes or () if isinstance(one, int) and not isinstance(one, bool)]
                if math.prod(known) > most:
                    raise TamperedModelError(f"{name}: {key} = {value}, and there are {numbers} weights")
            check_sizes(value, numbers, name)
        first, second = config.get("input_dim"), config.get("output_dim")
        if isinstance(first, int) and isinstance(second, int) and first * second > most:
            raise TamperedModelError(f"{name}: an embedding of {first} by {second}, and there are {numbers} weights")


def _served(raw: bytes) -> bytes:
    """The weights without the optimizer's."""
    written = io.BytesIO()
    with h5py.File(io.BytesIO(raw), "r") as source, h5py.File(written, "w") as target:
        for key, value in source.attrs.items():
            target.attrs[key] = value
        for key in source:
            if key != "optimizer":
                source.copy(source[key], target, key)
    return written.getvalue()
