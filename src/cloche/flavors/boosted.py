"""
What the boosters of all libraries share: an estimator with its columns' names, and answers made of its numbers.

A booster is stored in its library's own format and a record of plain data beside it; opening reads nothing else.
"""

from __future__ import annotations

import math
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cloche import tables
from cloche.contract.model import Output
from cloche.errors import MissingFileError, SaveRefusedError, TamperedModelError, UsageError, WrongFormatError
from cloche.flavors.base import Flavor
from cloche.records import FrameColumn, FrameSpec, Outputs
from cloche.trust import TrustPolicy

Array = np.ndarray[Any, Any]

#: A file that takes longer to try out does not open.
TRIAL_TIMEOUT_S = 120.0
#: How files begin that people call models, and that are none of ours.
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04", b"\x1f\x8b", b"\x78\x9c")
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """
    A fitted booster or wrapper of its library, with what its training table says beyond it.

    `columns` are those of the table. `told` is what a flavor read in the file that it opened.
    """

    estimator: Any
    columns: tuple[FrameColumn, ...] = ()
    told: Any = None


def estimator_of(model: Any) -> Any:
    """The library's own object."""
    return model.estimator if isinstance(model, Boosted) else model


def bundled(name: str, model: Any, options: Mapping[str, Any], inputs: Any, aside: Sequence[str] = ()) -> Boosted:
    """
    *model* with what the table *inputs* says of its columns, but for those in *aside*, which it is not shown.

    Raises:
        UsageError: boosters have no options.
    """
    if options:
        raise UsageError(f"{next(iter(options))}: not an option of a {name} model")
    if isinstance(model, Boosted) or inputs is None:
        return model if isinstance(model, Boosted) else Boosted(model)
    found = tables.read(inputs)
    return Boosted(model, tuple(one for one in tables.frame_spec(found).columns if one.name not in aside))


def table_columns(model: Any) -> dict[str, FrameColumn]:
    """The columns of the training table by name; none where there was no table."""
    return {one.name: one for one in model.columns} if isinstance(model, Boosted) else {}


def own_names(kept: Sequence[str], model: Any, rename: Callable[[str], str]) -> tuple[str, ...]:
    """The names that the library *kept*, spelled as the table has them where `rename` changed them."""
    spelled = {rename(name): name for name in table_columns(model)}
    return tuple(spelled.get(name, name) for name in kept)


# -- a record and its file ------------------------------------------------------------------------


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that JSON can hold; callbacks, functions and random states belong to fitting."""
    found = {name: _plain(value) for name, value in parameters.items()}
    return {name: value for name, value in found.items() if _is_plain(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, list):
        return len(value) <= 10_000 and all(_is_plain(one) for one in value)
    return isinstance(value, _PLAIN) and not (isinstance(value, float) and not math.isfinite(value))


def classes_record(classes: Any) -> dict[str, Any]:
    """
    Labels as plain data.

    Raises:
        SaveRefusedError: they are no booleans, numbers or text.
    """
    array = np.asarray(classes)
    values = array.tolist()
    if array.ndim != 1 or not all(isinstance(one, (str, int, float, bool)) for one in values):
        raise SaveRefusedError(f"classes of {array.dtype}: expected text, numbers or booleans; fit with astype(str)")
    return {"dtype": "object" if array.dtype == object else array.dtype.str, "values": values}


def classes_of(record: Any) -> Array:
    """
    What `classes_record` gave.

    Raises:
        TamperedModelError: it is something else.
    """
    try:
        dtype, values = record["dtype"], record["values"]
        if not isinstance(values, list) or not (dtype == "object" or np.dtype(dtype).kind in "biufU"):
            raise TamperedModelError("the record of the classes holds no labels")
        return np.array(values, dtype=object if dtype == "object" else np.dtype(dtype))
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise TamperedModelError(f"the record of the classes: {exc}") from exc


def expect(holds: bool, message: str) -> None:
    """
    Raises:
        TamperedModelError: *holds* is False.
    """
    if not holds:
        raise TamperedModelError(message)


def field(record: Any, name: str, kind: type, default: Any = None) -> Any:
    """
    The entry *name* of a record, of type *kind*.

    Raises:
        TamperedModelError: it is of another type.
    """
    value = record.get(name, default) if isinstance(record, Mapping) else None
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool) != (kind is bool)):
        raise TamperedModelError(f"the record's {name}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def checked_parameters(make: Any, record: Any, name: str) -> dict[str, Any]:
    """
    The parameters of a record, with which an estimator of the class *make* is made.

    Raises:
        TamperedModelError: one is no plain value, or would stand in the place of a method.
    """
    parameters = field(record, "parameters", dict, {})
    proper = all(isinstance(one, str) and one != "self" and not hasattr(make, one) for one in parameters)
    expect(proper and plain_parameters(parameters) == parameters, f"{name}: the record holds no plain parameters")
    return dict(parameters)


def read(directory: Path, options: Mapping[str, Any], files: Mapping[str, bytes] | None, default: str) -> bytes:
    """
    The bytes of a model file: those in *files*, which were verified, or those in *directory*.

    Raises:
        MissingFileError: the manifest does not list it.
    """
    name = str(options.get("file", default))
    if name != default:
        raise TamperedModelError(f"options: expected the file {default}, got {name!r}")
    if files is None:
        return (directory / name).read_bytes()
    if name not in files:
        raise MissingFileError(f"{name}: expected the model, but the manifest lists no such file")
    return files[name]


def refuse_pickle(raw: bytes, name: str, expected: str) -> None:
    """
    Raises:
        WrongFormatError: *raw* is empty, a pickle or an archive.
    """
    if not raw:
        raise WrongFormatError(f"{name}: expected {expected}, got an empty file")
    if raw.startswith(_PICKLES):
        raise WrongFormatError(f"{name}: expected {expected}, got a pickle or an archive, which is never opened here")


def refuse_unfit(
    estimator: Any, wrappers: Mapping[str, Any], fitted: Callable[[Any], bool], library: str, way: str
) -> None:
    """
    Refuse what is no fitted estimator of one of the *wrappers* of *library*; *way* is how a subclass's model is saved.

    Raises:
        SaveRefusedError: it is a class, of another class than the library's own, or not fitted.
    """
    kind = type(estimator).__name__
    if isinstance(estimator, type):
        raise SaveRefusedError(f"expected a fitted model, got the class {estimator.__name__}; call .fit(X, y) first")
    if wrappers.get(kind) is not type(estimator):
        raise SaveRefusedError(
            f"{kind} is no estimator of {library} itself, so it could not be opened elsewhere; {way}"
        )
    if not fitted(estimator):
        raise SaveRefusedError(f"{kind} is not fitted; call .fit(X, y) before saving")


class BoosterFlavor(Flavor):
    """What is alike in the libraries of boosters: the file, and what is done before it is trusted."""

    file: ClassVar[str]

    @abstractmethod
    def opened(self, raw: bytes, name: str) -> Any:
        """
        The library's own model of the checked file *raw*, which messages call *name*.

        Raises:
            WrongFormatError, TamperedModelError
        """

    @abstractmethod
    def check(self, raw: bytes, name: str) -> None:
        """
        Check the content of *raw*; the library does not see it.

        Raises:
            WrongFormatError, TamperedModelError
        """

    @abstractmethod
    def ask(self, model: Any) -> None:
        """Have *model* answer some row."""

    @abstractmethod
    def loaded(self, raw: bytes, record: Mapping[str, Any]) -> Boosted:
        """The estimator of a file and the record that was written with it."""

    def bundle(
        self,
        model: Any,
        options: Mapping[str, Any],
        inputs: Any,
        *,
        targets: Any = None,
        classes: Sequence[Any] | Mapping[Any, Any] | None = None,
        aside: Sequence[str] = (),
    ) -> Any:
        """The model with what its training table says of its columns; it has no options."""
        return bundled(self.name, model, options, inputs, aside)

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> Any:
        """Open the model's file after its content was checked."""
        return self.loaded(read(directory, options, files, self.file), options)

    def open_file(self, path: Path, trust: TrustPolicy) -> Any:
        """Open a file that the library wrote by itself: checked, then tried in a process of its own."""
        raw = path.read_bytes()
        self.check(raw, path.name)
        tried(self.name, path)
        return self.opened(raw, path.name)


def tried(library: str, path: Path) -> None:
    """
    Have *library* open and ask the file *path* in a process of its own: what ends that one does not end this one.

    Raises:
        TamperedModelError: it did not answer.
    """
    command = [sys.executable, "-P", "-m", "cloche.flavors.trial", library, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TRIAL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as exc:
        raise TamperedModelError(f"{path.name}: {library} did not open it within {TRIAL_TIMEOUT_S:g} s") from exc
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1][:300] if said and done.returncode > 0 else f"its process ended by signal {-done.returncode}"
        raise TamperedModelError(f"{path.name}: {library} does not open it: {why}")


# -- answers --------------------------------------------------------------------------------------


def classified(values: Array, classes: Sequence[Any], output: Output) -> Outputs:
    """
    Classes from the probabilities *values*: (n) of the second of two classes, or (n, classes).

    The first of equal probabilities is predicted; with a threshold the second of two, from there on.
    """
    shares = np.column_stack([1.0 - values, values]) if values.ndim == 1 else values
    if output.threshold is not None and shares.shape[1] == 2:
        index = (shares[:, 1] >= output.threshold).astype(np.intp)
    else:
        index = np.argmax(shares, axis=1)
    return labelled(index, shares, classes, output)


def labelled(index: Array, shares: Array | None, classes: Sequence[Any], output: Output) -> Outputs:
    """The classes at the places *index*, by the owner's names where there are any."""
    shown = list(output.classes if output.classes is not None else classes)
    return Outputs(
        [shown[place] for place in index.tolist()],
        shares.tolist() if output.probabilities and shares is not None else None,
    )


def numbers(values: Array, output: Output) -> Outputs:
    """Numbers (n), or several a row (n, k) by their names."""
    if output.task != "multioutput_regression":
        return Outputs(values.reshape(-1).tolist())
    table = values.reshape(len(values), -1)
    names = output.names or tuple(f"y{place}" for place in range(table.shape[1]))
    return Outputs([dict(zip(names, row, strict=True)) for row in table.tolist()])


def as_array(
    frame: FrameSpec, dtypes: frozenset[str], levels: Sequence[tuple[Any, ...] | None] | None = None
) -> FrameSpec:
    """
    *frame* as one numpy array, where every column holds numbers, or categories whose *levels* the booster knows: a
    tuple for each column that it takes for a category.

    A booster reads columns by place, and a category as its code. Building a pandas frame costs a hundred times what
    asking a booster does.
    """
    if frame.container not in ("pandas", "polars"):
        return frame
    known = levels if levels is not None else (None,) * len(frame.columns)
    columns = [_as_numbers(one, dtypes, own) for one, own in zip(frame.columns, known, strict=False)]
    found = tuple(one for one in columns if one is not None)
    return FrameSpec("numpy", found) if len(found) == len(frame.columns) else frame


def _as_numbers(column: FrameColumn, dtypes: frozenset[str], levels: tuple[Any, ...] | None) -> FrameColumn | None:
    if levels is None:
        return FrameColumn(column.name, "float64") if column.dtype in dtypes else None
    if column.levels is not None and set(column.levels) != set(levels):
        return None
    return FrameColumn(column.name, "codes", levels)  # a file's table has text where the model's had categories
