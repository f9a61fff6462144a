"""
Arrow IPC streams: a table of rows in, a table of answers out. The columns of an answer are those of CSV.

pyarrow is an extra; it is imported with the first body or answer of this form.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from cloche.contract.compiled import CompiledContract, ValidRows
from cloche.contract.model import Output
from cloche.protocols.form import Form, flat_columns
from cloche.serving.answers import Prediction

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
_HOME = "cloche.tables.arrow_stream"
#: So many columns that no contract knows are named in the refusal; a body with more is not read.
_UNKNOWN_COLUMNS = 64
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string"}


@lru_cache(maxsize=1)
def missing() -> str | None:
    """What to install where this form cannot be spoken; None where it can."""
    if importlib.util.find_spec("pyarrow") is not None:
        return None
    return "Arrow needs 'pyarrow' on the server; there: pip install 'cloche[score]'"


def decode(compiled: CompiledContract, body: bytes, max_rows: int | None) -> ValidRows:
    """A stream of batches with one schema."""
    contract = compiled.contract
    most = len(contract.fields) + len(contract.ignored) + _UNKNOWN_COLUMNS
    columns = importlib.import_module(_HOME).columns_of(body, max_rows=max_rows, max_columns=most)
    return compiled.decode_table(columns, max_rows=max_rows)


def encode(prediction: Prediction, output: Output, single: bool) -> bytes:
    """A stream of one batch."""
    columns = {name: _typed(name, values, output) for name, values in flat_columns(prediction, output, single)}
    made: bytes = importlib.import_module(_HOME).stream_of(columns)
    return made


def _typed(name: str, values: list[Any], output: Output) -> tuple[str, list[Any]]:
    """What a column holds by the contract, so that no answer's values decide it."""
    key, _, part = name.partition(".")
    if key != "prediction":
        return "number", values
    kind = _kind(_classes(part, output), output)
    return (f"[{kind}]" if _is_list(output) else kind), _fitting(values, kind)


def _classes(part: str, output: Output) -> Sequence[Any] | None:
    if output.output_classes is not None and output.names is not None and part in output.names:
        return output.output_classes[output.names.index(part)]
    return output.classes


def _kind(classes: Sequence[Any] | None, output: Output) -> str:
    found = {_KINDS.get(type(one), "string") for one in classes or ()}
    if len(found) == 1:
        return found.pop()
    if found == {"integer", "number"}:
        return "number"
    return "string" if found or output.type not in _KINDS.values() else output.type


def _is_list(output: Output) -> bool:
    return output.task == "multilabel" or (output.task == "embedding" and not output.length)


def _fitting(values: list[Any], kind: str) -> list[Any]:
    """Classes of several types are text, as in CSV."""
    if kind == "number":
        return [float(one) if isinstance(one, int) else one for one in values]
    return values if kind != "string" else [_text(one) for one in values]


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


FORM = Form(
    "Arrow",
    MEDIA_TYPE,
    MEDIA_TYPE.__eq__,
    decode,
    encode,
    MEDIA_TYPE,
    text=False,
    missing=missing,
)
