"""The frame that a model was fitted on, as its manifest tells it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Container = Literal["pandas", "polars", "numpy", "series", "list", "columns"]
#: What an object column holds where a value is missing: libraries do not treat them alike.
Marker = Literal["nan", "none", "na"]


class FrameColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A column of the frame a model was fitted on; `dtype` as the container spells it.

    `marker` and `label` are as in `records.Column`.
    """

    name: str
    dtype: str
    levels: tuple[Any, ...] | None = None
    ordered: bool = False
    marker: Marker = "nan"
    label: int | None = None


class FrameSpec(msgspec.Struct, frozen=True):
    """
    The frame a model was fitted on, so that the same frame can be built from a request.

    `numpy` is one 2-D array (every `dtype` the same); `series` is a single 1-D column (a text
    vectorizer's input); `list` a list of rows; `columns` a dict of lists, None where missing.
    """

    container: Container
    columns: tuple[FrameColumn, ...]
