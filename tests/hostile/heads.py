"""Attacks on the head: request line, method, target, header names and values."""

from __future__ import annotations

from hostile.case import Table
from hostile.wire import CHUNKED, CLOSE, GOOD, HOST, JSON, get, lines, post

BAD = "400 BadRequest"
VERSION = f"505 HttpVersionNotSupported|{BAD}"


def _live(line: bytes) -> bytes:
    return lines(line, HOST)


def request_line() -> Table:
    """The first line."""
    table = Table("request line")
    for name, line in {
        "nothing-of-http": b"NONSENSE",
        "method-alone": b"GET",
        "http-0.9-space": b"GET /live ",
        "version-without-number": b"GET /live HTTP/",
        "version-of-letters": b"GET /live HTTP/x.y",
        "version-without-minor": b"GET /live HTTP/1",
        "version-of-three": b"GET /live HTTP/1.1.1",
        "version-negative": b"GET /live HTTP/-1.1",
        "version-of-two-digits": b"GET /live HTTP/11.1",
        "version-hex": b"GET /live HTTP/0x1.1",
        "another-protocol": b"GET /live FTP/1.1",
        "protocol-in-lower-case": b"GET /live http/1.1",
        "protocol-icy": b"GET /live ICE/1.0",
        "junk-after-the-version": b"GET /live HTTP/1.1 x",
        "two-targets": b"GET /live /ready HTTP/1.1",
        "tabs-for-spaces": b"GET\t/live\tHTTP/1.1",
        "space-before-the-method": b" GET /live HTTP/1.1",
        "no-target": b"GET  HTTP/1.1",
        "nul-in-the-target": b"GET /li\0ve HTTP/1.1",
        "control-in-the-target": b"GET /li\x07ve HTTP/1.1",
        "delete-in-the-target": b"GET /li\x7fve HTTP/1.1",
        "nul-in-the-method": b"GE\0T /live HTTP/1.1",
        "form-feed": b"GET\x0c/live HTTP/1.1",
        "bare-cr-in-the-line": b"GET /live\rHTTP/1.1",
        "bom-first": b"\xef\xbb\xbfGET /live HTTP/1.1",
        "utf-16": "GET /live HTTP/1.1".encode("utf-16"),
        "smtp": b"EHLO example.org",
        "ssh": b"SSH-2.0-OpenSSH_9.9",
        "status-line": b"HTTP/1.1 200 OK",
        "format-string": b"%s%s%n HTTP/1.1",
        "shell": b"$(id) /live HTTP/1.1",
        "jndi": b"${jndi:ldap://127.0.0.1/a} /live HTTP/1.1",
    }.items():
        table.add(name, _live(line), BAD)
    for name, version in {"0.9": b"0.9", "1.2": b"1.2", "2.0": b"2.0", "3.0": b"3.0", "9.9": b"9.9"}.items():
        table.add(f"version-{name}", _live(b"GET /live HTTP/" + version), VERSION)
    table.add("http-0.9", _live(b"GET /live"), VERSION)
    table.add("version-glued", _live(b"GET /liveHTTP/1.1"), VERSION)
    table.add("rtsp", _live(b"DESCRIBE rtsp://localhost/live RTSP/1.0"), f"405 MethodNotAllowed|{BAD}")
    table.add("version-1.0", _live(b"GET /live HTTP/1.0"), "200")
    table.add("version-1.0-without-host", lines(b"GET /live HTTP/1.0"), "200")
    table.add("blank-lines-first", b"\r\n" * 5 + get(b"/live"), "200")
    table.add("blank-lines-first-lf", b"\n" * 5 + get(b"/live"), "200")
    table.add("thousand-blank-lines", b"\r\n" * 1000 + get(b"/live"), "200")
    table.add("blank-lines-without-end", b"\r\n" * 100_000, "431 HeadersTooLarge")
    table.add("two-spaces", _live(b"GET  /live HTTP/1.1"), f"200|{BAD}")
    table.add("lf-for-crlf", b"GET /live HTTP/1.1\nHost: localhost\n\n", BAD)
    table.add("cr-for-crlf", b"GET /live HTTP/1.1\rHost: localhost\r\r", BAD)
    table.add("lf-after-the-first-line", b"GET /live HTTP/1.1\nHost: localhost\r\n\r\n", BAD)
    table.add("cr-cr-lf", b"GET /live HTTP/1.1\r\r\nHost: localhost\r\n\r\n", BAD)
    table.add("a-megabyte-of-one-letter", b"A" * 1_000_000, BAD)
    table.add("a-megabyte-of-nul", b"\0" * 1_000_000, BAD)
    table.add("a-megabyte-of-0xff", b"\xff" * 1_000_000, BAD)
    return table


def method() -> Table:
    """Methods that are not ours, and those that are none."""
    table = Table("method")
    for name in ("GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "MKCOL", "SEARCH", "PURGE", "LINK", "QUERY"):
        table.add(f"{name.lower()}-on-predict", get(b"/predict", method=name.encode()), "405 MethodNotAllowed")
    for name in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        sent = post(GOOD, target=b"/live").replace(b"POST", name.encode(), 1)
        table.add(f"{name.lower()}-on-live", sent, "405 MethodNotAllowed")
    for name in ("/metadata", "/models", "/models/penguins", "/openapi.json", "/docs", "/docs/content", "/", "/health"):
        table.add(f"post-on-{name}", post(b"{}", target=name.encode()), "405 MethodNotAllowed")
    table.add("options-on-predict", get(b"/predict", method=b"OPTIONS"), "405 MethodNotAllowed")
    table.add("options-star", get(b"*", method=b"OPTIONS"), f"404 NotFound|405 MethodNotAllowed|{BAD}")
    table.add("connect", get(b"localhost:22", method=b"CONNECT"), f"404 NotFound|405 MethodNotAllowed|{BAD}")
    table.add("connect-on-predict", get(b"/predict", method=b"CONNECT"), f"405 MethodNotAllowed|{BAD}")
    table.add("head-on-live", get(b"/live", method=b"HEAD"), "200", bodiless=True)
    table.add("head-on-predict", get(b"/predict", method=b"HEAD"), "405", bodiless=True)
    table.add("head-on-nothing", get(b"/nothing", method=b"HEAD"), "404", bodiless=True)
    table.add("head-with-a-body", post(GOOD, target=b"/live").replace(b"POST", b"HEAD", 1), "200", bodiless=True)
    for name, word in {
        "unknown": b"BREW",
        "lower-case": b"get",
        "mixed-case": b"Post",
        "tunnelled-into-the-name": b"POST:GET",
        "of-digits": b"1234",
        "long": b"A" * 5000,
        "with-a-dash": b"M-SEARCHX",
        "not-ascii": b"G\xc9T",
        "quoted": b'"GET"',
    }.items():
        table.add(name, get(b"/live", method=word), BAD)
    table.add("override-header", get(b"/predict", b"X-HTTP-Method-Override: POST"), "405 MethodNotAllowed")
    return table


def target() -> Table:
    """Paths, percent-encoding, queries."""
    table = Table("target")
    for name, path in {
        "unknown": b"/nothing",
        "trailing-slash": b"/live/",
        "double-slash": b"//live",
        "upper-case": b"/LIVE",
        "semicolon": b"/live;jsessionid=1",
        "encoded-slash": b"/docs%2fstatic",
        "encoded-question-mark": b"/live%3f",
        "encoded-nul": b"/live%00",
        "encoded-nul-and-suffix": b"/live%00.html",
        "encoded-line-end": b"/live%0d%0aX-Evil:%201",
        "encoded-space": b"/live%20",
        "encoded-unicode": b"/l%c4%b1ve",
        "encoded-not-utf-8": b"/%ff%fe",
        "encoded-surrogate": b"/%ed%a0%80",
        "encoded-overlong-slash": b"/%c0%af",
        "encoded-of-microsoft": b"/%u002flive",
        "encoded-half": b"/live%",
        "encoded-half-more": b"/live%4",
        "encoded-not-hex": b"/live%zz",
        "encoded-twice": b"/%256c%2569ve",
        "dots": b"/docs/static/../../../../etc/passwd",
        "dots-encoded": b"/docs/static/%2e%2e%2f%2e%2e%2fapp.py",
        "dots-encoded-twice": b"/docs/static/%252e%252e%252fapp.py",
        "dots-backslash": b"/docs/static/..\\..\\app.py",
        "dots-alone": b"/docs/static/..",
        "dot-file": b"/docs/static/.htaccess",
        "static-folder": b"/docs/static/",
        "static-unknown": b"/docs/static/nothing.js",
        "static-long": b"/docs/static/" + b"a" * 5000,
        "static-null-device": b"/docs/static/nul",
        "windows-drive": b"/c:/windows/win.ini",
        "git-folder": b"/.git/config",
        "environment-file": b"/.env",
        "reserved-v1-models": b"/v1/models/penguins",
        "reserved-v2-models": b"/v2/models/penguins/ready",
        "metrics-are-elsewhere": b"/metrics",
        "status-is-elsewhere": b"/status",
        "star": b"*",
        "model-of-another-name": b"/models/nothing",
        "model-without-a-name": b"/models/",
        "model-nul": b"/models/%00",
        "model-dots": b"/models/..",
        "model-not-utf-8": b"/models/%ff",
        "model-surrogate": b"/models/%ed%a0%80",
        "model-line-end": b"/models/%0d%0aSet-Cookie:%20a=b",
        "model-long": b"/models/" + b"a" * 8000,
        "model-script": b"/models/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "model-version-on-get": b"/models/penguins@1",
        "template-injection": b"/models/%7B%7B7*7%7D%7D",
    }.items():
        table.add(f"get-{name}", get(path), f"404 NotFound|{BAD}")
    for name, path in {
        "trailing-slash": b"/predict/",
        "double-slash": b"//predict",
        "upper-case": b"/Predict",
        "contract-minus": b"/v-1/predict",
        "contract-long": b"/v" + b"9" * 500 + b"/predict",
        "contract-of-other-digits": b"/v%d9%a1/predict",
        "contract-letters": b"/vx/predict",
        "contract-fraction": b"/v1.0/predict",
        "contract-alone": b"/v/predict",
        "model-another": b"/models/nothing/predict",
        "model-encoded-slash": b"/models/a%2fpredict",
        "model-empty": b"/models//predict",
        "model-nul": b"/models/%00/predict",
        "model-surrogate": b"/models/%ed%a0%80/predict",
        "model-long": b"/models/" + b"a" * 8000 + b"/predict",
        "version-minus": b"/models/penguins/versions/-1/predict",
        "version-other-digits": b"/models/penguins/versions/%d9%a1/predict",
        "version-long": b"/models/penguins/versions/" + b"9" * 500 + b"/predict",
        "version-plus": b"/models/penguins/versions/+1/predict",
        "v1-models-verb": b"/v1/models/penguins:predict",
        "v2-models-infer": b"/v2/models/penguins/infer",
        "invocations": b"/invocations",
    }.items():
        table.add(f"post-{name}", post(target=path), f"404 NotFound|{BAD}")
    for name, path in {
        "contract-0": b"/v0/predict",
        "contract-2": b"/v2/predict",
        "contract-nine-digits": b"/v999999999/predict",
        "version-0": b"/models/penguins/versions/0/predict",
        "version-9": b"/models/penguins/versions/9/predict",
        "version-nine-digits": b"/models/penguins/versions/999999999/predict",
    }.items():
        table.add(f"post-{name}", post(target=path), "404 NotFound|404 VersionNotServed")
    for name, path in {
        "contract-1": b"/v1/predict",
        "contract-01": b"/v01/predict",
        "model": b"/models/penguins/predict",
        "model-encoded": b"/models/pengu%69ns/predict",
        "model-and-contract": b"/models/penguins/v1/predict",
        "version-1": b"/models/penguins/versions/1/predict",
        "fragment": b"/predict#x",
        "absolute": b"http://localhost/predict",
        "absolute-with-a-port": b"http://localhost:1/predict",
        "absolute-and-query": b"http://localhost/predict?top=1",
        "empty-query": b"/predict?",
        "query-of-separators": b"/predict?&&&",
    }.items():
        table.add(f"post-{name}", post(target=path), "200")
    for name, path in {
        "absolute-elsewhere": b"http://evil.example/predict",
        "absolute-with-a-user": b"http://user:secret@localhost/predict",
        "absolute-another-scheme": b"gopher://localhost/predict",
        "absolute-file": b"file:///etc/passwd",
        "absolute-broken": b"http://[::1/predict",
        "absolute-empty-host": b"http:///predict",
        "absolute-port-junk": b"http://localhost:port/predict",
    }.items():
        table.add(f"post-{name}", post(target=path), f"200|404 NotFound|403 Forbidden|{BAD}")
    for name, path in {
        "no-slash": b"predict",
        "no-slash-dots": b"../predict",
        "backslash": b"\\predict",
        "encoded-raw-high-byte": b"/models/\xff/predict",
        "question-mark-alone": b"?",
    }.items():
        table.add(f"post-{name}", post(target=path), f"404 NotFound|405 MethodNotAllowed|{BAD}")
    for size in (8_193, 9_000, 30_000, 100_000, 1_000_000):
        table.add(f"{size}-bytes", get(b"/" + b"a" * (size - 1)), "414 UriTooLong")
    table.add("8192-bytes", get(b"/" + b"a" * 8_191), "404 NotFound")
    table.add("without-end", b"GET /" + b"a" * 1_000_000, "414 UriTooLong")
    table.add("long-query", get(b"/live?" + b"a=1&" * 20_000), "414 UriTooLong")
    for query in (
        "top=0", "top=-1", "top=1e9", "top=1000000000", "top=", "top", "top=+1", "top=1.0", "top=%d9%a1", "top=1%00",
        "top=1&top=2", "probabilities=maybe", "probabilities=False", "probabilities=", "probabilities=true&" * 2,
        "x=1", "topp=1", "TOP=1", "%ff=%ff", "=", "?", "top=1;probabilities=false", "__proto__[a]=1",
        "top[]=1", "top=%", "a" * 7_000, "&".join(["top=1"] * 30), "%00", "top=" + "9" * 5_000,
    ):  # fmt: skip
        table.add(f"query-{query[:40]}", post(target=b"/predict?" + query.encode()), BAD)
    for query in ("top=1", "top=2", "top=999999999", "probabilities=false", "probabilities=true&top=1", "%74op=1"):
        table.add(f"query-{query}", post(target=b"/predict?" + query.encode()), "200")
    for query in ("model=%00", "model=%ff", "model=<script>", "model=" + "a" * 500, "a=1&" * 1_000, "%", "model"):
        table.add(f"docs-{query[:20]}", get(b"/docs?" + query.encode()), "200|404")
    return table


def header_names() -> Table:
    """What stands before the colon."""
    table = Table("header name")
    for name, line in {
        "with-a-space": b"X Y: 1",
        "with-a-space-before-the-colon": b"X-Y : 1",
        "with-a-tab-before-the-colon": b"X-Y\t: 1",
        "without-a-colon": b"nonsense",
        "empty": b": 1",
        "with-nul": b"X\0Y: 1",
        "with-control": b"X\x07Y: 1",
        "with-delete": b"X\x7fY: 1",
        "with-a-high-byte": b"X\xffY: 1",
        "in-utf-8": "Größe: 1".encode(),
        "with-a-bracket": b"X(Y): 1",
        "with-a-slash": b"X/Y: 1",
        "with-a-comma": b"X,Y: 1",
        "with-a-quote": b'"X": 1',
        "with-at": b"X@Y: 1",
        "with-a-semicolon": b"X;Y: 1",
        "with-a-brace": b"{X}: 1",
        "with-an-equals-sign": b"X=Y: 1",
        "space-first": b" X: 1",
        "tab-first": b"\tX: 1",
        "bare-cr": b"X\rY: 1",
        "folded": b"X: a\r\n  more",
        "folded-by-a-tab": b"X: a\r\n\tmore",
    }.items():
        table.add(name, get(b"/live", line), BAD)
        table.add(f"{name}-before-host", lines(b"GET /live HTTP/1.1", line, HOST), BAD)
    for name, line in {
        "underscore": b"X_Y: 1",
        "content-length-by-underscore": b"Content_Length: 99999",
        "every-token-character": b"!#$%&'*+-.^_`|~09azAZ: 1",
        "one-letter": b"x: 1",
        "proxy": b"Proxy: http://evil.example",
        "pseudo-header-like": b"path: /predict",
        "thousand-letters": b"X" * 1_000 + b": 1",
    }.items():
        table.add(name, get(b"/live", line), "200")
    table.add("pseudo-header", get(b"/live", b":path: /predict"), BAD)
    table.add("a-hundred-thousand-letters", get(b"/live", b"X" * 100_000 + b": 1"), "431 HeadersTooLarge")
    table.add("never-ending", b"GET /live HTTP/1.1\r\nHost: localhost\r\n" + b"X" * 300_000, "431 HeadersTooLarge")
    return table


def header_values() -> Table:
    """What stands behind the colon."""
    table = Table("header value")
    for name, value in {
        "nul": b"a\0b",
        "bell": b"a\x07b",
        "escape": b"a\x1b[31mb",
        "delete": b"a\x7fb",
        "bare-cr": b"a\rb",
        "bare-lf": b"a\nb",
        "lf-and-header": b"a\nX-Evil: 1",
    }.items():
        expected = f"200|{BAD}" if name == "lf-and-header" else BAD
        table.add(name, get(b"/live", b"X: " + value), expected)
    for name, value in {
        "empty": b"",
        "spaces": b"   ",
        "tab-inside": b"a\tb",
        "high-bytes": b"\xff\xfe",
        "utf-8": "größe".encode(),
        "format-string": b"%s%n%x",
        "twenty-thousand": b"a" * 20_000,
    }.items():
        table.add(name, get(b"/live", b"X: " + value), "200")
    table.add("a-hundred-thousand", get(b"/live", b"X: " + b"a" * 100_000), "431 HeadersTooLarge")
    table.add("a-megabyte", get(b"/live", b"X: " + b"a" * 1_000_000), "431 HeadersTooLarge")
    table.add("never-ending", b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300_000, "431 HeadersTooLarge")
    table.add("99-more", get(b"/live", *[b"X: 1"] * 99), "200")
    table.add("100-more", get(b"/live", *[b"X: 1"] * 100), "431 HeadersTooLarge")
    table.add("ten-thousand-more", get(b"/live", *[b"X-%d: 1" % n for n in range(10_000)]), "431 HeadersTooLarge")
    _hosts(table)
    _others(table)
    return table


def _hosts(table: Table) -> None:
    table.add("host-none", lines(b"GET /live HTTP/1.1"), BAD)
    table.add("host-twice", get(b"/live", b"Host: localhost"), BAD)
    table.add("host-twice-another", get(b"/live", b"Host: evil.example"), BAD)
    for host, expected in {
        b"localhost": "200", b"LOCALHOST": "200", b"localhost:1": "200", b"x.localhost": "200", b"127.0.0.1": "200",
        b"127.9.9.9": "200", b"[::1]": "200", b"[::1]:80": "200", b"localhost.": "200",
        b"evil.example": "403 Forbidden", b"localhost.evil.example": "403 Forbidden",
        b"localhost@evil.example": "403 Forbidden|400 BadRequest", b"evil.example#localhost": "403 Forbidden|400 BadRequest",
        b"evil.example/localhost": "403 Forbidden|400 BadRequest", b"127.0.0.1.nip.io": "403 Forbidden", b"0.0.0.0": "403 Forbidden",
        b"2130706433": "403 Forbidden", b"0x7f.1": "403 Forbidden", b"017700000001": "403 Forbidden",
        b"[::ffff:8.8.8.8]": "403 Forbidden", b"[::1": "403 Forbidden|200|400 BadRequest",
        b"\xff": "403 Forbidden|400 BadRequest", b"localhost, evil.example": "403 Forbidden|400 BadRequest",
        b"evil.example, localhost": "403 Forbidden|400 BadRequest", b"xn--lcalhost-9ya": "403 Forbidden",
        b"a" * 5_000: "403 Forbidden|400 BadRequest",
    }.items():  # fmt: skip
        shown = host[:30].decode("latin-1")
        table.add(f"host-{shown}", lines(b"GET /live HTTP/1.1", b"Host: " + host), expected)
        table.add(f"host-of-predict-{shown}", post().replace(HOST, b"Host: " + host, 1), expected)
    table.add("host-empty", lines(b"GET /live HTTP/1.1", b"Host:"), f"200|403 Forbidden|{BAD}")


def _others(table: Table) -> None:
    for origin in (
        b"http://evil.example",
        b"null",
        b"http://[::1",
        b"https://localhost.evil",
        b"file://",
        b"\xff",
        b"",
    ):
        table.add(f"origin-{origin.decode('latin-1')}", post(GOOD, b"Origin: " + origin), "403 Forbidden")
    table.add("origin-ours", post(GOOD, b"Origin: http://localhost"), "200")
    table.add(
        "origin-twice", post(GOOD, b"Origin: http://localhost", b"Origin: http://evil.example"), f"403 Forbidden|{BAD}"
    )
    table.add(
        "origin-twice-other-way",
        post(GOOD, b"Origin: http://evil.example", b"Origin: http://localhost"),
        f"403 Forbidden|{BAD}",
    )
    for number in (b"junk", b"", b"-1", b"1.0", b"9" * 50, b"\xb2", b"vv1", b"1,2", b"0x1", b"\xd9\xa1"):
        sent = post(GOOD, b"X-API-Version: " + number)
        table.add(f"api-version-{number.decode('latin-1')}", sent, f"{BAD}|404 VersionNotServed|404 NotFound")
    table.add("api-version-v1", post(GOOD, b"X-API-Version: v1"), "200")
    table.add("api-version-against-the-path", post(GOOD, b"X-API-Version: 1", target=b"/v2/predict"), BAD)
    for name, value in {"long": b"a" * 129, "tab": b"a\tb", "high": b"\xe9", "empty": b"", "spaces": b"a b"}.items():
        table.add(f"request-id-{name}", post(GOOD, b"X-Request-ID: " + value), "200")
    for value in (b"Bearer", b"Bearer x", b"Basic eDp5", b"\xff", b"Bearer " + b"a" * 20_000, b"", b"Negotiate x"):
        table.add(f"authorization-{value[:20].decode('latin-1')}", post(GOOD, b"Authorization: " + value), "200")
    for value in (b"gzip", b"br", b"deflate", b"zstd", b"identity, gzip", b"\xff", b"x" * 500, b"gzip, gzip"):
        sent = post(GOOD, b"Content-Encoding: " + value)
        table.add(f"content-encoding-{value[:20].decode('latin-1')}", sent, "415 UnsupportedMediaType")
    for value in (b"identity", b"", b"IDENTITY"):
        table.add(f"content-encoding-{value.decode()}", post(GOOD, b"Content-Encoding: " + value), "200")
    for value in (
        b"text/plain", b"text/html", b"multipart/form-data; boundary=x",
        b"application/xml", b"application/x-python-pickle", b"application/octet-stream", b"image/png", b"*/*",
        b"application/json; charset=utf-16", b"application/json; charset=latin-1", b"application/json;charset=utf-7",
        b"text/csv; header=absent", b";;;==\xff", b"json", b"a" * 5_000, b"application/json/x", b"/", b"application/",
    ):  # fmt: skip
        sent = post(content_type=b"Content-Type: " + value)
        table.add(f"content-type-{value[:40].decode('latin-1')}", sent, "415 UnsupportedMediaType")
    table.add("content-type-of-curl", post(content_type=b"Content-Type: application/x-www-form-urlencoded"), "200")
    table.add("content-type-twice", post(GOOD, b"Content-Type: text/plain"), f"200|{BAD}|415 UnsupportedMediaType")
    for value in (b"image/png", b"text/html", b"application/xml", b"text/csv;q=0", b"application/json;q=0", b"junk"):
        table.add(f"accept-{value.decode()}", post(GOOD, b"Accept: " + value), "406 NotAcceptable")
    for value in (b"*/*", b"application/*", b"application/json;q=0.1, image/png", b"*/*;q=x", b",,,", b";q=1", b"\xff",
                  b"a/b," * 3_000, b"text/csv;q=" + b"9" * 5_000):  # fmt: skip
        shown = value[:30].decode("latin-1")
        table.add(f"accept-{shown}", post(GOOD, b"Accept: " + value), "200|406 NotAcceptable")
    table.add("accept-csv", post(GOOD, b"Accept: text/csv"), "200")
    for value in (b"100-continue-not", b"200-ok", b"", b"\xff"):
        table.add(f"expect-{value.decode('latin-1')}", post(GOOD, b"Expect: " + value), "200|417 ExpectationFailed")
    table.add("cookie-of-twenty-thousand", get(b"/live", b"Cookie: " + b"a=b; " * 4_000), "200")
    table.add("range", get(b"/openapi.json", b"Range: bytes=0-1,2-3," + b"4-5," * 1_000), "200")
    for name in ("X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"):
        table.add(f"{name.lower()}-from-nobody", get(b"/live", name.encode() + b": evil.example"), "200")
    table.add("x-original-url", get(b"/live", b"X-Original-URL: /predict", b"X-Rewrite-URL: /docs"), "200")
    for value in (b"soon", b"-1", b"0", b"9" * 50, b"1e3", b"NaN", b"\xff", b""):
        sent = post(GOOD, b"X-Request-Timeout-Ms: " + value)
        table.add(f"timeout-{value[:10].decode('latin-1')}", sent, f"200|{BAD}|504 DeadlineExceeded")
    table.add("connection-of-everything", get(b"/live", b"Connection: close, keep-alive, host"), "200")
    table.add("connection-names-the-length", post(GOOD, b"Connection: Content-Length"), "200")
    table.add("keep-alive-junk", get(b"/live", b"Keep-Alive: timeout=-1, max=NaN"), "200")
    table.add("te-trailers", post(GOOD, b"TE: trailers, deflate;q=0.5"), "200")
    table.add("close-in-capitals", get(b"/live", CLOSE.upper()), "200")
    table.add("length-and-chunked-on-get", get(b"/live", b"Content-Length: 5", CHUNKED), BAD)
    table.add("json-twice-the-same", post(GOOD, JSON), "200|415 UnsupportedMediaType")
