"""
Pipelines of imbalanced-learn without their samplers.

A sampler works while fitting and passes rows through when the pipeline answers, so that a stored pipeline needs
neither it nor the training rows and neighbour trees it keeps, nor imbalanced-learn itself.
"""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from cloche.flavors.sklearn.walk import rewritten, walk

_PIPELINE = "imblearn.pipeline.Pipeline"


def without_samplers(model: Any) -> Any:
    """*model*, or a copy that shares what is fitted, with pipelines of scikit-learn in place of imbalanced-learn's."""
    return rewritten(model, _plain) if any(map(_is_imblearn, walk(model))) else model


def _is_imblearn(part: Any) -> bool:
    return f"{type(part).__module__}.{type(part).__qualname__}" == _PIPELINE


def _plain(part: Any) -> Any:
    if not _is_imblearn(part):
        return part
    steps = [(name, step) for name, step in part.steps if not hasattr(step, "fit_resample")]
    return Pipeline(steps or [("passthrough", "passthrough")])
