"""
The dialect of MLflow's scoring server (3.x): `POST /invocations`, `GET /ping` and `/version`.

A body is an object with exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`, or CSV; the
answer is `{"predictions": […]}`. `params` are taken and have no effect, as with a model of MLflow that declares none.
The rows themselves are read by the contract, as in every other dialect; fields that it does not know are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cloche.contract.compiled import CompiledContract, ValidRows
from cloche.contract.model import Output
from cloche.contract.strict_json import RepeatedKeys, parse
from cloche.errors import MalformedBodyError, TooLargeError
from cloche.protocols import csv_table
from cloche.protocols.dialect import Dialect
from cloche.protocols.form import Form
from cloche.serving.answers import Prediction

MEDIA_TYPE = "application/json"
_LAYOUTS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_LISTED = ", ".join(f"'{name}'" for name in _LAYOUTS)
_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """The usual bodies; whatever is odd about one is left to the slow way."""

    dataframe_records: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_body = msgspec.json.Decoder(_Body)


def decode(compiled: CompiledContract, body: bytes, max_rows: int | None) -> ValidRows:
    """
    The rows of a JSON body.

    Raises:
        MalformedBodyError: it is no JSON, or has not exactly one of the four layouts.
        TooLargeError, InvalidInputError: as the contract says.
    """
    records = _records(body)
    if records is not None:
        return compiled.decode_json(records, max_rows=max_rows)
    parsed = parse(body)
    rows = _rows_of(parsed.value, tuple(field.name for field in compiled.contract.inputs))
    if max_rows is not None and len(rows) > max_rows:
        raise TooLargeError(f"rows: at most {max_rows} a request, got {len(rows)}; send them in parts")
    valid = compiled.validate(rows, single=False)
    if parsed.not_json is not None:
        raise MalformedBodyError(f"{parsed.not_json} is not JSON; send null for a missing value")
    return valid


def _records(body: bytes) -> bytes | None:
    """The array of objects that a usual body holds, as it stands; None where the body is to be looked at closely."""
    try:
        found = _body.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    given = [one for one in (found.dataframe_records, found.instances, found.inputs) if one is not msgspec.UNSET]
    raw = bytes(given[0]) if len(given) == 1 else b""
    plain = raw[:1] == b"[" and raw[1:].lstrip()[:1] == b"{"
    # A key that stands twice has quotes of its own: msgspec would take the last one without a word.
    return raw if plain and body.count(b'"') == raw.count(b'"') + 2 else None


def _rows_of(body: Any, names: Sequence[str]) -> list[Any]:
    if not isinstance(body, dict):
        raise MalformedBodyError(f"expected a JSON object with exactly one of {_LISTED}")
    if isinstance(body, RepeatedKeys):
        raise MalformedBodyError(f"the key '{body.repeated[0]}' stands twice")
    given = [name for name in _LAYOUTS if name in body]
    strange = [name for name in body if name not in (*_LAYOUTS, "params")]
    if len(given) != 1 or strange:
        came = ", ".join(f"'{name}'" for name in [*given, *strange][:10]) or "none of them"
        raise MalformedBodyError(f"expected a JSON object with exactly one of {_LISTED} (and 'params'), got {came}")
    layout, value = given[0], body[given[0]]
    if layout == "dataframe_split":
        return _split(value, names)
    if layout == "dataframe_records":
        return _list(layout, value)
    return _tensors(layout, value, names)


def _split(value: Any, names: Sequence[str]) -> list[Any]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise MalformedBodyError("'dataframe_split' has to hold an object with 'columns' and 'data'")
    columns = value.get("columns", list(names))
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise MalformedBodyError("'dataframe_split': 'columns' has to hold an array of names")
    return [_named("dataframe_split", row, columns) for row in value["data"]]


def _tensors(layout: str, value: Any, names: Sequence[str]) -> list[Any]:
    """Rows as objects or as arrays in the model's order; for `inputs` also one object of columns, or of one row."""
    if layout == "inputs" and isinstance(value, dict):
        if not any(isinstance(one, list) for one in value.values()):
            return [value]
        return _columns(value)
    return [row if isinstance(row, dict) else _named(layout, row, names) for row in _list(layout, value)]


def _columns(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    if isinstance(value, RepeatedKeys):
        raise MalformedBodyError(f"'inputs': the column '{value.repeated[0]}' stands twice")
    lists = [one for one in value.values() if isinstance(one, list)]
    if len(lists) != len(value) or len({len(one) for one in lists}) > 1:
        raise MalformedBodyError("'inputs': every column has to hold an array, all of one length")
    return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]


def _named(layout: str, row: Any, names: Sequence[str]) -> dict[str, Any]:
    if not isinstance(row, list) or len(row) != len(names):
        came = f"{len(row)} values" if isinstance(row, list) else "no array"
        raise MalformedBodyError(f"'{layout}': expected rows of {len(names)} values, got {came}")
    if len(set(names)) != len(names):
        raise MalformedBodyError(f"'{layout}': a column stands twice")
    return dict(zip(names, row, strict=True))


def _list(layout: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedBodyError(f"'{layout}' has to hold an array of rows")
    return value


def encode(prediction: Prediction, _output: Output, single: bool) -> bytes:
    """`{"predictions": […]}`: an item a row, an object by name where the model has several outputs."""
    return _encode({"predictions": [prediction.prediction] if single else prediction.prediction})


#: MLflow's words by status; what is not here is `BAD_REQUEST` or `INTERNAL_ERROR`.
_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "ENDPOINT_NOT_FOUND",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error(status: int, name: str, message: str, request_id: str, problems: Sequence[Any]) -> bytes:
    """`{"error_code", "message"}` as MLflow words it, with what our own errors tell besides."""
    code = "INVALID_PARAMETER_VALUE" if name == "InvalidInput" else _CODES.get(status)
    content: dict[str, Any] = {
        "error_code": code or ("BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"),
        "message": message,
        "request_id": request_id,
    }
    return _encode(content | ({"problems": problems} if problems else {}))


def _takes_json(name: str) -> bool:
    return name == MEDIA_TYPE


_JSON = Form("JSON", MEDIA_TYPE, _takes_json, decode, encode, MEDIA_TYPE)
_CSV = Form("CSV", csv_table.MEDIA_TYPE, csv_table.takes, csv_table.decode, encode, MEDIA_TYPE)
DIALECT = Dialect("mlflow", (_JSON, _CSV), error)
