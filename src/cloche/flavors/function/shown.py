"""What a function is shown: the frame as it is, or a dict of columns with plain values."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from cloche import tables
from cloche.errors import SaveRefusedError, UsageError
from cloche.records import Table

KINDS = ("pandas", "polars", "columns")
SAMPLE_ROWS = 200
_MAPPINGS = ("dict", "Mapping", "MutableMapping")


def takes(function: Callable[[Any], Any], option: Any, inputs: Any) -> str:
    """
    The kind of table that *function* takes: as *option* says, else its annotation, else as the table *inputs* is.

    Raises:
        UsageError: *option* is none of the kinds.
        SaveRefusedError: it takes frames of another library than *inputs* is of, or more than a table.
    """
    if option is not None and option not in KINDS:
        raise UsageError(f"takes: expected one of {', '.join(KINDS)}, got {option!r}")
    annotation = _annotation(function)
    own = _library(inputs)
    wanted = option or _kind(annotation, function) or own or "columns"
    if wanted != "columns" and wanted != own:
        raise SaveRefusedError(
            f"the function takes a {wanted} DataFrame; pass the table as one: inputs={wanted}.DataFrame(…), "
            "or say takes='columns' for a dict of lists"
        )
    return str(wanted)


def _annotation(function: Callable[[Any], Any]) -> Any:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C
        return None
    needed = [
        one for one in parameters if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if len(needed) > 1 or not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise SaveRefusedError(
            "expected a function of one argument, the table of the rows to answer; "
            f"got {function.__name__}{inspect.signature(function)}"
        )
    annotation = parameters[0].annotation
    return None if annotation is inspect.Parameter.empty else annotation


def _kind(annotation: Any, function: Callable[[Any], Any]) -> str | None:
    """The kind that an annotation names; one that is text is read in the function's module."""
    if isinstance(annotation, str):
        head = annotation.partition("[")[0]
        if head.rpartition(".")[2] in _MAPPINGS:
            return "columns"
        owner = getattr(function, "__globals__", {}).get(head.partition(".")[0])
        library = str(getattr(owner, "__module__", None) or getattr(owner, "__name__", "")).partition(".")[0]
        return library if head.endswith("DataFrame") and library in KINDS else None
    origin = getattr(annotation, "__origin__", annotation)
    if getattr(origin, "__name__", "") in _MAPPINGS:
        return "columns"
    library = str(getattr(origin, "__module__", "")).partition(".")[0]
    return library if getattr(origin, "__name__", "") == "DataFrame" and library in KINDS else None


def _library(inputs: Any) -> str | None:
    container = inputs.container if isinstance(inputs, Table) else type(inputs).__module__.partition(".")[0]
    return container if container in KINDS else None


def sample(inputs: Any, kind: str, aside: Sequence[str]) -> Any:
    """The first rows of the training table as the function will be shown them, without the columns *aside*."""
    table = tables.read(inputs)
    names = [name for name in table.columns if name not in aside]
    columns = {name: list(itertools.islice(table.columns[name].to_list(), SAMPLE_ROWS)) for name in names}
    if kind == "columns":
        return columns
    spec = tables.frame_spec(tables.select(table, names))
    return tables.to_frame(columns, spec, min(table.rows, SAMPLE_ROWS))


def count(frame: Any) -> int:
    """How many rows there are."""
    return len(next(iter(frame.values()), [])) if isinstance(frame, dict) else len(frame)
