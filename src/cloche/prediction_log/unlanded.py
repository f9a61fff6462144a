"""Records that wait on this host for the store: what a reader of the store does not see yet."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from cloche.prediction_log import segments
from cloche.prediction_log.homes import home
from cloche.prediction_log.spool import Spool

_CONTRACT = "contract="


def answers(base: Path, store_url: str, ids: Collection[str]) -> Iterator[tuple[str, int, Any]]:
    """
    The rows of these requests (ids of ours, or their callers' own) in the spool below *base*, by model and contract.

    Raises:
        MissingExtraError: the extra `monitor` is not installed.
        SpoolError: the spool cannot be read.
    """
    spool = Spool.there(base, store_url)
    if spool is None:
        return
    arrow = home("arrow")
    building = arrow.Building([])
    for _, _, path in spool.segments():
        with contextlib.suppress(FileNotFoundError):  # landed meanwhile
            building.add(segments.salvaged(path.read_bytes(), str(path), []), str(path))
    for where, parts in building.done().items():
        folders = where.split("/")
        if len(folders) == 3 and folders[2].startswith(_CONTRACT):
            rows = arrow.unified([arrow.chosen(part.rows, arrow.of_ids(ids)) for part in parts])
            yield folders[1], int(folders[2].removeprefix(_CONTRACT)), rows
