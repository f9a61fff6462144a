"""JSON Schema of every error: the statuses, the names in their bodies, the closed list of problem codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloche.contract.problems import CODES, MAX_PROBLEMS, MAX_VALUE_CHARS

Schema = dict[str, Any]

#: Status → what it means, and the names that may stand under `error`.
ERRORS: dict[int, tuple[str, tuple[str, ...]]] = {
    400: (
        "The body is no JSON, or rows break the contract; `problems` lists every one.",
        ("BadRequest", "InvalidInput", "MalformedBody"),
    ),
    401: ("No key, or not a valid one.", ("Unauthorized",)),
    403: ("A valid key that may not do this; or, without keys, a foreign `Host` or `Origin`.", ("Forbidden",)),
    404: ("No such path, model, contract or version here.", ("ModelRequired", "NotFound", "VersionNotServed")),
    405: ("Not a method of this path; `Allow` lists them.", ("MethodNotAllowed",)),
    406: ("`Accept` takes none of the forms that answers come in.", ("NotAcceptable",)),
    408: ("The request did not arrive in time.", ("RequestTimeout",)),
    411: ("A request that asks for another protocol has to say its `Content-Length`.", ("LengthRequired",)),
    413: ("More bytes or rows than one request may carry.", ("TooLarge",)),
    414: ("The address is too long.", ("UriTooLong",)),
    415: ("Not a content type or encoding that is spoken here.", ("UnsupportedMediaType",)),
    429: ("More requests than the key allows; `Retry-After` says when.", ("RateLimited",)),
    431: ("The head of the request is too large.", ("HeadersTooLarge",)),
    500: ("The server failed; the cause is in its log under the request id.", ("InternalError",)),
    503: ("Not now; `Retry-After` says when.", ("Draining", "LogUnavailable", "NotReady", "Overloaded")),
    504: ("The model did not answer in time.", ("DeadlineExceeded",)),
}
_HEADERS: dict[int, dict[str, Schema]] = {
    401: {"WWW-Authenticate": {"description": "How to send a key.", "schema": {"type": "string"}}},
    405: {"Allow": {"description": "The methods of this path.", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}},
}
#: What any request may meet, and what a predict route adds.
ANYWHERE = (403, 405, 408, 411, 414, 431, 500, 503)
PREDICT = (400, 404, 406, 413, 415, 429, 504)


def references(statuses: Iterable[int]) -> dict[str, Schema]:
    """The `responses` of an operation: a reference for each status."""
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in sorted(statuses)}


def responses() -> dict[str, Schema]:
    """`components.responses`: one an error status."""
    return {_name(status): _response(status) for status in ERRORS}


def _name(status: int) -> str:
    return f"Error{status}"


def _response(status: int) -> Schema:
    description, names = ERRORS[status]
    allowed = {"type": "object", "properties": {"error": {"enum": list(names)}}}
    body = {"application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, allowed]}}}
    headers = {"headers": _HEADERS[status]} if status in _HEADERS else {}
    return {"description": description, **headers, "content": body}


def problem_schema() -> Schema:
    """One thing wrong (or, in `warnings`, unusual) with one field of one row."""
    codes = "\n".join(f"- `{code}`: {meaning}" for code, meaning in CODES.items())
    return {
        "type": "object",
        "properties": {
            "row": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "0-based; null where the body was one object.",
            },
            "field": {"type": ["string", "null"]},
            "code": {"type": "string", "enum": list(CODES), "description": f"A code never changes meaning.\n\n{codes}"},
            "message": {"type": "string"},
            "expected": {"type": "string"},
            "value": {"description": f"What came, at most {MAX_VALUE_CHARS} characters; never of a private field."},
            "suggestion": {"type": "string"},
        },
        "required": ["row", "field", "code", "message"],
        "additionalProperties": False,
    }


def error_schema() -> Schema:
    """The body of every answer that is no success."""
    problems = {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}, "maxItems": MAX_PROBLEMS}
    return {
        "type": "object",
        "properties": {
            "error": {"type": "string", "enum": sorted({name for _, names in ERRORS.values() for name in names})},
            "message": {"type": "string"},
            "request_id": {"type": "string"},
            "problems": problems,
            "problems_total": {"type": "integer", "minimum": 0},
        },
        "required": ["error", "message", "request_id"],
        "additionalProperties": False,
    }
