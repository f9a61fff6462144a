"""A model of tensors behind columns and answers, whatever runs it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from cloche.contract.model import Output
from cloche.errors import MissingExtraError
from cloche.onnx import answers, feeds
from cloche.onnx.interface import Interface
from cloche.records import Columns, Outputs

_SESSION = "cloche.onnx.session"
#: Tensors for some of the rows, by place: what a preparer gives, a group for each that has to run by itself.
Group = tuple[list[int], feeds.Feeds]
Prepare = Callable[[Columns, int], Iterable[Group]]


class Session(Protocol):
    """What runs a model: its tensors by name as (type, shape), as onnxruntime says them, and arrays in, arrays out."""

    @property
    def inputs(self) -> dict[str, tuple[str, tuple[Any, ...]]]: ...

    @property
    def outputs(self) -> dict[str, tuple[str, tuple[Any, ...]]]: ...

    def check(self, interface: Interface) -> None: ...

    def run(self, names: list[str], feeds: feeds.Feeds) -> dict[str, Any]: ...


def open_session(raw: bytes) -> Session:
    """
    The session of *raw*; see `session.Session`.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ArtifactError: the model is refused.
    """
    try:
        home = importlib.import_module(_SESSION)
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("cloche"):
            raise
        raise MissingExtraError("the engine 'onnx'", exc.name or "onnxruntime", "onnx") from exc
    session: Session = home.Session(raw)
    return session


class Runner:
    """Answers with a model of tensors under one contract."""

    def __init__(self, session: Session, interface: Interface, output: Output, prepare: Prepare | None = None) -> None:
        """
        Raises:
            ArtifactError: the interface is not that of the model.
        """
        session.check(interface)
        self.session = session
        self._interface = interface
        self._output = output
        self._makers = {one.name: feeds.maker(one) for one in interface.inputs}
        self._names = [one.name for one in interface.outputs]
        self._prepare = prepare or self._all

    def predict(self, columns: Columns, n: int) -> Outputs:
        """
        What the model answers for *n* rows.

        Raises:
            ValueError: it takes no such value.
        """
        groups = list(self._prepare(columns, n))
        in_order = len(groups) == 1 and groups[0][0] == list(range(n))
        if in_order and (n == 1 or not self._interface.one_row):
            return self._answers(groups[0][1], n)
        parts = [(rows, self._answers(fed, len(rows))) for group in groups for rows, fed in self._parts(group)]
        return _merged(parts, n)

    def _all(self, columns: Columns, n: int) -> Iterable[Group]:
        return [(list(range(n)), feeds.feeds(self._makers, columns, n))]

    def _parts(self, group: Group) -> Iterable[Group]:
        rows, fed = group
        if not self._interface.one_row:
            return [group]
        return [([row], {name: array[at : at + 1] for name, array in fed.items()}) for at, row in enumerate(rows)]

    def _answers(self, fed: feeds.Feeds, n: int) -> Outputs:
        return answers.answers(self._interface, self._output, self.session.run(self._names, fed), n)


def _merged(parts: list[tuple[list[int], Outputs]], n: int) -> Outputs:
    """Answers of groups of rows, in the order of the rows."""
    order = np.argsort([row for rows, _ in parts for row in rows], kind="stable").tolist()

    def put(values: list[Any]) -> list[Any]:
        return [values[place] for place in order]

    first = parts[0][1]
    return Outputs(
        put([one for _, part in parts for one in part.prediction]),
        None if first.probabilities is None else put([one for _, part in parts for one in part.probabilities or ()]),
        None if first.score is None else put([one for _, part in parts for one in part.score or ()]),
    )
