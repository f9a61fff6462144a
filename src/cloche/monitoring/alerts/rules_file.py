"""The rules file of a running monitor: read again when it changes; one that has become wrong changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloche.errors import UsageError
from cloche.monitoring.alerts.reading import FILE, defaults, read
from cloche.monitoring.alerts.rules import RuleBook
from cloche.monitoring.alerts.sinks import sink_of
from cloche.monitoring.alerts.sinks.base import Sink

_log = logging.getLogger("cloche.alerts")


@dataclass(frozen=True, slots=True)
class InForce:
    """Rules, and their sinks made."""

    book: RuleBook = field(default_factory=defaults)
    sinks: Mapping[str, Sink] = field(default_factory=dict)

    @classmethod
    def of(cls, book: RuleBook, environ: Mapping[str, str]) -> InForce:
        """
        *book* with its sinks.

        Raises:
            UsageError: a variable that a sink names is not set.
        """
        return cls(book, {name: sink_of(spec, environ) for name, spec in book.sinks.items()})


def rules_file(named: str | None, cwd: Path, environ: Mapping[str, str]) -> RulesFile:
    """The file that somebody *named*, else `cloche.toml` in *cwd*, which need not be there."""
    if named is not None:
        return RulesFile(cwd / named, environ)
    return RulesFile(cwd / FILE, environ, found_here=True)


class RulesFile:
    """
    What is in force by the file at *path*; *found_here* as in `reading.read`.

    *environ* is where `${VAR}` is looked up.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], *, found_here: bool = False) -> None:
        self._path = path
        self._environ = environ
        self._found_here = found_here
        self._stamp: tuple[int, ...] | None = ()
        self._now: InForce | None = None

    def read(self) -> InForce:
        """
        Read it now.

        Raises:
            UsageError: it is wrong, or a variable is not set.
        """
        return InForce.of(read(self._path, found_here=self._found_here), self._environ)

    def in_force(self) -> InForce:
        """What holds now; where the file is wrong, what held before."""
        stamp = self._stamp_now()
        if self._now is None or stamp != self._stamp:
            again = self._now is not None
            self._stamp = stamp
            try:
                self._now = self.read()
            except UsageError as exc:
                self._now = self._now or InForce()
                _log.error("the rules %s: %s", "stay as they were" if again else "are the defaults", exc)
            else:
                if again:
                    _log.info("%d rules and %d sinks are in force", len(self._now.book.rules), len(self._now.sinks))
        return self._now

    def _stamp_now(self) -> tuple[int, ...] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
