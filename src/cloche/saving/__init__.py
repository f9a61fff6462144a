"""Save: a fitted model and its tables become a staged artifact, proven in a fresh process; nothing is published."""

from __future__ import annotations

from cloche.saving.engines import told
from cloche.saving.onnx_form import exported
from cloche.saving.request import Inspection, SaveRequest, Staged
from cloche.saving.restage import recontract
from cloche.saving.stage import preview, stage

__all__ = ["Inspection", "SaveRequest", "Staged", "exported", "preview", "recontract", "stage", "told"]
