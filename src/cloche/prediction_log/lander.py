"""
The log of a program that has no agent: a thread that hands segments over and lands them.

For `cloche.open`, `cloche.asgi` and the server of one process.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from cloche.config import LogConfig
from cloche.errors import ClocheError
from cloche.prediction_log import landing
from cloche.prediction_log.hash_key import read_hash_key
from cloche.prediction_log.recorder import Recorder
from cloche.prediction_log.spool import Spool
from cloche.store import Store

_log = logging.getLogger("cloche.log")
_EVERY_S = 1.0
_EVERY_FOR_STORE_S = 0.02
_LAST_S = 5.0


class OwnLog:
    """A recorder and the thread that lands what it writes; `close` hands over the rest."""

    def __init__(self, config: LogConfig, spool: Path, store: Store) -> None:
        """
        Raises:
            UsageError: the key of hashes cannot be read.
            SpoolError: the spool cannot be made.
        """
        self._spool = Spool.open(spool, store.url)
        self._store = store
        self._every_s = _EVERY_FOR_STORE_S if config.durability == "store" else _EVERY_S
        self._end = threading.Event()
        self._told = False
        self.recorder = Recorder(self._spool, config, hash_key=read_hash_key(config.hash_key))
        self._thread = threading.Thread(target=self._run, name="cloche-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hand over what was written, and land it where the store takes it at once; called twice it does nothing."""
        self._end.set()
        self._thread.join(_LAST_S)

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            self.recorder.tick()
            self._land()
        self.recorder.close()
        self._land()

    def _land(self) -> None:
        try:
            landing.land(self._spool, self._store)
            self._told = False
        except (ClocheError, OSError) as exc:
            if not self._told:
                _log.warning("records wait in %s: %s", self._spool.folder, exc)
            self._told = True
