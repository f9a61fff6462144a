"""The sockets that a server listens on, and the addresses that they have."""

from __future__ import annotations

import socket

from cloche.config import ServerConfig
from cloche.errors import UsageError

_MANAGEMENT_PORT = 8001


def bind(host: str, port: int, *, flag: str = "--port") -> socket.socket:
    """
    The listening socket; port 0 takes a free one.

    Raises:
        UsageError: the port is taken, not allowed, or the host is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise UsageError(f"host '{host}': {_reason(exc)}; choose an address of this machine with --host") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as exc:
        listener.close()
        raise UsageError(f"{host}:{port}: {_reason(exc)}; choose another {flag} (0 takes a free one)") from exc
    listener.setblocking(False)
    return listener


def bind_management(config: ServerConfig) -> socket.socket:
    """
    The socket of the management port: the one that was chosen; where none was, 8001, or a free one beside another.

    Raises:
        UsageError: the port that was chosen is taken or not allowed.
    """
    if config.management_port is not None:
        return bind(config.host, config.management_port, flag="--management-port")
    try:
        return bind(config.host, _MANAGEMENT_PORT if config.port else 0)
    except UsageError:
        return bind(config.host, 0)


def _reason(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()


def url_of(listener: socket.socket, root_path: str = "", *, tls: bool = False) -> str:
    """Where the socket is reached."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'https' if tls else 'http'}://{shown}:{port}{root_path}"
