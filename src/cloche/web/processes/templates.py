"""
The templates that the agent wants: started, watched, started again, ended. Standard library only.

One is started with the server, before it is known of what: it imports while the agent asks the store.

One that refuses its artifact stays refused. One whose process dies while it opens the artifact is tried three
times, then refused in its name, so that its generation is refused and the old one goes on.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from cloche.threads import ONE_THREAD
from cloche.web.processes.children import Child
from cloche.web.processes.folder import RunFolder, Watched, read_json, write_json
from cloche.web.processes.voice import Voice

_ATTEMPTS = 3
#: Opening the artifact includes its golden rows and the first call of the library.
_OPEN_TIMEOUT_S = 600.0


class Templates:
    """The template processes of one server."""

    def __init__(self, run: RunFolder, lifeline: int, voice: Voice) -> None:
        self._run = run
        self._lifeline = lifeline
        self._voice = voice
        self._watched = Watched(run.wanted)
        self._children: dict[str, Child] = {}
        self._was_ready: set[str] = set()
        self._spare: _Spare | None = None

    def __iter__(self) -> Iterator[Child]:
        spare = () if self._spare is None else (self._spare.child,)
        return iter([*self._children.values(), *spare])

    def prepare(self, now: float) -> None:
        """Start the one that becomes the first template that is wanted; where it cannot be had, that starts alone."""
        with contextlib.suppress(OSError):
            self._spare = _Spare(self._run, self._lifeline, now)

    def dismiss(self) -> None:
        """It was not wanted."""
        if self._spare is not None:
            self._spare.child.wanted = False
            self._spare.child.send(signal.SIGKILL)

    def step(self, now: float) -> None:
        """Follow `wanted.json`, notice who is ready, start who is due."""
        if self._watched.changed():
            self._follow({str(one["id"]) for one in (read_json(self._run.wanted) or {}).get("templates", ())})
        for identifier, child in list(self._children.items()):
            if child.process is not None:
                self._look_at(identifier, child, now)
            elif not child.wanted:
                self._forget(identifier)
            elif now >= child.start_at and not self._run.refused(identifier).exists():
                child.start(now)

    def ended(self, child: Child, status: int) -> None:
        """A template's process ended."""
        if self._spare is not None and child is self._spare.child:
            self._spare.close()
            self._spare = None
            return
        identifier = child.name
        refused = self._run.refused(identifier)
        if not child.wanted or refused.exists():
            return
        self._run.ready(identifier).unlink(missing_ok=True)
        self._voice.error(f"template {identifier} ended (exit status {status})")
        if identifier not in self._was_ready and child.short_lives >= _ATTEMPTS:
            message = f"its process ended {_ATTEMPTS} times while it opened the artifact (exit status {status})"
            write_json(refused, {"error": "EngineError", "message": message})

    def kill(self) -> None:
        """All of them, for good; they hold nothing that could be lost."""
        for child in self:
            child.wanted = False
            child.send(signal.SIGKILL)

    def _follow(self, wanted: set[str]) -> None:
        for identifier in sorted(wanted - self._children.keys()):
            arguments = (str(self._run.path), "--id", identifier, "--lifeline", str(self._lifeline))
            child = Child(identifier, "template", arguments, (self._lifeline,), ONE_THREAD)
            if self._spare is not None and self._spare.child.wanted:
                self._spare.become(child)
                self._spare = None
            self._children[identifier] = child
        for identifier, child in self._children.items():
            child.wanted = identifier in wanted
            if not child.wanted:
                child.send(signal.SIGKILL)

    def _look_at(self, identifier: str, child: Child, now: float) -> None:
        if child.worked:
            return
        if self._run.ready(identifier).exists():
            child.worked = True
            self._was_ready.add(identifier)
        elif now - child.started > _OPEN_TIMEOUT_S:
            self._voice.error(f"template {identifier} did not open its artifact within {_OPEN_TIMEOUT_S:g} s")
            child.send(signal.SIGKILL)

    def _forget(self, identifier: str) -> None:
        del self._children[identifier]
        self._was_ready.discard(identifier)
        for path in self._run.of_template(identifier):
            path.unlink(missing_ok=True)


class _Spare:
    """A template's process that waits to be told, over a pipe, which one it is; it ends where the pipe closes."""

    def __init__(self, run: RunFolder, lifeline: int, now: float) -> None:
        reader, self._writer = os.pipe()
        arguments = (str(run.path), "--id-fd", str(reader), "--lifeline", str(lifeline))
        self.child = Child("spare", "template", arguments, (lifeline, reader), ONE_THREAD)
        try:
            self.child.start(now)
        except OSError:
            os.close(self._writer)
            raise
        finally:
            os.close(reader)

    def become(self, child: Child) -> None:
        """Be the process of *child*; one that has died is not, and *child* is started as any other."""
        with contextlib.suppress(OSError):
            os.write(self._writer, child.name.encode())
            child.process, child.started = self.child.process, self.child.started
        self.close()

    def close(self) -> None:
        """Say nothing more."""
        os.close(self._writer)
