"""The references of all versions, read from the store when first asked for."""

from __future__ import annotations

import logging
from typing import Final

from cloche.errors import ClocheError, StoreError
from cloche.monitoring.reference import Reference
from cloche.registry import Registry, blobs

_log = logging.getLogger("cloche.monitor")
_FILE: Final = "reference.json"
_KEPT: Final = 200


class References:
    """What each version is compared with; a version is for ever, so what was read once stays true."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[str, int], Reference] = {}
        self._tasks: dict[tuple[str, int], str] = {}

    def of(self, model: str, version: int) -> Reference:
        """
        The reference of a version; an empty one where the version was deleted or has none that can be read.

        Raises:
            StoreError: the store did not answer; whether there is a reference is not known then.
        """
        known = self._known.get((model, version))
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            known = self._known[model, version] = self._read(model, version)
        return known

    def task(self, model: str, version: int) -> str:
        """
        What a version answers; empty where it was deleted.

        Raises:
            StoreError: the store did not answer.
        """
        if (model, version) not in self._tasks:
            try:
                task = self._registry.manifest_of(self._registry.record(model, version)).task
            except StoreError:
                raise
            except ClocheError:
                return ""
            self._tasks[model, version] = task
        return self._tasks[model, version]

    def _read(self, model: str, version: int) -> Reference:
        try:
            manifest = self._registry.manifest_of(self._registry.record(model, version))
            entry = manifest.files.get(_FILE)
            return Reference.of(None if entry is None else blobs.read(self._registry.store, entry.sha256))
        except StoreError:
            raise
        except (ClocheError, ValueError, KeyError, TypeError) as exc:
            _log.warning("%s version %d is counted without a reference: %s", model, version, exc)
            return Reference()
