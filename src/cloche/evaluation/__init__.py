"""
How good answers are, measured on rows with known truths: one implementation for save, evaluate, monitor, retraining.

Pure numpy. Every number carries the rows it was measured on and a 95 % interval, whose method is named in
`Metric.method` and described on docs/reference/quality.md.
"""

from __future__ import annotations

from cloche.contract.model import Output
from cloche.evaluation.chances import calibration_bins
from cloche.evaluation.classification import classification_metrics
from cloche.evaluation.paired import Difference
from cloche.evaluation.regression import regression_metrics
from cloche.evaluation.report import Answers, NotEnough, Part, Quality, estimates, measured
from cloche.evaluation.segments import Segment, cut
from cloche.manifest import Metric
from cloche.records import Column, Outputs, Table

__all__ = [
    "Answers",
    "Difference",
    "NotEnough",
    "Part",
    "Quality",
    "Segment",
    "calibration_bins",
    "classification_metrics",
    "cut",
    "measured",
    "metrics",
    "regression_metrics",
]


def metrics(output: Output, outputs: Outputs, truth: Column | Table, split: str = "test") -> list[Metric]:
    """
    The metrics of the task, each with n and a 95 % interval; rows without a target are left out.

    With several outputs *truth* is a table in the order of `output.names`, and a metric's name ends in the
    output's: `mae[height]`. Tasks without one agreed truth (clustering, anomaly, embedding, multilabel) have none.
    """
    return [one.metric(split) for one in estimates(output, outputs, truth)]
