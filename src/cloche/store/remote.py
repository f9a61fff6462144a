"""
Connecting to object stores: s3://, gs://, az://. Credentials are the usual environment variables of each.

Time limits are short: a store that is away is told within seconds, not minutes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from obstore import exceptions
from obstore.store import from_url

from cloche.store.address import SCHEMES

_CREDENTIALS = {"s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}
#: Where obstore asks for credentials when the environment holds none.
_INSTANCE_METADATA = re.compile(r"169\.254\.169\.254|metadata\.google\.internal|metadata service|InstanceCredential")


def connect(url: str, *, retries: int, environ: Mapping[str, str] | None = None) -> Any:
    """obstore's store at *url*. Plain HTTP is spoken only where the environment names an `http://` endpoint."""
    endpoint = _endpoint(_scheme(url), os.environ if environ is None else environ)
    named: dict[str, Any] = {"endpoint": endpoint} if endpoint and _scheme(url) == "s3" else {}
    return from_url(
        url,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=3),
            "timeout": timedelta(seconds=60),
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=8),
            "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=2), "base": 2},
        },
        **named,
    )


def options(url: str, *, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What another client of the object store at *url* has to be told beside the environment: as `connect` does."""
    endpoint = _endpoint(_scheme(url), os.environ if environ is None else environ)
    told = {
        "allow_http": str(endpoint.startswith("http://")).lower(),
        "connect_timeout": "3s",
        "timeout": "60s",
        "max_retries": "2",
        "retry_timeout": "8s",
    }
    if _scheme(url) == "s3":
        told["conditional_put"] = "etag"
        told |= {"aws_endpoint_url": endpoint} if endpoint else {}
    return told


def cause(exc: BaseException, url: str) -> str:
    """One line for obstore's error, whose own messages go on for pages; with what to set where that would help."""
    lines = str(exc).strip().splitlines()
    line = lines[0][:300] if lines else type(exc).__name__
    kind = _scheme(url)
    if _INSTANCE_METADATA.search(line):
        wanted = _CREDENTIALS.get(kind, "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY")
        return f"no credentials; set {wanted} ({line[:120]}…)"
    if isinstance(exc, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return f"the credentials may not do this: {line}"
    return line


def _scheme(url: str) -> str:
    return url.partition("://")[0]


def _endpoint(scheme: str, environ: Mapping[str, str]) -> str:
    return next((environ[name] for name in SCHEMES.get(scheme, ()) if environ.get(name)), "")
