"""
What the processes of one server tell each other: the files of RUN as structs.

`server.json` is written once before anything starts (`server_file.py`). The agent writes `wanted.json` (which templates
are to run, `wanted.py`) and `state.json` (what workers answer with); templates say `ID.ready` or `ID.refused`; each
worker says in `slots/N.json` which state it has applied. Every write replaces the whole file at once.

A process is started as `python -P -m cloche.web.processes.ROLE RUN …` and ends by itself when the descriptor
`--lifeline` closes (`lifeline.py`): agent `--management-fd`, template `--id`, worker `--slot --data-fd`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cloche.keys import Key
from cloche.registry import Promises, VersionRecord
from cloche.web.processes.server_file import ServerFile, read, server_of, write
from cloche.web.processes.wanted import Failure, TemplateSpec, Wanted, template_of

__all__ = [
    "Answers",
    "Failure",
    "ModelState",
    "ServerFile",
    "SlotReport",
    "State",
    "TemplateSpec",
    "Wanted",
    "by_id",
    "read",
    "server_of",
    "template_of",
    "write",
]


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


def by_id(state: State) -> Mapping[str, VersionRecord]:
    """Every version of *state* by its template."""
    return {one.template: one.record for model in state.models for one in (*model.answering.values(), *model.warm)}
