"""Functions as models, in every form that people write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

_CITIES = {"oslo": 0.0, "paris": 4.0, "rome": 8.0}


def quote(rows: Mapping[str, list[Any]]) -> list[float]:
    """A dict of columns in, a list out."""
    return [2.0 * age + 0.1 * income + _CITIES[city] for age, income, city in zip(*rows.values(), strict=True)]


def doubled(rows: pd.DataFrame) -> pd.Series:
    """A frame in, a series out."""
    return rows["age"] * 2.0


def band(rows: pd.DataFrame) -> pd.DataFrame:
    """Several numbers a row."""
    return pd.DataFrame({"low": rows["age"] * 0.9, "high": rows["age"] * 1.1})


def group(rows):
    """Labels; no annotation: it is shown the kind of table it was saved with."""
    return np.where(rows["age"] > 40, "old", "young")


def risk(rows: dict[str, list[Any]]) -> dict[str, Any]:
    """Labels and the probability of each."""
    old = [1.0 / (1.0 + np.exp(-(age - 40) / 10)) for age in rows["age"]]
    shares = {"young": [1.0 - one for one in old], "old": old}
    return {"prediction": ["old" if one > 0.5 else "young" for one in old], "probabilities": shares}


def records(rows: dict[str, list[Any]]) -> list[dict[str, str]]:
    """Several labels a row, as a list of dicts."""
    return [{"size": "big" if age > 40 else "small", "kind": "person"} for age in rows["age"]]


def mixed(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Numbers and labels together, which no task has."""
    return {"number": rows["age"], "label": rows["city"]}


def short(rows: dict[str, list[Any]]) -> list[float]:
    """Fewer answers than rows."""
    return [float(age) for age in rows["age"]][:-1]


def two(rows: pd.DataFrame, factor: float) -> pd.Series:
    """More than a table."""
    return rows["age"] * factor


def outer() -> Any:
    """What it gives is a closure."""

    def inner(rows: pd.DataFrame) -> pd.Series:
        return rows["age"]

    return inner


class Model:
    """Has a method."""

    def predict(self, rows: pd.DataFrame) -> pd.Series:
        """Belongs to a class."""
        return rows["age"]
