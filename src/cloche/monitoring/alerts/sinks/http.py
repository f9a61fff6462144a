"""
One POST over HTTP: certificates are checked, redirects are not followed, and nothing of an address is told.

An address may hold a secret, so messages name the failure and never the URL.
"""

from __future__ import annotations

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cloche._version import __version__
from cloche.errors import DeliveryError

TIMEOUT_S: Final = 10.0
_MAX_ANSWER: Final = 512
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A notice goes where the operator said, and nowhere else: 3xx is a failure."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, ca_file: Path | None = None, timeout_s: float = TIMEOUT_S
) -> str:
    """
    Send *body*; the status as text where it is 2xx.

    Raises:
        DeliveryError: nobody answered, the certificate is not good, or another status came.
    """
    if not url.startswith(("https://", "http://")):
        raise DeliveryError("the address is neither https:// nor http://")
    try:
        request = urllib.request.Request(url, body, {"User-Agent": f"cloche/{__version__}", **headers})  # noqa: S310
        with _opener(url, ca_file).open(request, timeout=timeout_s) as answer:
            answer.read(_MAX_ANSWER)
            return str(answer.status)
    except urllib.error.HTTPError as exc:
        with contextlib.suppress(OSError, HTTPException):
            exc.close()
        raise DeliveryError(_told(exc.code)) from None
    except urllib.error.URLError as exc:
        raise DeliveryError(_reason(exc.reason)) from None
    except (OSError, HTTPException, ValueError) as exc:
        raise DeliveryError(_reason(exc)) from None


def _opener(url: str, ca_file: Path | None) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if urlsplit(url).hostname in _LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))
    if url.startswith("https://"):
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file)))
    return urllib.request.build_opener(*handlers)


def _told(status: int) -> str:
    return f"{status} (a redirect is not followed)" if 300 <= status < 400 else str(status)


def _reason(exc: object) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {exc.verify_message}"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return type(exc).__name__
