"""`server.json`, and how the files of RUN are written and read. The command that starts a server imports no more."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from cloche.config import LogConfig, MonitorConfig, Secret, ServerConfig, TracesConfig
from cloche.trust import TrustPolicy
from cloche.web.processes.folder import RunFolder, write_whole

S = TypeVar("S", bound=msgspec.Struct)


class ServerFile(msgspec.Struct, frozen=True, kw_only=True):
    """
    `server.json`: what to serve and how; settings reach the other processes here and by no environment.

    `exit_statuses` maps the class of an error to the exit status of the command, for a start that fails.
    """

    pid: int
    url: str
    management_url: str | None
    config: ServerConfig
    log: LogConfig
    monitor: MonitorConfig = MonitorConfig()
    traces: TracesConfig = TracesConfig()
    spool: str
    store: str
    store_shown: str
    references: tuple[str, ...]
    everything: bool
    trust: TrustPolicy
    cache: str
    keys: str | None
    cwd: str
    exit_statuses: dict[str, int]
    as_json: bool = False  #: what is printed at the start is JSON


def write(path: Path, document: msgspec.Struct) -> None:
    """Replace the file at *path*; RUN is for this user alone, so a secret may be passed on in it."""
    write_whole(path, msgspec.json.encode(document, enc_hook=_plain))


def read(path: Path, kind: type[S]) -> S | None:
    """The document at *path*; None where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def server_of(run: RunFolder) -> ServerFile:
    """
    What this server was started with.

    Raises:
        FileNotFoundError: the folder is gone, and with it the server.
    """
    return msgspec.json.decode(run.server.read_bytes(), type=ServerFile, dec_hook=_hidden)


def _plain(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _hidden(kind: type, value: object) -> Secret:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(kind.__name__)
