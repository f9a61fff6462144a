"""
Which inputs a fitted pipeline reads, and what its encoders fix about them, found by following the columns.

A column is followed as long as the values a step sees are those of the input (or a filler of an
imputer, which is no level); after any other step it is lost sight of, which is always safe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, TargetEncoder

from cloche.flavors.sklearn import boosters
from cloche.records import InputFacts

_INSIDE = ("best_estimator_", "regressor_", "estimator_", "estimators_", "calibrated_classifiers_", "estimator")


@dataclass(frozen=True, slots=True)
class Ref:
    """An input column still visible: its name, and what an imputer may have put where it was missing."""

    name: str
    fillers: tuple[Any, ...] = ()


Refs = list[Ref | None]


@dataclass
class Trace:
    """What was found so far, by input."""

    read: set[str] = field(default_factory=set)
    facts: dict[str, InputFacts] = field(default_factory=dict)

    def note(self, name: str, facts: InputFacts) -> None:
        """Keep the first fixed levels of an input; a step that rejects wins over one that does not."""
        known = self.facts.get(name)
        if known is None or (known.unknown_level != "reject" and facts.unknown_level == "reject"):
            self.facts[name] = facts


def input_facts(model: Any, names: Sequence[str]) -> dict[str, InputFacts]:
    """What *model* says of each of the inputs *names*."""
    trace = Trace()
    try:
        _visit(model, [Ref(name) for name in names], trace)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return {name: InputFacts() for name in names}  # a step of another make: nothing is known, all is read
    unread = InputFacts(read=False, source="read by no step")
    return {name: trace.facts.get(name, InputFacts()) if name in trace.read else unread for name in names}


def _booster(step: Any, refs: Refs, trace: Trace) -> Refs:
    """LightGBM takes an unknown category without a word, so its levels are kept here."""
    _reads(refs, trace)
    for ref, levels in zip(refs, boosters.levels(step), strict=False):
        if ref is not None and levels is not None:
            _note_levels(ref, levels, "reject", type(step).__name__, trace)
    return []


def _visit(step: Any, refs: Refs, trace: Trace) -> Refs:
    """Follow *refs* through *step*; the result is what comes out, with None where nothing can be said."""
    if boosters.library_of(step) is not None:
        return _booster(step, refs, trace)
    if step is None or isinstance(step, str):
        if step != "drop":
            _reads(refs, trace)
        return [] if step == "drop" else refs
    for kind, follow in _FOLLOW:
        if isinstance(step, kind):
            return follow(step, refs, trace)
    return _other(step, refs, trace)


def _reads(refs: Refs, trace: Trace) -> None:
    trace.read.update(ref.name for ref in refs if ref is not None)


def _pipeline(step: Any, refs: Refs, trace: Trace) -> Refs:
    for _, one in step.steps:
        refs = _visit(one, refs, trace)
    return refs


def _union(step: Any, refs: Refs, trace: Trace) -> Refs:
    parts = [_visit(one, refs, trace) for _, one in step.transformer_list]
    return [ref for part in parts for ref in part] if all(parts) else []


def _column_transformer(step: Any, refs: Refs, trace: Trace) -> Refs:
    out: Refs = [None] * max((piece.stop for piece in step.output_indices_.values()), default=0)
    for name, one, _ in step.transformers_:
        indices = step._transformer_to_input_indices.get(name, [])
        if isinstance(one, str) and one == "drop":
            continue
        taken = [refs[i] if i < len(refs) else None for i in indices]
        came = _visit(one, taken, trace)
        piece = step.output_indices_.get(name)
        if piece is not None and len(came) == piece.stop - piece.start:
            out[piece] = came
    return out


def _imputer(step: Any, refs: Refs, trace: Trace) -> Refs:
    _reads(refs, trace)
    statistics = step.statistics_
    if len(statistics) != len(refs):
        return []
    out: Refs = []
    for ref, filler in zip(refs, statistics, strict=True):
        if step.strategy != "constant" and not step.keep_empty_features and is_missing(filler):
            continue
        made_up = step.strategy == "constant" and ref is not None
        out.append(Ref(ref.name, (*ref.fillers, filler)) if made_up and ref is not None else ref)
    return out + [None] * (len(step.indicator_.features_) if step.add_indicator else 0)


def _encoder(step: Any, refs: Refs, trace: Trace) -> Refs:
    _reads(refs, trace)
    rejects = getattr(step, "handle_unknown", "warn") == "error"
    categories = getattr(step, "categories_", ())
    for ref, levels in zip(refs, categories, strict=False):
        if ref is not None:
            _note_levels(ref, levels, "reject" if rejects else "warn", type(step).__name__, trace)
    return []


def _note_levels(ref: Ref, levels: Any, unknown: Literal["reject", "warn"], source: str, trace: Trace) -> None:
    kept = tuple(one for one in np.asarray(levels).tolist() if not is_missing(one) and one not in ref.fillers)
    trace.note(ref.name, InputFacts(levels=kept, unknown_level=unknown, source=source))


def _text(step: Any, refs: Refs, trace: Trace) -> Refs:
    _reads(refs, trace)
    for ref in refs:
        if ref is not None:
            trace.note(ref.name, InputFacts(text=True, source=type(step).__name__))
    return []


def _hist_boosting(step: Any, refs: Refs, trace: Trace) -> Refs:
    _reads(refs, trace)
    preprocessor = getattr(step, "_preprocessor", None)
    if preprocessor is None or len(refs) != step.n_features_in_:
        return []
    _, encoder, columns = preprocessor.transformers_[0]
    categorical = [refs[i] for i in np.arange(len(refs))[columns]]
    for ref, levels in zip(categorical, encoder.categories_, strict=False):
        if ref is not None:
            _note_levels(ref, levels, "warn", type(step).__name__, trace)
    return []


def _function(step: Any, refs: Refs, trace: Trace) -> Refs:
    _reads(refs, trace)
    return refs if step.func is None else []


def _other(step: Any, refs: Refs, trace: Trace) -> Refs:
    """An estimator around others shows them its columns; any other step reads all it is shown."""
    inner = _inner(step)
    for one in inner:
        _visit(one, refs, trace)
    if not inner:
        _reads(refs, trace)
    return []


def _inner(step: Any) -> list[Any]:
    """The fitted estimators that are shown the same columns as *step*."""
    if hasattr(step, "estimators_features_"):
        return []  # each sees a subset, by position
    for name in _INSIDE:
        value = getattr(step, name, None)
        found = value if isinstance(value, list) else [value]
        fitted = [one for one in found if hasattr(one, "fit") or hasattr(one, "predict_proba")]
        if fitted:
            return fitted
    return []


def is_missing(value: Any) -> bool:
    """None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


_FOLLOW: list[tuple[Any, Callable[[Any, Refs, Trace], Refs]]] = [
    (Pipeline, _pipeline),
    (FeatureUnion, _union),
    (ColumnTransformer, _column_transformer),
    (SimpleImputer, _imputer),
    ((OneHotEncoder, OrdinalEncoder, TargetEncoder), _encoder),
    ((CountVectorizer, HashingVectorizer), _text),
    (BaseHistGradientBoosting, _hist_boosting),
    (FunctionTransformer, _function),
    (TransformedTargetRegressor, lambda step, refs, trace: _visit(step.regressor_, refs, trace)),
]
