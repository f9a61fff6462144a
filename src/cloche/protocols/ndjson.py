"""NDJSON: one JSON object a line, in and out."""

from __future__ import annotations

import msgspec

from cloche.contract.compiled import CompiledContract, ValidRows
from cloche.contract.model import Output
from cloche.protocols.form import Form, rows_of, warnings_by_row
from cloche.serving.answers import Prediction

MEDIA_TYPE = "application/x-ndjson"
#: It was never registered, so others call it otherwise.
_ALIASES = (MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines")


def decode(compiled: CompiledContract, body: bytes, max_rows: int | None) -> ValidRows:
    """One object a line."""
    return compiled.decode_ndjson(body, max_rows=max_rows)


def encode(prediction: Prediction, _output: Output, single: bool) -> bytes:
    """One line a row, as that row alone is answered; its warnings with it."""
    warnings = warnings_by_row(prediction)
    lines = [
        row | {"warnings": warnings[place]} if place in warnings else row
        for place, row in enumerate(rows_of(prediction, single))
    ]
    return msgspec.json.Encoder().encode_lines(lines)


FORM = Form("NDJSON", MEDIA_TYPE, _ALIASES.__contains__, decode, encode, MEDIA_TYPE)
