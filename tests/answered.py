"""A published model of `artifacts`, and requests that it answered, in a log that has landed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import sklearn

import artifacts
from cloche.artifact import CONTRACT, open_artifact
from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, Field
from cloche.prediction_log.frames import Frame, Request, Schema
from cloche.prediction_log.privacy import Redaction
from cloche.registry import Registry, VersionRecord
from cloche.trust import TrustPolicy
from logged import NOON_US, request

NAME = "boxes"


def contract(**changes: Any) -> Contract:
    """That of the model, with a key and a context."""
    made = artifacts.contract()
    aside = (
        Field(name="customer", type="string", role="key", required=False, nullable=True),
        Field(name="colour", type="string", role="context", required=False, nullable=True),
    )
    return msgspec.structs.replace(made, fields=(*made.fields, *aside), **changes)


def publish(
    registry: Registry, folder: Path, *, made: Contract | None = None, model: Any = None,
    library: str = sklearn.__version__, promote: bool = True,
) -> VersionRecord:  # fmt: skip
    """Publish a model (by default the forest of `artifacts`) as saved under scikit-learn *library*."""
    made = made or contract()
    artifacts.write(folder, model, version=library)
    (folder / CONTRACT).write_bytes(made.to_json())
    artifacts.seal(folder)
    return registry.publish(folder, name=NAME, contract=made, contract_number=1, by="ada", promote=promote)


def rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as a client would send them."""
    drawn = np.random.default_rng(seed).normal(size=(n, 2)).tolist()
    return [
        {"length": length, "width": width, "customer": f"c{number}", "colour": "red" if number % 3 else "blue"}
        for number, (length, width) in enumerate(drawn)
    ]


def answered(
    registry: Registry, record: VersionRecord, given: Sequence[dict[str, Any]], cache: Path, *,
    secret: bytes | None = None, time_us: int = NOON_US, schema: int = 1, size: int = 1, lie: float = 0.0,
) -> tuple[list[Frame], list[Request]]:  # fmt: skip
    """
    The frames of requests of *size* rows that the version answered, a second after each other; and the requests.

    *lie* is added to every probability of the first class: an answer that the model did not give.
    """
    opened = open_artifact(registry.fetch(record, cache), TrustPolicy())
    compiled = compile_contract(opened.contract)
    redaction = Redaction(opened.contract, reference=None, hash_key=secret)
    made = Schema(
        schema, NAME, record.version, record.contract, "native", redaction.fields, opened.contract.output,
        redaction.log_inputs,
    )  # fmt: skip
    requests = []
    for number in range(0, len(given), size):
        valid = compiled.validate(given[number : number + size], single=False)
        outputs = opened.engine.predict(valid.columns(), len(valid))
        shares = [[first + lie, *rest] for first, *rest in outputs.probabilities or ()]
        requests.append(
            request(redaction.rows(valid.rows), prediction=outputs.prediction, probabilities=shares, schema=schema,
                    model=NAME, time_us=time_us + number * 1_000_000)
        )  # fmt: skip
    return [made, *requests], requests
