"""Versions of models that answer: in this process (`Model`) or in engine processes (`Deployments`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.first_use import on_first_use

if TYPE_CHECKING:
    from cloche.serving.answers import Prediction
    from cloche.serving.model import Model

__all__ = [
    "Model",
    "Prediction",
]

__getattr__ = on_first_use(
    __name__,
    {
        "answers": ("Prediction",),
        "model": ("Model",),
    },
)
