"""
CSV: a table of rows in, a table of answers out (RFC 4180, UTF-8, CRLF, always with a header).

The columns of an answer are the keys of the JSON answer, with a point before what lies inside:
`prediction`, `confidence`, `probabilities.Adelie`; `prediction.low` where there are several outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from cloche.contract.compiled import CompiledContract, ValidRows
from cloche.contract.model import Output
from cloche.protocols.form import Form, flat_columns
from cloche.serving.answers import Prediction

MEDIA_TYPE = "text/csv"
_TO_QUOTE = re.compile(r'[",\r\n]')


def takes(name: str) -> bool:
    """Whether the media type *name* is CSV."""
    return name in (MEDIA_TYPE, "application/csv")


def decode(compiled: CompiledContract, body: bytes, max_rows: int | None) -> ValidRows:
    """A header, then one line a row."""
    return compiled.decode_csv(body, max_rows=max_rows)


def encode(prediction: Prediction, output: Output, single: bool) -> bytes:
    """A header, then one line a row."""
    columns = dict(flat_columns(prediction, output, single))
    return table(list(columns), zip(*columns.values(), strict=True)).encode()


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """
    CSV of JSON values: null is an empty cell, a list is JSON in one cell.

    Where that would be a blank line, which readers skip, the cell is `""`.
    """
    lines = [",".join(map(_cell, names)), *(",".join(map(_cell, row)) or '""' for row in rows)]
    return "".join(f"{line}\r\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if text and not _TO_QUOTE.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


FORM = Form("CSV", MEDIA_TYPE, takes, decode, encode, f"{MEDIA_TYPE}; charset=utf-8")
