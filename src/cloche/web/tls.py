"""TLS of the ports: the server's certificate, and callers who have to show theirs."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from cloche.config import ServerConfig
from cloche.errors import UsageError

_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
}
_SUBJECT_CHARS = 256


def check(config: ServerConfig) -> None:
    """
    Raises:
        UsageError: a file is missing, is not what it should be, or stands alone.
    """
    context_of(config)


def context_of(config: ServerConfig, *, client_certificates: bool = True) -> ssl.SSLContext | None:
    """
    The context of a listening socket; None where none of it is set.

    Raises:
        UsageError: as `check`.
    """
    if config.tls_cert is None:
        for name in ("tls_key", "client_ca"):
            if getattr(config, name) is not None:
                raise UsageError(f"[server] '{name}' needs 'tls_cert' beside it")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(config, context)
    if config.client_ca is not None and client_certificates:
        _require_client(config.client_ca, context)
    return context


def _load(config: ServerConfig, context: ssl.SSLContext) -> None:
    try:
        context.load_cert_chain(config.tls_cert or "", config.tls_key, password=_no_password)
    except (OSError, ValueError) as exc:  # SSLError is an OSError
        raise UsageError(f"[server] 'tls_cert' {config.tls_cert}, 'tls_key' {config.tls_key}: {_why(exc)}") from exc


def _require_client(authority: str, context: ssl.SSLContext) -> None:
    try:
        context.load_verify_locations(authority)
    except (OSError, ValueError) as exc:
        raise UsageError(f"[server] 'client_ca' {authority}: {_why(exc)}") from exc
    context.verify_mode = ssl.CERT_REQUIRED


def _no_password() -> str:
    """Instead of a question on the terminal."""
    raise ValueError("the key is encrypted; give one that is not, readable only by this user")


def _why(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError):
        return f"expected a certificate and its key in PEM ({exc.reason or exc})"
    return (exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)).lower()


def subject_of(certificate: Mapping[str, Any] | None) -> str | None:
    """`CN=shop,O=Example` of what `getpeercert` gave; None where the caller showed none."""
    if not certificate:
        return None
    pairs = [(_SHORT.get(name, name), value) for part in certificate.get("subject", ()) for name, value in part]
    return ",".join(f"{name}={value}" for name, value in reversed(pairs))[:_SUBJECT_CHARS] or "no subject"
