"""Save: a fitted model and its tables become a staged artifact, proven in a fresh process; nothing is published."""

from __future__ import annotations

from cloche.saving.engines import told
from cloche.saving.request import Inspection, SaveRequest, Staged
from cloche.saving.restage import recontract
from cloche.saving.stage import preview, stage

__all__ = ["Inspection", "SaveRequest", "Staged", "preview", "recontract", "stage", "told"]
