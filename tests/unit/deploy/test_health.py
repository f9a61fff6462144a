"""What HEALTHCHECK runs: healthy is who answers `/ready` with 200."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloche.deploy.health import check


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The port of a server that answers everything with *status*."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


def test_ready_is_healthy() -> None:
    with answering(200) as port:
        assert check({"CLOCHE_SERVER_PORT": port, "CLOCHE_SERVER_HOST": "0.0.0.0"}) is None


def test_not_ready_is_not_and_says_what_it_was_told() -> None:
    with answering(503) as port:
        assert check({"CLOCHE_SERVER_PORT": port}) == "/ready: 503 /ready"


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        assert check({"CLOCHE_SERVER_PORT": port}) == f"127.0.0.1:{port}: [Errno 111] Connection refused"


def test_a_server_without_tls_is_not_healthy_where_it_should_speak_it() -> None:
    with answering(200) as port:
        assert "SSL" in (check({"CLOCHE_SERVER_PORT": port, "CLOCHE_SERVER_TLS_CERT": "/cert.pem"}) or "")


def test_where_callers_show_certificates_an_open_port_has_to_do() -> None:
    with answering(500) as port:
        assert check({"CLOCHE_SERVER_PORT": port, "CLOCHE_SERVER_CLIENT_CA": "/ca.pem"}) is None


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
def test_the_exit_status(status: int, expected: int) -> None:
    with answering(status) as port:
        done = subprocess.run(
            [sys.executable, "-m", "cloche.deploy.health"],
            env={**os.environ, "CLOCHE_SERVER_PORT": port},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (expected, "/ready: 503 /ready\n" if expected else "")
