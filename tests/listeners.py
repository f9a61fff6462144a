"""Receivers of alerts for tests, on real sockets: HTTP that answers as it is told, and SMTP."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from certificates import Pair


@dataclass
class Listener:
    """What was POSTed; `answers` are the statuses to give, the last one for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    location: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    hang: bool = False

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(one) for one in self.raw]

    def told(self) -> list[tuple[str, str]]:
        """Of cloche's own notices: status and id."""
        return [(one["status"], one["id"]) for one in self.bodies]


@contextmanager
def listening(tls: Pair | None = None) -> Iterator[Listener]:
    """A receiver on a free port until the block ends."""
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.raw.append(self.rfile.read(int(self.headers["content-length"])))
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            found.paths.append(self.path)
            if found.hang:
                found.hanging.set()
                found.release.wait(30)
            self.send_response(found.answers.pop(0) if len(found.answers) > 1 else found.answers[0])
            if found.location:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...  # a caller that hangs up, or knows no such authority

    with Quiet(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert, tls.key)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        found.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.release.set()
            server.shutdown()


@dataclass
class Mailbox:
    """An SMTP server's port, what it was given, and whether over TLS."""

    port: int = 0
    messages: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuse: str = ""  #: a command that is answered with 550


@contextmanager
def mailing(tls: Pair, *, offers_tls: bool = True) -> Iterator[Mailbox]:
    """An SMTP server that speaks STARTTLS and AUTH PLAIN, until the block ends."""
    found = Mailbox()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert, tls.key)

    class Handler(socketserver.StreamRequestHandler):
        secure = False

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                word = line.split(" ")[0].upper()
                if found.refuse and word == found.refuse:
                    self.say("550 no")
                elif word == "EHLO":
                    self.say("250-here")
                    self.say("250-AUTH PLAIN" if self.secure or not offers_tls else "250-STARTTLS")
                    self.say("250 8BITMIME")
                elif word == "STARTTLS":
                    self.say("220 go on")
                    self.request = context.wrap_socket(self.request, server_side=True)
                    self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
                    self.secure = True
                elif word == "AUTH":
                    found.logins.append(line)
                    self.say("235 in")
                elif word == "DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    found.messages.append(b"".join(lines).decode())
                    found.encrypted.append(self.secure)
                    self.say("250 kept")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

    class Quiet(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    with Quiet(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()
