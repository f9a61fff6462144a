"""
What a server last answered with, kept beside the cache: enough to start while the store is away.

`CACHE/servers/DIGEST/state.json` holds versions, routes and the hashes of keys; the artifacts lie in the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import secrets
from pathlib import Path

import msgspec

from cloche.web.processes.folder import write_whole
from cloche.web.processes.runtime import ServerFile, State

_log = logging.getLogger("cloche.agent")
_HOST_ID = re.compile(r"[0-9a-f]{16}")
_MOST_HOSTS = 256


class Memory:
    """One server's last state; what cannot be read is as good as none, what cannot be written is told once."""

    def __init__(self, server: ServerFile) -> None:
        asked = [server.store, server.keys, sorted(server.references), server.everything]
        digest = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()[:32]
        self._path = Path(server.cache) / "servers" / digest / "state.json"
        self._kept: State | None = None
        self._told = False

    def recall(self) -> State | None:
        """The state that was kept last."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def keep(self, state: State) -> None:
        """Keep *state* for the next start."""
        if state is self._kept:
            return
        self._kept = state
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._path, msgspec.json.encode(state))
        except OSError as exc:
            if not self._told:
                _log.warning("%s: %s; a start without the store will not work", self._path, exc.strerror)
            self._told = True


class HostId:
    """
    Who reports: stable over restarts, and another one for each server that runs at the same time.

    `CACHE/hosts/N` holds an id and is locked while a server uses it; a kill gives it back.
    """

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "hosts"
        self._handle: int | None = None

    def take(self) -> str:
        """The id of this server; one for this life where the cache cannot be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return self._first_free()
        except OSError as exc:
            _log.warning("%s: %s; this server reports as a new host", self._folder, exc.strerror)
            return secrets.token_hex(8)

    def release(self) -> None:
        """Let another server have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _first_free(self) -> str:
        for number in range(_MOST_HOSTS):
            handle = os.open(self._folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._handle = handle
                return _read_or_make(handle)
            os.close(handle)
        return secrets.token_hex(8)


def _read_or_make(handle: int) -> str:
    found = os.pread(handle, 64, 0).decode("ascii", "replace").strip()
    if _HOST_ID.fullmatch(found):
        return found
    made = secrets.token_hex(8)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{made}\n".encode(), 0)
    return made
