"""A few lines of S3 in this process, for what no real server does: overwriting what it was told to create, losing
an answer, being counted. Signatures are not looked at."""

from __future__ import annotations

import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape


class TinyS3(ThreadingHTTPServer):
    """One bucket in memory; `requests` is what came, `honest = False` ignores `If-None-Match`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.honest = True
        self.lose_answers = 0  #: so many writes are done and answered with 500
        self.refuse = 0  #: a status that every request gets

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self) -> dict[str, str]:
        """What makes `s3://bucket` mean this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: TinyS3

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def came(self) -> str | None:
        """The key that is meant, counted; None where the request was refused."""
        key = urllib.parse.unquote(self.path.partition("?")[0]).removeprefix("/bucket").lstrip("/")
        self.server.requests.append((self.command, key or self.path))
        if self.server.refuse:
            self.answer(self.server.refuse)
            return None
        return key

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        key = self.came()
        if key is None:
            return
        if self.server.honest and self.headers.get("If-None-Match") == "*" and key in self.server.objects:
            self.answer(412)
            return
        self.server.objects[key] = data
        lost = self.server.lose_answers > 0 and not key.startswith("probes/")
        self.server.lose_answers -= lost
        self.answer(500 if lost else 200, ETag='"1"')

    def do_POST(self) -> None:
        """`?delete`: obstore deletes in bulk."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.came() is None:
            return
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            self.server.objects.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode(), Content_Type="application/xml")

    def do_GET(self) -> None:
        key = self.came()
        if key is None:
            return
        if not key:
            self.answer(200, self.listing(), Content_Type="application/xml")
        elif key in self.server.objects:
            self.answer(200, self.server.objects[key], ETag='"1"', Last_Modified="Sat, 21 Nov 2026 12:00:00 GMT")
        else:
            self.answer(404)

    do_HEAD = do_GET

    def listing(self) -> bytes:
        asked = urllib.parse.parse_qs(self.path.partition("?")[2])
        prefix, after = asked.get("prefix", [""])[0], asked.get("start-after", [""])[0]
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified>"
            f"<ETag>1</ETag><Size>{len(data)}</Size></Contents>"
            for key, data in sorted(self.server.objects.items())
            if key.startswith(prefix) and key > after
        )
        head = "<Name>bucket</Name><IsTruncated>false</IsTruncated>"
        return f'<?xml version="1.0"?><ListBucketResult>{head}{found}</ListBucketResult>'.encode()


@contextmanager
def tiny_s3() -> Iterator[TinyS3]:
    """A server that is up for as long as the block lasts."""
    server = TinyS3()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
