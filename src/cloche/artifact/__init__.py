"""A directory that holds a frozen model: verified, opened, signed."""

from __future__ import annotations

from cloche.artifact.load import (
    CONTRACT,
    Device,
    EngineChoice,
    OpenArtifact,
    check_trusted,
    chosen,
    open_artifact,
    read_contract,
    read_training,
)
from cloche.signing import check_signature, sign

__all__ = [
    "CONTRACT",
    "Device",
    "EngineChoice",
    "OpenArtifact",
    "check_signature",
    "check_trusted",
    "chosen",
    "open_artifact",
    "read_contract",
    "read_training",
    "sign",
]
