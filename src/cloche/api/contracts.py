"""`cloche contract`: print it, change a rule (a new version with the same model), replay real traffic against it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloche.api.publishing import publish
from cloche.api.version import Version
from cloche.api.workplace import Workplace
from cloche.contract.compiled import compile_contract
from cloche.contract.model import Contract, LogInputs
from cloche.contract.problems import Problem
from cloche.errors import InvalidInputError
from cloche.registry import Resolved
from cloche.saving import recontract
from cloche.tables import read, to_wire


@dataclass(frozen=True, slots=True)
class Replay:
    """What a contract says of real rows: how many would be refused or answered with a warning, and why (≤ 100 each)."""

    rows: int
    refused: int
    warned: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


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
    directory = here.registry.fetch(found.version, here.settings.cache)
    with tempfile.TemporaryDirectory(prefix="cloche-contract-") as root:
        staged = recontract(
            directory, overrides, root=Path(root), trust=here.trust, created_by=here.user, log_inputs=log_inputs
        )
        return publish(here, staged, promote=promote)


def check_table(contract: Contract, data: Any, *, strict: bool = False) -> Replay:
    """Say which rows of *data* the contract would refuse, and why; nothing is predicted."""
    compiled = compile_contract(contract, strict=strict)
    rows = to_wire(read(data))
    refused, warned = 0, 0
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for number, row in enumerate(rows):
        try:
            valid = compiled.validate([row], single=True)
        except InvalidInputError as exc:
            refused += 1
            problems += (_at(number, one) for one in exc.problems[: 100 - len(problems)])
        else:
            warned += bool(valid.warnings)
            warnings += (_at(number, one) for one in valid.warnings[: 100 - len(warnings)])
    return Replay(len(rows), refused, warned, tuple(problems), tuple(warnings))


def _at(row: int, problem: Problem) -> Problem:
    return Problem(
        row=row,
        field=problem.field,
        code=problem.code,
        message=problem.message,
        expected=problem.expected,
        value=problem.value,
        suggestion=problem.suggestion,
    )
