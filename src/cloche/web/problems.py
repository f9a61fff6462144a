"""The only place that knows which error is which HTTP status, and what an error body looks like."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from cloche import errors
from cloche.errors import InvalidInputError, RateLimitedError, ServingError
from cloche.protocols.dialect import get_dialect

#: (status, the name in the body); the nearest ancestor of an exception's class decides.
STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.RequestError: (400, "BadRequest"),
    errors.MalformedBodyError: (400, "MalformedBody"),
    errors.InvalidInputError: (400, "InvalidInput"),
    errors.UnauthorizedError: (401, "Unauthorized"),
    errors.ForbiddenError: (403, "Forbidden"),
    errors.NotFoundError: (404, "NotFound"),
    errors.ModelRequiredError: (404, "ModelRequired"),
    errors.VersionNotServedError: (404, "VersionNotServed"),
    errors.NotAcceptableError: (406, "NotAcceptable"),
    errors.RequestTimeoutError: (408, "RequestTimeout"),
    errors.TooLargeError: (413, "TooLarge"),
    errors.UnsupportedMediaTypeError: (415, "UnsupportedMediaType"),
    errors.RateLimitedError: (429, "RateLimited"),
    errors.NotReadyError: (503, "NotReady"),
    errors.OverloadedError: (503, "Overloaded"),
    errors.DrainingError: (503, "Draining"),
    errors.LogUnavailableError: (503, "LogUnavailable"),
    errors.DeadlineExceededError: (504, "DeadlineExceeded"),
}
#: Statuses that no exception stands for: the gate and the connection say them.
NAMES = {
    405: "MethodNotAllowed",
    411: "LengthRequired",
    414: "UriTooLong",
    431: "HeadersTooLarge",
    505: "HttpVersionNotSupported",
}
INTERNAL = (500, "InternalError")
_OPAQUE = "the server failed to answer; the cause is in its log under this request id"


def status_of(exc: BaseException) -> tuple[int, str]:
    """The nearest ancestor with a status decides; anything else is 500."""
    return next((STATUS[kind] for kind in type(exc).__mro__ if kind in STATUS), INTERNAL)


def message_of(exc: BaseException) -> str:
    """What the caller is told: never the text of an error that is ours or the model's."""
    return _OPAQUE if status_of(exc) == INTERNAL else str(exc)


def extra_headers(exc: BaseException) -> tuple[tuple[str, str], ...]:
    """`Retry-After` where waiting helps, `WWW-Authenticate` where a key is asked for."""
    if isinstance(exc, errors.UnauthorizedError):
        return (("www-authenticate", 'Bearer realm="cloche"'),)
    if isinstance(exc, ServingError | RateLimitedError) and exc.retry_after_s is not None:
        return (("retry-after", str(max(1, math.ceil(exc.retry_after_s)))),)
    return ()


def body(
    status: int,
    error: str,
    message: str,
    request_id: str,
    exc: BaseException | None = None,
    *,
    dialect: str | None = None,
) -> bytes:
    """The JSON body of every answer that is no success, in the words of the *dialect* it was asked in."""
    if dialect is not None:
        found = exc.problems if isinstance(exc, InvalidInputError) else ()
        return get_dialect(dialect).error(status, error, message, request_id, found)
    content: dict[str, Any] = {"error": error, "message": message, "request_id": request_id}
    if isinstance(exc, InvalidInputError):
        content["problems"] = exc.problems
        content["problems_total"] = exc.total
    return msgspec.json.encode(content)
