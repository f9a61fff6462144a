"""
`python -m cloche.deploy.health`: whether the server of this container answers; what HEALTHCHECK runs, without curl.

Exit status 0 where `/ready` is 200, else 1 and one line why. It reads `CLOCHE_SERVER_PORT` and whether TLS is on, and
imports the standard library only: it runs every half minute.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys
from collections.abc import Mapping

_WITHIN_S = 4.0


def check(environ: Mapping[str, str]) -> str | None:
    """Why the server is not healthy; None where it is."""
    host = environ.get("CLOCHE_SERVER_HOST", "127.0.0.1").strip("[]")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    port = int(environ.get("CLOCHE_SERVER_PORT") or 8000)
    try:
        if environ.get("CLOCHE_SERVER_CLIENT_CA"):  # callers show a certificate, and this one has none
            socket.create_connection((host, port), _WITHIN_S).close()
            return None
        connection = _connection(host, port, tls=bool(environ.get("CLOCHE_SERVER_TLS_CERT")))
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        return (
            None if answer.status == 200 else f"/ready: {answer.status} {answer.read(300).decode('utf-8', 'replace')}"
        )
    except (OSError, http.client.HTTPException) as exc:
        return f"{host}:{port}: {exc}"


def _connection(host: str, port: int, *, tls: bool) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=_WITHIN_S)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own port, under a name of the outside
    return http.client.HTTPSConnection(host, port, timeout=_WITHIN_S, context=context)


if __name__ == "__main__":
    why = check(os.environ)
    if why is not None:
        sys.stderr.write(f"{why}\n")
    sys.exit(why is not None)
