"""Evidently: `Report([DataDriftPreset()])`, any column over its threshold. Run by drift.py in a place of its own."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
from drift_streams import NUMBERS, Stream, tell
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

warnings.simplefilter("ignore")
DEFINITION = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=["level"])


def dataset(columns: dict[str, Any]) -> Dataset:
    frame = pd.DataFrame(columns).astype({"level": object})
    return Dataset.from_pandas(frame, data_definition=DEFINITION)


def flags(stream: Stream) -> list[bool]:
    known, found = dataset(stream.reference), []
    for window in stream.windows:
        metrics = Report([DataDriftPreset()]).run(dataset(window), known).dict()["metrics"]
        drifted = next(one["value"]["count"] for one in metrics if "DriftedColumnsCount" in str(one))
        found.append(bool(drifted > 0))
    return found


if __name__ == "__main__":
    tell(flags)
