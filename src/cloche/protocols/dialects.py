"""
The dialects that a server may speak besides its own (`--dialect`): one file each, and one line in the table.

The command that starts a server imports their names alone.
"""

from __future__ import annotations

from typing import Final

#: Where each lives; `dialect.get_dialect` fetches it.
DIALECTS: Final = {"mlflow": "cloche.protocols.mlflow:DIALECT"}
