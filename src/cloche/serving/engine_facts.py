"""What an engine says of itself when it has started: the server reads no file of the artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloche.contract.model import Contract
from cloche.manifest import Manifest


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """
    The verified manifest and contract, which engine answers, and the inputs of `reference.json` where asked for.

    `together`: a row is answered in a batch as it is alone, within the manifest's tolerance.
    """

    manifest: Manifest
    contract: Contract
    engine: str
    together: bool = True
    reference: Mapping[str, Mapping[str, Any]] | None = None

    @classmethod
    def of_message(cls, message: Mapping[str, Any]) -> EngineFacts:
        """From what `ChildEngine.facts` gave."""
        return cls(
            Manifest.from_json(message["manifest"]),
            Contract.from_json(message["contract"]),
            message["engine"],
            message["together"],
            message["reference"],
        )
