"""
Tables and series of pandas inside a fitted step (category_encoders keeps its mappings so), as dicts of plain values.

skops cannot store them; they are written as data and built again when a model is opened.
"""

from __future__ import annotations

from typing import Any

from cloche.flavors.sklearn.walk import rewritten, walk
from cloche.tables.read import home

_KINDS = ("DataFrame", "Series", "Index", "RangeIndex")
MARK = "__pandas__"


def to_data(model: Any) -> Any:
    """*model*, or a copy with data in place of what is of pandas."""
    if not any(map(_is_pandas, walk(model))):
        return model
    pandas = home("pandas")
    return rewritten(model, lambda part: pandas.to_data(part, MARK) if _is_pandas(part) else part)


def from_data(model: Any) -> Any:
    """What `to_data` was given."""
    if not any(map(_is_data, walk(model))):
        return model
    pandas = home("pandas")
    return rewritten(model, lambda part: pandas.from_data(part, MARK) if _is_data(part) else part)


def _is_pandas(part: Any) -> bool:
    return type(part).__module__.partition(".")[0] == "pandas" and type(part).__name__ in _KINDS


def _is_data(part: Any) -> bool:
    return type(part) is dict and MARK in part
