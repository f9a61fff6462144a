"""A directory that holds a frozen model: verified, opened, signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.first_use import on_first_use
from cloche.signing import check_signature, sign

if TYPE_CHECKING:
    from cloche.artifact.choice import Device, EngineChoice
    from cloche.artifact.load import (
        CONTRACT,
        OpenArtifact,
        check_trusted,
        chosen,
        open_artifact,
        read_contract,
        read_training,
    )

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

__getattr__ = on_first_use(
    __name__,
    {
        "choice": ("Device", "EngineChoice"),
        "load": (
            "CONTRACT",
            "OpenArtifact",
            "check_trusted",
            "chosen",
            "open_artifact",
            "read_contract",
            "read_training",
        ),
    },
)
