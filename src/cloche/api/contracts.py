"""`cloche contract`: print it, change a rule (a new version with the same model), replay real traffic against it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cloche.api.publishing import publish
from cloche.api.version import Version
from cloche.api.workplace import Workplace
from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, LogInputs
from cloche.contract.problems import MAX_PROBLEMS, Problem
from cloche.errors import InvalidInputError
from cloche.registry import Resolved
from cloche.saving import recontract
from cloche.tables import read, to_wire


@dataclass(frozen=True, slots=True)
class Reason:
    """One code at one field: in how many rows, and the first of them."""

    rows: int
    first: Problem


@dataclass(frozen=True, slots=True)
class Replay:
    """
    What a contract says of real rows: how many would be refused or answered with a warning, and why.

    The reasons are complete, the most frequent first; of single problems and warnings the first 100 are kept.
    """

    rows: int
    refused: int
    warned: int
    reasons: tuple[Reason, ...]
    warning_reasons: tuple[Reason, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


class _Found:
    """The problems of some rows, counted by field and code."""

    def __init__(self) -> None:
        self.rows = 0
        self.first: list[Problem] = []
        self._of: dict[tuple[str | None, str], Problem] = {}
        self._times: Counter[tuple[str | None, str]] = Counter()

    def add(self, row: int, problems: Sequence[Problem]) -> None:
        """Count the problems of *row*."""
        self.rows += 1
        here = [msgspec.structs.replace(one, row=row) for one in problems]
        self.first += here[: MAX_PROBLEMS - len(self.first)]
        kinds = {(one.field, one.code): one for one in reversed(here)}
        self._times.update(kinds.keys())
        self._of = kinds | self._of

    def reasons(self) -> tuple[Reason, ...]:
        """Each kind once, the most frequent first."""
        return tuple(Reason(times, self._of[kind]) for kind, times in self._times.most_common())


def contract_of(here: Workplace, reference: str) -> tuple[Resolved, Contract]:
    """The version that *reference* names and the contract it was published with."""
    found = here.registry.resolve(reference)
    return found, here.registry.contract_of(found.version)


def set_rules(
    here: Workplace,
    reference: str,
    overrides: Mapping[str, Mapping[str, Any]],
    *,
    promote: bool,
    log_inputs: LogInputs | None = None,
) -> Version:
    """
    Publish a new version with the same model and changed rules; *log_inputs* None leaves what the log keeps.

    Raises:
        UsageError: no such field or rule, or a value of the wrong type.
        BreakingContractError: a rule became stricter than the name's contract promises.
    """
    found = here.registry.resolve(reference)
    directory = here.registry.fetch(found.version, here.settings.cache, here.trust)
    with tempfile.TemporaryDirectory(prefix="cloche-contract-") as root:
        staged = recontract(
            directory, overrides, root=Path(root), trust=here.trust, created_by=here.user, log_inputs=log_inputs
        )
        return publish(here, staged, promote=promote)


def check_table(contract: Contract, data: Any, *, strict: bool = False) -> Replay:
    """Say which rows of *data* the contract would refuse, and why; nothing is predicted."""
    compiled = compile_contract(contract, strict=strict)
    rows = to_wire(read(data))
    refused, warned = _Found(), _Found()
    for number, row in enumerate(rows):
        try:
            warnings = compiled.validate([row], single=True).warnings
        except InvalidInputError as exc:
            refused.add(number, exc.problems)
        else:
            if warnings:
                warned.add(number, warnings)
    return Replay(
        rows=len(rows),
        refused=refused.rows,
        warned=warned.rows,
        reasons=refused.reasons(),
        warning_reasons=warned.reasons(),
        problems=tuple(refused.first),
        warnings=tuple(warned.first),
    )
