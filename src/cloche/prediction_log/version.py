"""Which version answered, and with what: all that a record needs to know of the rest of cloche."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cloche.contract.compiled import ValidRows
from cloche.contract.model import Contract
from cloche.contract.problems import Problem
from cloche.records import Outputs


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LoggedVersion:
    """A version whose answers are recorded; *reference* are the inputs of its `reference.json`."""

    model: str
    version: int
    number: int
    engine: str
    contract: Contract
    reference: Mapping[str, Mapping[str, Any]] | None = None


class Answered(msgspec.Struct, frozen=True):
    """
    Which version a request reached by which route ("live", or "pinned"), and what came of it.

    `rows` and `outputs` are None where it was not answered with predictions; `problems` says what was wrong with it.
    """

    version: LoggedVersion
    route: str
    rows: ValidRows | None = None
    outputs: Outputs | None = None
    problems: Sequence[Problem] = ()
