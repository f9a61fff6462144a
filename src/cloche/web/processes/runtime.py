"""
What the processes of one server tell each other: the files of RUN as structs.

`server.json` is written once before anything starts. The agent writes `wanted.json` (which templates are to run)
and `state.json` (what workers answer with); templates say `ID.ready` or `ID.refused`; each worker says in
`slots/N.json` which state it has applied. Every write replaces the whole file at once.

A process is started as `python -P -m cloche.web.processes.ROLE RUN …` and ends by itself when the descriptor
`--lifeline` closes (`lifeline.py`): agent `--management-fd`, template `--id`, worker `--slot --data-fd`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from cloche.artifact import Device, EngineChoice
from cloche.config import LogConfig, MonitorConfig, Secret, ServerConfig, TracesConfig
from cloche.keys import Key
from cloche.registry import Promises, VersionRecord
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


class TemplateSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    A template that is to run: *id* is of `[a-z0-9._-]`, *directory* lies in the cache, *engine* and *device* are asked
    for.
    """

    id: str
    directory: str
    trust: TrustPolicy
    engine: EngineChoice = "auto"
    device: Device = "cpu"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """`wanted.json`"""

    number: int
    templates: tuple[TemplateSpec, ...] = ()


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """A version that answers, and the template its engines come from."""

    record: VersionRecord
    template: str


class ModelState(msgspec.Struct, frozen=True, kw_only=True):
    """One model; the fields are those of `serving.choice.Choice`, `event` is the route event it follows from."""

    name: str
    route: str | None = "live"
    answering: dict[int, Answers] = {}
    default_number: int | None = None
    warm: tuple[Answers, ...] = ()
    wanted: dict[int, int] = {}
    refused: dict[int, str] = {}
    event: int = 0
    promises: Promises = Promises()


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`state.json`; *number* increases with every change. No `keys` means that none are asked for."""

    number: int
    models: tuple[ModelState, ...] = ()
    keys: tuple[Key, ...] | None = None
    degraded: tuple[str, ...] = ()


class SlotReport(msgspec.Struct, frozen=True, kw_only=True):
    """`slots/N.json`: the number of the state that the worker answers with."""

    slot: int
    pid: int
    state: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """`ID.refused` and `failed.json`: the class of the error, and its message."""

    error: str
    message: str

    @classmethod
    def of(cls, exc: BaseException) -> Failure:
        return cls(error=type(exc).__name__, message=str(exc))


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


def template_of(run: RunFolder, identifier: str) -> TemplateSpec | None:
    """The template of that id, while it is wanted."""
    wanted = read(run.wanted, Wanted) or Wanted(number=0)
    return next((one for one in wanted.templates if one.id == identifier), None)


def _plain(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _hidden(kind: type, value: object) -> Secret:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(kind.__name__)


def by_id(state: State) -> Mapping[str, VersionRecord]:
    """Every version of *state* by its template."""
    return {one.template: one.record for model in state.models for one in (*model.answering.values(), *model.warm)}
