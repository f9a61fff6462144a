"""
The forms that rows and answers come in: JSON, CSV, NDJSON, Arrow.

A form is one file and one line in `FORMS`; the first one is what is spoken where nobody says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloche.contract.compiled import CompiledContract, ValidRows
from cloche.errors import NotAcceptableError, UnsupportedMediaTypeError
from cloche.protocols import arrow, csv_table, native, ndjson
from cloche.protocols.form import Form
from cloche.protocols.media_types import MediaType, preferred

FORMS: tuple[Form, ...] = (native.FORM, csv_table.FORM, ndjson.FORM, arrow.FORM)
_BY_NAME = {form.media_type: form for form in FORMS}
_TYPES = ", ".join(repr(form.media_type) for form in FORMS)
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii")


def form_of_body(content_type: str | None, among: Sequence[Form] = FORMS) -> Form:
    """
    The form of a body *among* those that are spoken; without a content type it is the first of them, JSON.

    Raises:
        UnsupportedMediaTypeError: no form here, or not in UTF-8.
    """
    if content_type is None or content_type == native.MEDIA_TYPE:
        return among[0]
    media = MediaType.parse(content_type)
    form = next((form for form in among if form.takes(media.name)), None)
    if form is None:
        spoken = ", ".join(repr(one.media_type) for one in among)
        raise UnsupportedMediaTypeError(f"Content-Type: expected one of {spoken}, got '{content_type[:64]}'")
    if (lacking := form.missing()) is not None:
        raise UnsupportedMediaTypeError(f"Content-Type: {lacking}")
    charset = media.parameters.get("charset", "")
    if charset not in _CHARSETS:
        raise UnsupportedMediaTypeError(f"Content-Type: {form.name} is UTF-8 here, got charset '{charset[:32]}'")
    if media.parameters.get("header") == "absent":
        raise UnsupportedMediaTypeError("Content-Type: CSV needs a header row that names the fields")
    return form


def form_of_answer(accept: str | None) -> Form:
    """
    The form that the `Accept` header asks for; JSON where it says nothing.

    Raises:
        NotAcceptableError: it takes none of the forms here.
    """
    if not accept or accept == "*/*" or accept == native.MEDIA_TYPE:
        return FORMS[0]
    name = preferred(accept, [form.media_type for form in FORMS if form.missing() is None])
    if name is not None:
        return _BY_NAME[name]
    wanted = preferred(accept, tuple(_BY_NAME))
    if wanted is not None:
        raise NotAcceptableError(f"Accept: {_BY_NAME[wanted].missing()}")
    raise NotAcceptableError(f"Accept: expected one of {_TYPES}, got '{accept[:64]}'")


def decode(
    body: bytes, content_type: str | None, compiled: CompiledContract, *, max_rows: int | None = None
) -> ValidRows:
    """
    The rows in *body*.

    Raises:
        UnsupportedMediaTypeError: the content type is none that is spoken here.
        MalformedBodyError: the body is not what its content type says, or not of a known layout.
        TooLargeError: more than *max_rows* rows; no rule was applied to them.
        InvalidInputError: rows break the contract, with every problem at once.
    """
    return form_of_body(content_type).decode(compiled, body, max_rows)
