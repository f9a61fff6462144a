"""
What a server counts: one file of numbers a worker, summed when somebody asks, written as Prometheus reads it.

Counting takes no lock and no system call; labels are names of ours and of models, never what a caller sent.
"""

from cloche.metrics.families import BUCKETS, FAMILIES, Family
from cloche.metrics.reading import Samples, merge, quantile, read_all, read_slot
from cloche.metrics.slot import MetricsSlot
from cloche.metrics.text import OPENMETRICS, PLAIN, exposition

__all__ = [
    "BUCKETS",
    "FAMILIES",
    "OPENMETRICS",
    "PLAIN",
    "Family",
    "MetricsSlot",
    "Samples",
    "exposition",
    "merge",
    "quantile",
    "read_all",
    "read_slot",
]
