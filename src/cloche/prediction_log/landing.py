"""
From a spool to the store: sealed segments are put there as they are, create-only.

Doing it again does no harm, and anybody who holds the file may do it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

from cloche.errors import ObjectExistsError, ObjectNotFoundError, StoreUnreachableError
from cloche.prediction_log import layout
from cloche.prediction_log.spool import Spool
from cloche.store import Store

_log = logging.getLogger("cloche.log")


def land(spool: Spool, store: Store) -> int:
    """
    Put every segment that nobody writes any more into *store*, and take it away here; how many that were.

    Raises:
        StoreError: the store did not take one, or its folder is not there; the others wait as well.
        OSError: a segment of the spool cannot be read; the others were landed all the same.
    """
    if store.gone:  # unmounted: it would be made anew, and hidden
        raise StoreUnreachableError(f"store {store.describe()}: the folder is not there, or is no store any more")
    done, failures = 0, list[OSError]()
    try:
        spool.seal_abandoned()
    except OSError as exc:
        failures.append(exc)
    for number, sealed, path in spool.segments():
        if sealed:
            try:
                _land(spool, store, number, path)
                done += 1
            except FileNotFoundError:  # another process of this host was faster
                continue
            except OSError as exc:
                failures.append(exc)
    if failures:
        raise failures[0]
    return done


def waiting(spool: Spool) -> tuple[int, float]:
    """How many sealed segments wait, and the age in seconds of the oldest."""
    ages = []
    for _, sealed, path in spool.segments():
        with contextlib.suppress(FileNotFoundError):
            ages += [time.time() - path.stat().st_mtime] if sealed else []
    return len(ages), max(ages, default=0.0)


def _land(spool: Spool, store: Store, number: int, path: Path) -> None:
    data = path.read_bytes()
    where = layout.landed(spool.id, number)
    try:
        store.create(where, data)
    except ObjectExistsError:
        if not _is_ours(store, where, data):
            renamed = layout.sealed_segment(spool.folder, spool.next_number())
            _log.error("%s holds another segment: two hosts share the id of one spool; %s", where, renamed.name)
            path.rename(renamed)
            return
    path.unlink()


def _is_ours(store: Store, where: str, data: bytes) -> bool:
    """Whether what is there was put there by us, in an attempt whose answer was lost."""
    try:
        return store.get(where) == data
    except ObjectNotFoundError:  # folded meanwhile, which takes no segment but the one that was landed
        return True
