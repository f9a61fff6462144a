"""
alibi-detect: `TabularDrift` at p = 0.05, Bonferroni over columns; it takes no missing values, they are set to the mean.
Run by drift.py in a place of its own.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from alibi_detect.cd import TabularDrift
from drift_streams import LEVELS, NUMBERS, Stream, tell

warnings.simplefilter("ignore")


def array(columns: dict[str, Any]) -> Any:
    levels = np.array([LEVELS.index(one) for one in columns["level"]], dtype=float)
    return np.stack([*(np.nan_to_num(columns[name], nan=0.0) for name in NUMBERS), levels], axis=1)


def flags(stream: Stream) -> list[bool]:
    detector = TabularDrift(array(stream.reference), p_val=0.05, categories_per_feature={len(NUMBERS): None})
    return [bool(detector.predict(array(window))["data"]["is_drift"]) for window in stream.windows]


if __name__ == "__main__":
    tell(flags)
