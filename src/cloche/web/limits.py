"""
Every limit of the data port as one table: docs/reference/limits.md is made from it, and a test breaks each.

They are kept where they belong (the connection, the gate, the predict route); here stands what callers may rely on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """
    What may not be exceeded, and how it is answered.

    *setting* is a field of `[server]`, None where nobody may move it; *status* is None where the connection is closed
    without a word. *message* is the answer's, `…` standing for what came.
    """

    name: str
    meaning: str
    setting: str | None
    status: int | None
    error: str | None
    message: str


LIMITS: tuple[Limit, ...] = (
    Limit(
        "body size",
        "Bytes of a body, by its Content-Length or, in chunks, as they arrive.",
        "max_body_bytes",
        413,
        "TooLarge",
        "body: at most 2000000 bytes, got …; send fewer rows a request",
    ),
    Limit(
        "content coding",
        "A body comes as it is: a small packed one could unpack to any size.",
        None,
        415,
        "UnsupportedMediaType",
        "Content-Encoding: send the body plain, got '…'",
    ),
    Limit(
        "rows",
        "Rows of a request.",
        "max_rows",
        413,
        "TooLarge",
        "rows: at most 10000 a request, got …; send them in parts",
    ),
    Limit(
        "JSON depth",
        "Arrays and objects inside each other.",
        "max_json_depth",
        400,
        "MalformedBody",
        "the body is nested too deeply: at most 64 levels, got more",
    ),
    Limit(
        "text length",
        "Bytes of one text in a body, in CSV of one cell; a contract may say less for a field.",
        "max_text_bytes",
        413,
        "TooLarge",
        "text: at most 1000000 bytes, got …",
    ),
    Limit(
        "header count", "Headers of a request.", "max_headers", 431, "HeadersTooLarge", "headers: at most 100, got more"
    ),
    Limit(
        "header size",
        "Bytes of all headers together, and of trailers.",
        "max_header_bytes",
        431,
        "HeadersTooLarge",
        "headers: at most 32768 bytes, got more",
    ),
    Limit(
        "URL length",
        "Bytes of the request target.",
        "max_url_bytes",
        414,
        "UriTooLong",
        "URL: at most 8192 bytes, got … or more",
    ),
    Limit(
        "time for the head",
        "From the first byte of a request, or from the connection, to the end of its headers.",
        "header_timeout_s",
        408,
        "RequestTimeout",
        "headers: not complete after 10 s",
    ),
    Limit(
        "time for the body",
        "From the end of the headers to the last byte of the body.",
        "body_timeout_s",
        408,
        "RequestTimeout",
        "body: not complete after 30 s",
    ),
    Limit(
        "time without reading",
        "A caller that takes no byte of its answers for so long is cut off.",
        "body_timeout_s",
        None,
        None,
        "",
    ),
    Limit("idle connection", "Time between two requests of a connection.", "keep_alive_s", None, None, ""),
    Limit("TLS handshake", "Time for the handshake of a connection.", "handshake_timeout_s", None, None, ""),
    Limit(
        "connections of an address",
        "Open at once, in each worker. Named proxies (`forwarded_allow`) are not counted.",
        "max_connections_per_client",
        429,
        "RateLimited",
        "connections: at most 500 from one address, this is number …",
    ),
    Limit(
        "requests in flight",
        "Admitted and not answered, in each worker. `/health`, `/live` and `/ready` are exempt.",
        "max_in_flight",
        503,
        "Overloaded",
        "requests in flight: at most 1000, and … are",
    ),
    Limit(
        "rows waiting",
        "Before one version's engine, in each worker.",
        "queue_rows",
        503,
        "Overloaded",
        "…: … rows wait already (at most 10000)",
    ),
    Limit(
        "time for the answer",
        "From the moment the rows are handed to the model. What has not begun by then never begins.",
        "request_timeout_s",
        504,
        "DeadlineExceeded",
        "…: no answer within 30 s",
    ),
    Limit(
        "the caller's time",
        "`X-Request-Timeout-Ms`, whole milliseconds from the end of the headers; the server's own limit stays.",
        None,
        504,
        "DeadlineExceeded",
        "no answer within the … ms of X-Request-Timeout-Ms",
    ),
    Limit(
        "rate of a key",
        "`cloche keys create --rate`: a bucket for each key, shared by the workers of a host; each host has its own.",
        None,
        429,
        "RateLimited",
        "key '…': at most 100/s on this host; try again in … s",
    ),
    Limit(
        "rate of a model",
        "`--model-rate NAME=100/s`: predictions by whomever, shared by the workers of a host; each host has its own.",
        "model_rate",
        429,
        "RateLimited",
        "model '…': at most 100/s on this host; try again in … s",
    ),
)

#: What no setting allows: refused before any route, with 400 unless it says otherwise.
NEVER: tuple[str, ...] = (
    "HTTP/0.9 and HTTP/2 without negotiation (505)",
    "no Host header in HTTP/1.1, two of them, or one that is no name or address",
    "a Content-Length that is empty, signed, a list, too long, given twice, or stands beside Transfer-Encoding",
    "a Transfer-Encoding other than `chunked`, given twice, or in HTTP/1.0",
    "a header that goes on in the next line (obsolete folding)",
    "control characters in a header's value; anything but letters, digits and `!#$%&'*+-.^_|~` in its name",
    "space before the colon, a line that ends without CR LF, a chunk size that is no hexadecimal number",
    "anything but visible ASCII in the request target",
)
