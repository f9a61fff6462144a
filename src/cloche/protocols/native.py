"""JSON: objects of named fields in, one object out. The native dialect, and what is spoken by default."""

from __future__ import annotations

import msgspec

from cloche.contract.compiled import CompiledContract, ValidRows
from cloche.contract.model import Output
from cloche.protocols.form import Form
from cloche.serving.answers import Prediction

MEDIA_TYPE = "application/json"
_encode = msgspec.json.Encoder().encode
#: What `curl -d` says of everything it sends. A web page may say it too without asking first, but a foreign
#: `Origin` does not pass the gate, and a prediction changes nothing.
_CURL_DEFAULT = "application/x-www-form-urlencoded"


def takes(name: str) -> bool:
    """Whether the media type *name* is JSON."""
    return name in (MEDIA_TYPE, _CURL_DEFAULT) or (name.startswith("application/") and name.endswith("+json"))


def decode(compiled: CompiledContract, body: bytes, max_rows: int | None) -> ValidRows:
    """One object, an array of objects, `{"rows": […]}` or `{"columns": {…}}`."""
    return compiled.decode_json(body, max_rows=max_rows)


def encode(prediction: Prediction, _output: Output, _single: bool) -> bytes:
    """The body of a success."""
    return _encode(prediction)


FORM = Form("JSON", MEDIA_TYPE, takes, decode, encode, MEDIA_TYPE, carries_model=True)
