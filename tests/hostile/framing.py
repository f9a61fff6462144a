"""Attacks on where a request ends: lengths, chunks, trailers, and what follows on the connection."""

from __future__ import annotations

from hostile.case import Table
from hostile.wire import CHUNKED, CLOSE, GOOD, HOST, JSON, chunks, framed, get, lines, post

BAD = "400 BadRequest"
#: If this were ever answered, a body was read as a request.
SMUGGLED = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
N = len(GOOD)


def length() -> Table:
    """Content-Length."""
    table = Table("length")
    for name, value in {
        "minus": b"-1",
        "minus-zero": b"-0",
        "plus": b"+5",
        "letters": b"abc",
        "hex": b"0x10",
        "fraction": b"5.0",
        "exponent": b"1e2",
        "empty": b"",
        "space-inside": b"1 2",
        "tab-inside": b"1\t2",
        "underscore": b"1_0",
        "arabic-digit": b"\xd9\xa1",
        "superscript": b"\xb2",
        "list-the-same": b"%d, %d" % (N, N),
        "list-another": b"%d, 5" % N,
        "quoted": b'"%d"' % N,
        "with-a-semicolon": b"%d;x" % N,
        "2-to-the-64": b"18446744073709551616",
        "thirty-digits": b"9" * 30,
        "five-thousand-digits": b"9" * 5_000,
        "letters-after": b"%dx" % N,
    }.items():
        table.add(name, framed(GOOD, b"Content-Length: " + value), BAD)
    for name, value in {"2-to-the-63": 2**63, "2-to-the-64-less-1": 2**64 - 1, "a-limit-more": 2_000_001}.items():
        table.add(name, framed(b"", b"Content-Length: %d" % value, CLOSE), "413 TooLarge")
    table.add("leading-zeros", framed(GOOD, b"Content-Length: 000%d" % N), "200")
    table.add("spaces-around", framed(GOOD, b"Content-Length:   %d  " % N), "200")
    table.add("twice-the-same", framed(GOOD, *[b"Content-Length: %d" % N] * 2), BAD)
    table.add("twice-another", framed(GOOD, b"Content-Length: %d" % N, b"Content-Length: 5"), BAD)
    table.add("in-another-case", framed(GOOD, b"Content-Length: %d" % N, b"content-length: 5"), BAD)
    table.add("zero", framed(b"", b"Content-Length: 0"), "400 MalformedBody")
    table.add("none", framed(b""), "400 MalformedBody|411 LengthRequired")
    table.add("none-and-a-body", framed(GOOD + b"\r\n\r\n"), "400 MalformedBody|411 LengthRequired")
    table.add("too-short", framed(GOOD + b"\r\n\r\n", b"Content-Length: 5"), "400 MalformedBody")
    table.add(
        "too-short-and-a-request", framed(b"{}" + get(b"/live", CLOSE), b"Content-Length: 2"), "400 InvalidInput / 200"
    )
    table.add("body-is-a-request", post(SMUGGLED), "400 MalformedBody")
    table.add("body-of-get-is-a-request", get(b"/live", b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED, "200")
    table.add(
        "http-1.0-without-length", lines(b"POST /predict HTTP/1.0", HOST, JSON), "400 MalformedBody|411 LengthRequired"
    )
    return table


def transfer_encoding() -> Table:
    """Transfer-Encoding, alone and beside a length."""
    table = Table("transfer encoding")
    for name, value in {
        "gzip": b"gzip",
        "chunked-then-gzip": b"chunked, gzip",
        "chunked-twice": b"chunked, chunked",
        "unknown": b"x",
        "empty": b"",
        "chunked-quoted": b'"chunked"',
        "chunked-with-a-parameter": b"chunked;q=1",
        "chunked-glued": b"chunkedx",
        "chunked-before": b"xchunked",
        "vertical-tab": b"\x0bchunked",
        "nul": b"chunked\0",
        "comma-first": b", chunked",
        "comma-last": b"chunked,",
        "high-byte": b"chunk\xe9d",
    }.items():
        sent = framed(chunks(GOOD), b"Transfer-Encoding: " + value)
        table.add(name, sent, f"{BAD}|501 NotImplemented")
    length = b"Content-Length: %d" % N
    for name, headers in {
        "beside-a-length": (length, CHUNKED),
        "before-a-length": (CHUNKED, length),
        "beside-length-zero": (b"Content-Length: 0", CHUNKED),
        "identity-beside-a-length": (length, b"Transfer-Encoding: identity"),
        "junk-beside-a-length": (length, b"Transfer-Encoding: x"),
        "two-lines": (CHUNKED, b"Transfer-Encoding: identity"),
        "two-lines-other-way": (b"Transfer-Encoding: identity", CHUNKED),
        "two-lines-the-same": (CHUNKED, CHUNKED),
        "name-with-a-space": (b"Transfer-Encoding : chunked", length),
        "folded": (b"Transfer-Encoding:\r\n chunked", length),
    }.items():
        table.add(name, framed(chunks(GOOD) + SMUGGLED, *headers), f"{BAD}|501 NotImplemented")
    table.add("in-capitals", framed(chunks(GOOD), b"TRANSFER-ENCODING: CHUNKED"), "200")
    table.add("tab-before", framed(chunks(GOOD), b"Transfer-Encoding:\tchunked"), f"200|{BAD}")
    table.add("spaces-after", framed(chunks(GOOD), b"Transfer-Encoding: chunked   "), f"200|{BAD}")
    table.add("name-with-an-underscore", framed(GOOD, b"Transfer_Encoding: chunked", length), "200")
    table.add("http-1.0", lines(b"POST /predict HTTP/1.0", HOST, JSON, CHUNKED) + chunks(GOOD), f"200|{BAD}")
    table.add("on-get", get(b"/live", CHUNKED) + chunks(b"x"), "200")
    table.add(
        "gzip-then-chunked",
        framed(chunks(GOOD), b"Transfer-Encoding: gzip, chunked"),
        f"{BAD}|501 NotImplemented|415 UnsupportedMediaType|200",
    )
    return table


def chunked() -> Table:
    """Inside a chunked body."""
    table = Table("chunks")
    size = b"%x" % N
    good = {
        "one": chunks(GOOD),
        "of-one-byte": chunks(*(GOOD[n : n + 1] for n in range(N))),
        "size-in-capitals": size.upper() + b"\r\n" + GOOD + b"\r\n0\r\n\r\n",
        "leading-zeros": b"0000" + size + b"\r\n" + GOOD + b"\r\n0\r\n\r\n",
        "extension": size + b";a=b\r\n" + GOOD + b"\r\n0\r\n\r\n",
        "extension-quoted": size + b';a="b c"\r\n' + GOOD + b"\r\n0\r\n\r\n",
        "extension-on-the-last": size + b"\r\n" + GOOD + b"\r\n0;x\r\n\r\n",
        "last-of-many-zeros": size + b"\r\n" + GOOD + b"\r\n0000000\r\n\r\n",
        "trailer": chunks(GOOD, trailer=b"X-Sum: 1\r\n"),
        "trailer-host": chunks(GOOD, trailer=b"Host: evil.example\r\n"),
        "trailer-length": chunks(GOOD, trailer=b"Content-Length: 5\r\n"),
        "trailer-encoding": chunks(GOOD, trailer=b"Transfer-Encoding: chunked\r\n"),
        "trailer-content-type": chunks(GOOD, trailer=b"Content-Type: text/plain\r\n"),
        "trailer-authorization": chunks(GOOD, trailer=b"Authorization: Bearer x\r\n"),
        "five-hundred-small-trailers": chunks(GOOD, trailer=b"X: 1\r\n" * 500),
    }
    for name, body in good.items():
        table.add(name, framed(body, CHUNKED), f"200|{BAD}" if name.startswith(("trailer-", "five")) else "200")
    for name, body in {
        "size-not-hex": b"zz\r\n{}\r\n0\r\n\r\n",
        "size-minus": b"-1\r\n{}\r\n0\r\n\r\n",
        "size-plus": b"+2\r\n{}\r\n0\r\n\r\n",
        "size-with-0x": b"0x2\r\n{}\r\n0\r\n\r\n",
        "size-empty": b"\r\n{}\r\n0\r\n\r\n",
        "size-space-first": b" 2\r\n{}\r\n0\r\n\r\n",
        "size-overflows": b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n",
        "size-wraps": b"10000000000000002\r\n{}\r\n0\r\n\r\n",
        "size-of-a-thousand-digits": b"1" * 1_000 + b"\r\n{}\r\n",
        "size-too-small": b"1\r\n{}\r\n0\r\n\r\n",
        "size-too-large": b"3\r\n{}\r\n0\r\n\r\n",
        "size-lf-only": b"2\n{}\r\n0\r\n\r\n",
        "size-cr-only": b"2\r{}\r\n0\r\n\r\n",
        "size-nul": b"2\0\r\n{}\r\n0\r\n\r\n",
        "no-end-after-the-data": b"2\r\n{}0\r\n\r\n",
        "lf-after-the-data": b"2\r\n{}\n0\r\n\r\n",
        "extension-with-lf": b"2;a\nb\r\n{}\r\n0\r\n\r\n",
        "extension-with-nul": b"2;a\0b\r\n{}\r\n0\r\n\r\n",
        "trailer-without-colon": b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n",
        "trailer-folded": b"2\r\n{}\r\n0\r\nX: 1\r\n 2\r\n\r\n",
        "trailer-with-nul": b"2\r\n{}\r\n0\r\nX: \0\r\n\r\n",
        "not-chunked-at-all": GOOD + b"\r\n\r\n",
    }.items():
        # what was read before the break may be answered as far as it goes: `{}` is a body
        table.add(name, framed(body, CHUNKED), f"{BAD}|400 InvalidInput")
    table.add("empty-body", framed(b"0\r\n\r\n", CHUNKED), "400 MalformedBody")
    table.add("a-request-follows", framed(chunks(GOOD) + get(b"/live", CLOSE), CHUNKED), "200 / 200")
    table.add("a-request-inside", framed(chunks(SMUGGLED), CHUNKED), "400 MalformedBody")
    table.add("junk-follows", framed(chunks(GOOD) + b"junk\r\n\r\n", CHUNKED), "200")
    table.add("too-large", lambda: framed(chunks(*[b" " * 500_000] * 5), CHUNKED), "413 TooLarge")
    table.add("too-large-of-small-chunks", lambda: framed(chunks(*[b" " * 100] * 20_001), CHUNKED), "413 TooLarge")
    table.add("one-huge", framed(b"ffffffff\r\n" + b" " * 3_000_000, CHUNKED, CLOSE), "413 TooLarge")
    table.add("a-limit", lambda: framed(chunks(GOOD, b" " * (2_000_000 - N)), CHUNKED), "200")
    table.add(
        "extension-of-a-megabyte",
        framed(b"2;" + b"a" * 1_000_000 + b"\r\n{}\r\n0\r\n\r\n", CHUNKED),
        "400 InvalidInput|400 BadRequest|413 TooLarge|431 HeadersTooLarge",
    )
    table.add(
        "extensions-many",
        framed(b"1;aaaaaaaa\r\n \r\n" * 50_000 + b"0\r\n\r\n", CHUNKED),
        "400 MalformedBody|400 BadRequest|413 TooLarge",
    )
    table.add(
        "trailer-of-a-megabyte",
        framed(b"2\r\n{}\r\n0\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", CHUNKED),
        "431 HeadersTooLarge|400 InvalidInput",
    )
    table.add(
        "trailers-many",
        framed(b"2\r\n{}\r\n0\r\n" + b"X: 1\r\n" * 100_000 + b"\r\n", CHUNKED),
        "431 HeadersTooLarge|400 InvalidInput",
    )
    return table


def connection() -> Table:
    """Several requests, other protocols."""
    table = Table("connection")
    table.add(
        "pipelined",
        post() + get(b"/nothing") + post(b"{}") + get(b"/live", CLOSE),
        "200 / 404 NotFound / 400 InvalidInput / 200",
    )
    table.add("pipelined-fifty", post() * 50, " / ".join(["200"] * 50))
    table.add("pipelined-after-close", get(b"/live", CLOSE) + get(b"/live"), "200")
    table.add("pipelined-after-http-1.0", lines(b"GET /live HTTP/1.0", HOST) + get(b"/live"), "200")
    table.add("garbage-after", get(b"/live") + b"\0" * 1_000, "200")
    table.add("garbage-after-a-prediction", post() + b"NONSENSE\r\n\r\n", "200")
    table.add(
        "upgrade-h2c",
        post(GOOD, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        "200",
    )
    table.add(
        "upgrade-h2c-chunked",
        framed(chunks(GOOD), CHUNKED, b"Connection: Upgrade", b"Upgrade: h2c"),
        "411 LengthRequired",
    )
    table.add(
        "upgrade-h2c-too-large",
        framed(b"", b"Content-Length: 99999999", b"Connection: Upgrade", b"Upgrade: h2c"),
        "413 TooLarge",
    )
    websocket = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    table.add("upgrade-websocket", get(b"/live", *websocket, b"Sec-WebSocket-Version: 13"), "200")
    table.add("upgrade-websocket-predict", get(b"/predict", *websocket), "405 MethodNotAllowed")
    table.add("upgrade-unknown", get(b"/live", b"Connection: upgrade", b"Upgrade: \xff"), "200")
    table.add("upgrade-without-connection", get(b"/live", b"Upgrade: h2c"), "200")
    table.add(
        "upgrade-and-a-second-request", get(b"/live", b"Connection: upgrade", b"Upgrade: h2c") + get(b"/live"), "200"
    )
    table.add(
        "h2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", f"{BAD}|505 HttpVersionNotSupported"
    )
    table.add("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, BAD)
    table.add("proxy-protocol-1", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(b"/live"), BAD)
    table.add("proxy-protocol-2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\0" * 12 + get(b"/live"), BAD)
    table.add("socks-5", b"\x05\x01\x00" + b"\0" * 100, BAD)
    table.add("redis", b"*1\r\n$7\r\nFLUSHALL\r\n", BAD)
    table.add("memcached", b"stats\r\n", BAD)
    table.add("fastcgi", b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\0\0\0\0\0\0", BAD)
    table.add("rdp", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", BAD)
    table.add(
        "expect-continue-refused", framed(b"", b"Content-Length: 3000000", b"Expect: 100-continue"), "413 TooLarge"
    )
    return table
