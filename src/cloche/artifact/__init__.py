"""A directory that holds a frozen model: verified, opened, signed."""

from __future__ import annotations

from cloche.artifact.load import (
    CONTRACT,
    Device,
    EngineChoice,
    OpenArtifact,
    chosen,
    open_artifact,
    read_contract,
    read_training,
)
from cloche.artifact.signature import check_signature, sign

__all__ = [
    "CONTRACT",
    "Device",
    "EngineChoice",
    "OpenArtifact",
    "check_signature",
    "chosen",
    "open_artifact",
    "read_contract",
    "read_training",
    "sign",
]
