"""
Whether today's rows are those of the reference: effect, significance, false discoveries, persistence, enough rows.

All of it works on counts in bins that were frozen with the reference, so a window costs what its bins cost, however
many rows it had, and one wild value moves one count.
"""

from cloche.monitoring.drift.deciding import DriftSettings, decide
from cloche.monitoring.drift.verdicts import verdicts

__all__ = ["DriftSettings", "decide", "verdicts"]
