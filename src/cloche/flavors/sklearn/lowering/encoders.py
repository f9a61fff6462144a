"""Encoders of categories: one-hot, ordinal, target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from cloche.errors import NotLoweredError
from cloche.flavors.sklearn.lowering.flow import Flow, joined, plain
from cloche.flavors.sklearn.lowering.scalers import exact
from cloche.graph import Value
from cloche.graph.operators.encode import Encode, Expand, Levels
from cloche.records import Marker

#: Above so many indicator columns they are kept sparse.
SPARSE_FROM = 96


def levels_of(
    builder: Any,
    categories: Sequence[Any],
    values: Sequence[float],
    marker: Marker,
    unknown: float | None,
    *,
    rejects: bool,
) -> Levels:
    """
    A column's levels: category i becomes `values[i]`, whatever is no category *unknown* (None: NaN).

    *marker* is what the model's frame holds where a value is missing; that may be a category like any other.
    """
    kept: list[Any] = []
    codes: list[float] = []
    missing, known = unknown, False
    for category, value in zip(categories, values, strict=True):
        gap = _gap(category)
        if gap is None:
            kept.append(plain(category))
            codes.append(float(value))
        elif gap == marker:
            missing, known = (None if np.isnan(value) else float(value)), True
    refused: tuple[Any, ...] = ("unknown",) if rejects and known else ("missing", "unknown") if rejects else ()
    return Levels(
        levels=tuple(kept), values_array=builder.floats(codes), missing=missing, unknown=unknown, rejects=refused
    )


def _gap(category: Any) -> Marker | None:
    if category is None:
        return "none"
    if isinstance(category, (float, np.floating)) and np.isnan(category):
        return "nan"
    return "na" if type(category).__name__ == "NAType" else None


def shown(step: Any, flow: Flow) -> tuple[Value, tuple[Marker, ...]]:
    """What an encoder is shown; numbers that were computed must be the model's own to the bit."""
    value, markers = flow.objects()
    return exact(step, flow, value), markers


def _one_hot(step: OneHotEncoder, flow: Flow) -> Flow:
    value, markers = shown(step, flow)
    infrequent = step.handle_unknown in ("infrequent_if_exist", "warn")
    dropped = step._drop_idx_after_grouping
    columns = []
    for place, categories in enumerate(step.categories_):
        codes, group = _grouped(step, place, len(categories))
        drop = None if dropped is None else dropped[place]
        final = [_after_drop(code, drop) for code in codes]
        unknown = _after_drop(group, drop) if infrequent and group is not None else -1.0
        columns.append(
            levels_of(flow.builder, categories, final, markers[place], unknown, rejects=step.handle_unknown == "error")
        )
    encoded = flow.to(Encode(of=(value.node,), columns=tuple(columns)))
    widths = tuple(int(width) for width in step._n_features_outs)
    return encoded.to(Expand(of=(encoded.numbers().node,), widths=widths, sparse=sum(widths) > SPARSE_FROM))


def _grouped(step: Any, place: int, count: int) -> tuple[list[int], int | None]:
    """The code of each category after the infrequent ones are grouped, and the code of their group."""
    mappings = getattr(step, "_default_to_infrequent_mappings", None) if step._infrequent_enabled else None
    mapping = None if mappings is None else mappings[place]
    if mapping is None:
        return list(range(count)), None
    return [int(code) for code in mapping], int(max(mapping))


def _after_drop(code: int, drop: Any) -> float:
    if drop is None or code < drop:
        return float(code)
    return -1.0 if code == drop else float(code - 1)


def _ordinal(step: OrdinalEncoder, flow: Flow) -> Flow:
    value, markers = shown(step, flow)
    rejects = step.handle_unknown == "error"
    unknown = None if rejects or np.isnan(step.unknown_value) else float(step.unknown_value)
    columns = []
    for place, categories in enumerate(step.categories_):
        codes: list[float] = [float(code) for code in _grouped(step, place, len(categories))[0]]
        gap = step._missing_indices.get(place)
        if gap is not None:
            codes[gap] = float(step.encoded_missing_value)
        columns.append(levels_of(flow.builder, categories, codes, markers[place], unknown, rejects=rejects))
    if np.dtype(step.dtype) != np.float64:
        raise NotLoweredError(f"OrdinalEncoder(dtype={np.dtype(step.dtype)})")
    return flow.to(Encode(of=(value.node,), columns=tuple(columns)))


def _target(step: TargetEncoder, flow: Flow) -> Flow:
    multiclass = step.target_type_ == "multiclass"
    means = np.atleast_1d(np.asarray(step.target_mean_, dtype=np.float64))
    count = len(step.classes_) if multiclass else 1
    parts = []
    for place, categories in enumerate(step.categories_):
        picked = flow.pick([place])
        value, markers = shown(step, picked)
        for number in range(count):
            encoding = step.encodings_[place * count + number]
            levels = levels_of(flow.builder, categories, encoding, markers[0], float(means[number]), rejects=False)
            parts.append(flow.to(Encode(of=(value.node,), columns=(levels,))))
    return joined(flow.builder, parts)


TRANSFORMERS: dict[type, Callable[[Any, Flow], Flow]] = {
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
    TargetEncoder: _target,
}
