"""NannyML: univariate drift and missing values, a chunk a window, any alert. Run by drift.py in a place of its own."""

from __future__ import annotations

import warnings

import nannyml as nml
import numpy as np
import pandas as pd
from drift_streams import NUMBERS, Stream, tell

warnings.simplefilter("ignore")
COLUMNS = [*NUMBERS, "level"]


def flags(stream: Stream) -> list[bool]:
    rows = len(stream.windows[0]["x"])
    known = pd.DataFrame(stream.reference)
    now = pd.concat([pd.DataFrame(one) for one in stream.windows], ignore_index=True)
    found = np.zeros(len(stream.windows), dtype=bool)
    for calculator in (
        nml.UnivariateDriftCalculator(column_names=COLUMNS, treat_as_categorical=["level"], chunk_size=rows),
        nml.MissingValuesCalculator(column_names=COLUMNS, chunk_size=rows),
    ):
        calculator.fit(known)
        told = calculator.calculate(now).filter(period="analysis").to_df()
        alerts = [column for column in told.columns if "alert" in column]
        found |= told[alerts].to_numpy(dtype=bool).any(axis=1)[: len(found)]
    return [bool(one) for one in found]


if __name__ == "__main__":
    tell(flags)
