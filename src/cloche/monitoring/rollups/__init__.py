"""
Roll-ups: the log counted by version, route and minute, in a table of its own beside the answers.

They are one more table of each fold: committed under the fold's number, so that every row is counted exactly once,
whoever is killed; and they outlive the rows they count.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from cloche.errors import StoreError
from cloche.monitoring.references import References
from cloche.monitoring.rollups.counting import RollUp, count
from cloche.monitoring.rollups.recent import Recent
from cloche.monitoring.rollups.sampling import Pace
from cloche.monitoring.rollups.table import history, rolled_up
from cloche.registry import Registry

_log = logging.getLogger("cloche.monitor")

__all__ = ["RollUp", "count", "counting", "history", "rolled_up"]


def counting(
    registry: Registry, recent: Recent | None = None
) -> Callable[[dict[str, list[Any]]], dict[str, list[Any]]]:
    """
    What makes the roll-ups of a fold's rows, with the references that *registry* knows: see `Folder`.

    *recent* is shown the rows too. Rows that cannot be counted are told and folded all the same: they are not lost, and
    can be counted again.
    """
    references, pace = References(registry), Pace()

    def derive(parts: dict[str, list[Any]]) -> dict[str, list[Any]]:
        try:
            if recent is not None:
                recent.take(parts)
            return rolled_up(parts, references.of, pace)
        except StoreError:
            raise  # the fold waits for the store, and counts then
        except Exception as exc:  # noqa: BLE001
            _log.error("%d tables of this fold are not counted: %s", len(parts), exc, exc_info=exc)
            return {}

    return derive
