"""The exact twin: a validated graph evaluated with numpy alone."""

from __future__ import annotations

from cloche.engines.twin.engine import ROW_LIMIT, TwinEngine

__all__ = ["ROW_LIMIT", "TwinEngine"]
