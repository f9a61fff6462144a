"""
`reference.json`: what the monitor compares with.

The inputs come from the training table; answers, calibration and quality only from rows the model was not fitted on
(in-sample scores of a forest differ from fresh ones by a PSI of 1–2 with no drift at all), else they are null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from cloche.contract.model import Contract, Output
from cloche.evaluation import calibration_bins
from cloche.manifest import Metric
from cloche.records import Outputs

FORMAT = "cloche-reference/1"
FILE = "reference.json"
_BINS = 20
_MAX_CLASSES = 1_000


def to_json(
    inputs: Mapping[str, Any],
    predictions: Mapping[str, Any] | None = None,
    calibration: list[dict[str, float]] | None = None,
    quality: list[Metric] | None = None,
    pairs: list[dict[str, Any]] | None = None,
    estimation: dict[str, Any] | None = None,
) -> bytes:
    """The bytes of `reference.json`."""
    document = {
        "schema": FORMAT,
        "inputs": inputs,
        "predictions": predictions,
        "calibration": calibration,
        "quality": quality,
        "pairs": pairs,
        "estimation": estimation,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def for_rules(raw: bytes, contract: Contract) -> bytes:
    """The bytes of a `reference.json` without samples of fields that *contract* keeps out of the log by now."""
    document = msgspec.json.decode(raw)
    for name, one in (document.get("inputs") or {}).items():
        field = contract.field(name)
        if field is None or field.private or contract.log_inputs != "keep":
            one.pop("sample", None)
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def predictions(output: Output, outputs: Outputs) -> dict[str, Any] | None:
    """How the answers on the test set are distributed: counts of classes, or moments and quantile bins."""
    if output.task in ("classification", "clustering", "anomaly"):
        return _of_labels(outputs)
    if output.task == "regression":
        return {"n": len(outputs), **_of_numbers(outputs.prediction)}
    return None


def calibration(output: Output, outputs: Outputs, truth: list[Any]) -> list[dict[str, float]] | None:
    """How often the predicted class is right, by the probability given to it."""
    if output.task != "classification" or outputs.probabilities is None:
        return None
    kept = [row for row, label in enumerate(truth) if label is not None]
    confidence = np.array([max(outputs.probabilities[row]) for row in kept], dtype=np.float64)
    right = np.array([truth[row] == outputs.prediction[row] for row in kept], dtype=np.float64)
    finite = np.isfinite(confidence)
    return calibration_bins(right[finite], confidence[finite])


def _of_labels(outputs: Outputs) -> dict[str, Any]:
    counts = Counter(outputs.prediction)
    found: dict[str, Any] = {
        "n": len(outputs),
        "classes": [{"class": label, "n": n} for label, n in counts.most_common(_MAX_CLASSES)],
    }
    if outputs.probabilities is not None:
        found["confidence"] = _of_numbers([max(row) for row in outputs.probabilities])
    if outputs.score is not None:
        found["score"] = _of_numbers(outputs.score)
    return found


def _of_numbers(values: list[Any]) -> dict[str, Any]:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return {"finite": 0}
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, _BINS + 1)))
    counts = np.histogram(finite, bins=edges)[0] if edges.size > 1 else np.array([finite.size])
    return {
        "finite": int(finite.size),
        "mean": float(finite.mean()),
        "variance": float(finite.var()),
        "bins": {"edges": edges.tolist(), "counts": counts.tolist()},
    }
