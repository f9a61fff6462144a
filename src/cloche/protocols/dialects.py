"""The dialects that a server may speak besides its own (`--dialect`): one file each, and one line in the table."""

from __future__ import annotations

from cloche.protocols import mlflow
from cloche.protocols.dialect import Dialect

DIALECTS: dict[str, Dialect] = {one.name: one for one in (mlflow.DIALECT,)}
