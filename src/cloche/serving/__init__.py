"""Versions of models that answer: in this process (`Model`) or in engine processes (`Deployments`)."""

from __future__ import annotations

from cloche.serving.answers import Prediction
from cloche.serving.model import Model

__all__ = ["Model", "Prediction"]
