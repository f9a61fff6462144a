"""`cloche compare`: the same rows to an old server and to a version here, before the one replaces the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cloche.api.loading import load
from cloche.api.other_servers import OtherServer, RefusedByOtherError, Rows
from cloche.engines.parity import same
from cloche.errors import InvalidInputError
from cloche.manifest import Tolerance
from cloche.serving import Model, Prediction

_CHUNK = 100
MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Refused:
    """No answer: why not."""

    why: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A row (0-based) that the two answer differently; answers, never inputs."""

    row: int
    theirs: Any
    ours: Any


@dataclass(frozen=True, slots=True)
class Compared:
    """
    What came of it. `compared` says what was: "predictions", or "probabilities" where that is what they answer.

    `both_refused` rows were answered by neither, `why_refused` says why the first of them was not answered here;
    `differing` counts all, `differences` holds the first of them.
    """

    rows: int
    equal: int
    both_refused: int
    differing: int
    differences: tuple[Difference, ...]
    worst: float | None
    compared: str
    tolerance: Tolerance
    ours: str
    theirs: str
    why_refused: str | None = None

    @property
    def alike(self) -> bool:
        """Whether rows were answered, and all of them alike: where both refuse every row, nothing was compared."""
        return self.equal > 0 and not self.differing


def compare(
    server: OtherServer, reference: str, rows: Rows, *, tolerance: float | None = None, store: str | None = None
) -> Compared:
    """
    Ask *server* and the version that *reference* names, row by row the same.

    Numbers may differ by the tolerance of the version's manifest, or by *tolerance* (absolute, and relative to theirs).

    Raises:
        NotFoundError, ArtifactError: the version is not there or does not open.
        ServerUnreachableError, ServingError: the server does not answer, or not so.
    """
    model = load(reference, store=store)
    allowed = model.manifest.tolerance
    if tolerance is not None:
        allowed = replace_tolerance(allowed, tolerance)
    tally = _Tally(allowed, model)
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        for place, (theirs, ours) in enumerate(zip(_theirs(server, chunk), _ours(model, chunk), strict=True)):
            tally.add(start + place, theirs, ours)
    return tally.result(len(rows), f"{model.name}@{model.version}", server.url)


def replace_tolerance(known: Tolerance, wanted: float) -> Tolerance:
    """The same for the number type, as wide as *wanted*."""
    return Tolerance(known.dtype, wanted, wanted)


def _theirs(server: OtherServer, rows: Rows) -> list[Any]:
    """One answer a row; where a batch is refused its halves are asked, down to the rows that it is refused for."""
    try:
        return server.ask(rows)
    except RefusedByOtherError as exc:
        if len(rows) == 1:
            return [Refused(str(exc))]
    middle = len(rows) // 2
    return [*_theirs(server, rows[:middle]), *_theirs(server, rows[middle:])]


@dataclass(frozen=True, slots=True)
class _Own:
    """Our answer for a row."""

    prediction: Any
    probabilities: tuple[float, ...] | None


def _ours(model: Model, rows: Rows) -> list[_Own | Refused]:
    try:
        return list(_by_row(model.predict(list(map(dict, rows))), len(rows)))
    except Exception as exc:  # noqa: BLE001  a model may raise anything; the row is told which it is
        if len(rows) == 1:
            return [Refused(_why(exc))]
    return [one for row in rows for one in _ours(model, [row])]


def _why(exc: Exception) -> str:
    if isinstance(exc, InvalidInputError):
        alone = (msgspec.structs.replace(problem, row=None) for problem in exc.problems[:3])  # its row is the caller's
        return "; ".join(problem.text() for problem in alone)
    return f"{type(exc).__name__}: {exc}"[:300]


def _by_row(found: Prediction, n: int) -> Iterator[_Own]:
    shares = found.probabilities
    plain = shares is not None and all(isinstance(one, list) for one in shares.values())
    columns = list((shares or {}).values()) if plain else []
    for row in range(n):
        yield _Own(found.prediction[row], tuple(column[row] for column in columns) if plain else None)


class _Tally:
    def __init__(self, tolerance: Tolerance, model: Model) -> None:
        self._tolerance = tolerance
        self._classes = len(model.contract.output.classes or ())
        self._equal = self._neither = self._differing = 0
        self._shown: list[Difference] = []
        self._worst: float | None = None
        self._why_refused: str | None = None
        self._compared = "predictions"

    def add(self, row: int, theirs: Any, ours: _Own | Refused) -> None:
        if isinstance(theirs, Refused) and isinstance(ours, Refused):
            self._neither += 1
            self._why_refused = self._why_refused or f"row {row}: {ours.why}"
            return
        if isinstance(theirs, Refused) or isinstance(ours, Refused):
            own: Any = ours.prediction if isinstance(ours, _Own) else ours
            self._differ(row, theirs, own)
            return
        theirs, mine = self._alike(theirs, ours)
        self._measure(theirs, mine)
        if same(_numbers(theirs), _numbers(mine), self._tolerance):
            self._equal += 1
        else:
            self._differ(row, theirs, mine)

    def _alike(self, theirs: Any, ours: _Own) -> tuple[Any, Any]:
        """Both in one shape: a list of as many numbers as there are classes is a row of probabilities."""
        if isinstance(theirs, list) and len(theirs) == 1 and not isinstance(ours.prediction, list):
            theirs = theirs[0]
        if ours.probabilities is None or isinstance(ours.prediction, list):
            return theirs, ours.prediction
        if isinstance(theirs, Mapping) and len(theirs) == self._classes:
            theirs = list(theirs.values())
        if isinstance(theirs, list) and len(theirs) == self._classes:
            self._compared = "probabilities"
            return theirs, list(ours.probabilities)
        return theirs, ours.prediction

    def _measure(self, theirs: Any, ours: Any) -> None:
        pairs = (
            zip(theirs, ours, strict=False) if isinstance(theirs, list) and isinstance(ours, list) else [(theirs, ours)]
        )
        for one, other in pairs:
            if _is_number(one) and _is_number(other):
                self._worst = max(self._worst or 0.0, abs(one - other))

    def _differ(self, row: int, theirs: Any, ours: Any) -> None:
        self._differing += 1
        if len(self._shown) < MAX_SHOWN:
            self._shown.append(Difference(row, theirs, ours))

    def result(self, rows: int, ours: str, theirs: str) -> Compared:
        return Compared(
            rows, self._equal, self._neither, self._differing, tuple(self._shown), self._worst, self._compared,
            self._tolerance, ours, theirs, self._why_refused,
        )  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _numbers(value: Any) -> Any:
    """Whole numbers as others write them (`2.0` for `2`) are compared as numbers."""
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53 else value
