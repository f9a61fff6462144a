"""
How good answers are, measured on rows with known targets: one implementation for save, monitor and retraining.

Pure numpy. Every number carries the rows it was measured on and a 95 % interval; where a standard formula
exists it is used and named in `Metric.method`, elsewhere the interval is a bootstrap with a fixed seed.
"""

from __future__ import annotations

from cloche.contract.model import Output
from cloche.evaluation.classification import calibration_bins, classification_metrics
from cloche.evaluation.regression import regression_metrics
from cloche.manifest import Metric
from cloche.records import Column, Outputs, Table

__all__ = ["calibration_bins", "classification_metrics", "metrics", "regression_metrics"]

_CLASSIFYING = ("classification", "multioutput_classification")


def metrics(output: Output, outputs: Outputs, truth: Column | Table, split: str = "test") -> list[Metric]:
    """
    The metrics of the task, each with n and a 95 % interval; rows without a target are left out.

    With several outputs *truth* is a table in the order of `output.names`, and a metric's name ends in the
    output's: `mae[height]`. Tasks without one agreed truth (clustering, anomaly, embedding, multilabel) have none.
    """
    if isinstance(truth, Table):
        return _of_several(output, outputs, list(truth), split)
    if output.task == "classification":
        return classification_metrics(
            truth.to_list(), outputs.prediction, output.classes or (), outputs.probabilities, split=split
        )
    if output.task == "regression":
        return regression_metrics(truth.to_list(), outputs.prediction, split=split)
    return []


def _of_several(output: Output, outputs: Outputs, truths: list[Column], split: str) -> list[Metric]:
    found: list[Metric] = []
    if not output.task.startswith("multioutput") or len(truths) != len(output.names or ()):
        return found
    for position, (name, truth) in enumerate(zip(output.names or (), truths, strict=True)):
        answers = [row[name] for row in outputs.prediction]
        if output.task in _CLASSIFYING:
            classes = output.output_classes[position] if output.output_classes else ()
            chances = None if outputs.probabilities is None else [row[name] for row in outputs.probabilities]
            one = classification_metrics(truth.to_list(), answers, classes, chances, split=split)
        else:
            one = regression_metrics(truth.to_list(), answers, split=split)
        found += [_renamed(metric, name) for metric in one]
    return found


def _renamed(metric: Metric, name: str) -> Metric:
    base, _, rest = metric.name.partition("[")
    inner = f"{name}, {rest[:-1]}" if rest else name
    return Metric(f"{base}[{inner}]", metric.value, metric.split, metric.n, metric.interval, metric.method)
