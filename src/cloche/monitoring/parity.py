"""
Parity: a few logged answers an hour computed again by the model's own library, in a process of its own.

What the twin answered has to be what the library answers; that is checked at save and at every load on golden rows, and
here on what callers really sent. The process is the command `cloche parity`, so that the model's library is never
imported here, and an artifact is opened by the whole load order.
"""

from __future__ import annotations

import atexit
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from cloche.monitoring.documents import ParitySample
from cloche.monitoring.numbered import Numbered
from cloche.store import Store

_log = logging.getLogger("cloche.monitor")
EVERY_S: Final = 3_600.0
#: Where nothing can be computed again (no inputs in the log, no library here) that is tried once a day.
IMPOSSIBLE_EVERY_S: Final = 86_400.0
TIMEOUT_S: Final = 300.0
_SHOWN: Final = 200
_decoder = msgspec.json.Decoder(ParitySample)


@dataclass(slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    said: Any  #: files of what it printed, and of its errors
    errors: Any
    at: float
    version: int


@dataclass(slots=True)
class _Checked:
    """One model: the last sample, and what is under way."""

    objects: Numbered
    last: ParitySample | None = None
    running: _Running | None = field(default=None)


class Parity:
    """
    The parity of all models of *store*: *rows* an hour each, none where that is 0.

    *command* begins the command line; tests put another program there.
    """

    def __init__(
        self, store: Store, rows: int, *, command: Sequence[str] = (sys.executable, "-m", "cloche", "parity")
    ) -> None:
        self._store = store
        self._rows = rows
        self._command = command
        self._models: dict[str, _Checked] = {}
        atexit.register(self.close)

    def look(self, model: str, version: int | None, now: float, *, asked: bool) -> ParitySample | None:
        """
        The last sample of the live *version*. One is begun where it is due and rows were *asked* for lately; its result
        is seen by a later look.

        Raises:
            StoreError: the store did not answer.
        """
        if version is None:
            return None
        checked = self._of(model)
        running = checked.running
        if running is not None:
            self._poll(model, checked, running, now)
        elif self._rows and asked and _due(checked.last, version, now) and not self._busy():
            checked.running = self._begin(model, version, now)
        return checked.last if checked.last is not None and checked.last.version == version else None

    def news(self, model: str) -> object:
        """Something that is another when a sample is under way, or has ended."""
        checked = self._models.get(model)
        return None if checked is None else object() if checked.running is not None else checked.last

    def close(self) -> None:
        """End what is under way."""
        for one in self._models.values():
            if one.running is not None:
                one.running.process.kill()
                one.running.process.wait()
                one.running = None

    def _busy(self) -> bool:
        """One at a time: a model's library is some hundred megabytes."""
        return any(one.running is not None for one in self._models.values())

    def _of(self, model: str) -> _Checked:
        if model not in self._models:
            objects = Numbered(self._store, f"monitor/{model}/parity")
            raw = objects.last()
            last = None
            if raw is not None:
                try:
                    last = _decoder.decode(raw)
                except msgspec.MsgspecError as exc:
                    _log.warning("monitor/%s/parity is damaged, and begun anew: %s", model, exc)
            self._models[model] = _Checked(objects, last)
        return self._models[model]

    def _begin(self, model: str, version: int, now: float) -> _Running:
        since = datetime.fromtimestamp(now - EVERY_S, UTC).isoformat()
        words = ("--sample", str(self._rows), "--since", since, "--store", self._store.url, "--json")
        said, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  closed when it is read
        process = subprocess.Popen(
            [*self._command, model, *words], stdin=subprocess.DEVNULL, stdout=said, stderr=errors
        )
        return _Running(process, said, errors, now, version)

    def _poll(self, model: str, checked: _Checked, running: _Running, now: float) -> None:
        status = running.process.poll()
        if status is None and now - running.at < TIMEOUT_S:
            return
        if status is None:
            running.process.kill()
            running.process.wait()
        said, errors = _text(running.said), _text(running.errors)
        checked.running = None
        why = f"it took longer than {TIMEOUT_S:g} s" if status is None else None
        checked.last = sample_of(said, errors, version=running.version, at=running.at, why=why)
        checked.objects.put(msgspec.json.encode(checked.last))
        _tell(model, checked.last)


def sample_of(said: str, errors: str, *, version: int, at: float, why: str | None = None) -> ParitySample:
    """What `cloche parity --json` printed, of the rows of *version*."""
    try:
        document = msgspec.json.decode(said)
        rows = [one for one in document["rows"] if one.get("version") == version]
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        told = why or " ".join(_lines(errors, said))[:_SHOWN] or "it ended without a word"
        return ParitySample(version=version, at=at, why=told)
    different = [one for one in rows if one.get("equal") is False]
    impossible = [one for one in rows if one.get("equal") is None]
    first = different[0] if different else None
    return ParitySample(
        version=version,
        at=at,
        equal=len(rows) - len(different) - len(impossible),
        different=len(different),
        impossible=len(impossible),
        request_id=first["request_id"] if first else None,
        why="; ".join(first.get("differences") or ())[:_SHOWN] if first else _why(impossible),
    )


def _lines(errors: str, said: str) -> list[str]:
    """The last thing that was said of an error."""
    lines = [one for one in (*errors.splitlines(), *said.splitlines()) if one.strip() and not one.startswith("store: ")]
    return lines[-3:]


def _why(impossible: Sequence[dict[str, Any]]) -> str:
    return str(impossible[0].get("why") or "")[:_SHOWN] if impossible else ""


def _due(last: ParitySample | None, version: int, now: float) -> bool:
    if last is None or last.version != version:
        return True
    return now - last.at >= (EVERY_S if last.equal + last.different else IMPOSSIBLE_EVERY_S)


def _tell(model: str, found: ParitySample) -> None:
    if found.different:
        _log.error(
            "%s version %d: %d of %d logged answers are not what the model's own library answers; request %s: %s",
            model,
            found.version,
            found.different,
            found.equal + found.different,
            found.request_id,
            found.why,
        )


def _text(file: Any) -> str:
    file.seek(0)
    text = file.read().decode("utf-8", "replace")
    file.close()
    return str(text)
