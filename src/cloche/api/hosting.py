"""`cloche.open` and `cloche.asgi`: models that answer callers in this program and follow their routes."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cloche.api.workplace import Workplace, workplace
from cloche.config import LogConfig, ServerConfig
from cloche.keys import KeyRing
from cloche.prediction_log.lander import OwnLog
from cloche.web import server
from cloche.web.mounted import MountedApp, Served
from cloche.web.traces import traces_of

_log = logging.getLogger("cloche.log")

__all__ = ["Served", "asgi", "open", "serve_here"]


def open(reference: str, *, store: str | None = None, strict: bool = False, log: bool = False) -> Served:
    """
    One model to ask from a program's own handlers: `await served.infer(rows)`, or `served.predict(rows)` to block.

    The engine runs in a process of its own; `NAME` follows promotions and rollbacks, `NAME@3` is pinned. With
    *log* every answer is recorded as a server's is (settings `[log]`). Call `close()`, or use it as a context manager.

    Raises:
        NotFoundError: no such model, version or route.
        ArtifactError: the version will not be opened.
    """
    here = workplace(store)
    config = replace(here.settings.server, strict=strict)
    with _own_log(here, here.settings.log, wanted=log) as own:
        return Served(
            here.registry,
            reference,
            config=config,
            trust=here.trust,
            cache=here.settings.cache,
            log=own,
        )


def asgi(*references: str, store: str | None = None, strict: bool = False, log: bool = False) -> MountedApp:
    """
    The whole application for *references*, for another ASGI program: `app.mount("/models", cloche.asgi("penguins"))`.

    The models are loaded now, not in a lifespan (a mounted application gets none). Who may call is decided by the
    program around it. With *log* every answer is recorded as a server's is (settings `[log]`). Where the settings
    `[traces]` name a collector, requests are traced, as children of the span that the program is in.

    Raises:
        NotFoundError, ArtifactError: as `open`.
        MissingExtraError: traces are wanted, and OpenTelemetry is not installed.
    """
    here = workplace(store)
    config = replace(here.settings.server, strict=strict)
    with _own_log(here, here.settings.log, wanted=log) as own:
        return MountedApp(
            here.registry,
            references,
            config=config,
            trust=here.trust,
            cache=here.settings.cache,
            log=own,
            traces=traces_of(here.settings.traces, guest=True),
        )


@contextlib.contextmanager
def _own_log(here: Workplace, config: LogConfig, *, wanted: bool) -> Iterator[OwnLog | None]:
    """The log of what is made inside the block, which closes it then; closed at once where that fails."""
    own = OwnLog(config, here.settings.spool, here.store) if wanted else None
    try:
        yield own
    except BaseException:
        if own is not None:
            own.close()
        raise


def serve_here(
    here: Workplace, references: Sequence[str], *, everything: bool, config: ServerConfig, log: LogConfig
) -> int:
    """Serve in this process alone, as `serving.serve` does where there is no fork; returns the exit status."""
    with _own_log(here, log, wanted=log.enabled and _keeps_logs()) as own:
        return server.run(
            here.registry,
            references,
            config=config,
            trust=here.trust,
            cache=here.settings.cache,
            keys=KeyRing.open(here.settings.keys, here.store, Path.cwd()),
            everything=everything,
            log=own,
            traces=traces_of(here.settings.traces),
        )


def _keeps_logs() -> bool:
    if sys.platform == "win32":
        _log.warning("no prediction log is kept: Windows does not have the file locks that it needs")
        return False
    return True
