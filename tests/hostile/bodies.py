"""Attacks inside the body: JSON, encodings, numbers, depth, size; CSV and NDJSON."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable

from hostile.case import Table
from hostile.wire import GOOD, ROW, post

MALFORMED, INVALID, LARGE = "400 MalformedBody", "400 InvalidInput", "413 TooLarge"
CSV, NDJSON = b"Content-Type: text/csv", b"Content-Type: application/x-ndjson"
DEEP = 100_000


def _with(field: str, raw: bytes) -> bytes:
    """The good row with one value replaced by raw bytes."""
    return json.dumps({**ROW, field: "\1"}).encode().replace(b'"\\u0001"', raw)


def syntax() -> Table:
    """What is no JSON, and what is JSON but no rows."""
    table = Table("json")
    for name, body in {
        "empty": b"", "spaces": b"  \n\t ", "nul": b"\0", "nuls": b"\0" * 5_000, "brace": b"{", "bracket": b"[",
        "half": GOOD[:-1], "half-string": b'{"island": "Dre', "half-escape": b'{"a": "\\', "half-unicode": b'{"a": "\\u12',
        "twice": GOOD + GOOD, "junk-after": GOOD + b"x", "nul-after": GOOD + b"\0", "comma-after": b'{"a": 1,}',
        "comma-in-array": b"[" + GOOD + b",]", "comma-first": b"[," + GOOD + b"]", "comma-twice": b"[{},,{}]",
        "colon-twice": b'{"a"::1}', "no-colon": b'{"a" 1}', "no-comma": b'{"a":1 "b":2}', "key-bare": b"{a: 1}",
        "key-number": b"{1: 1}", "key-null": b"{null: 1}", "single-quotes": b"{'a': 1}", "comment": b"{} // x",
        "comment-block": b"/* x */ {}", "comment-hash": b"# x\n{}", "semicolon": b"{};", "undefined": b'{"a": undefined}',
        "python-none": b'{"a": None}', "python-true": b'{"a": True}', "upper-null": b'{"a": NULL}',
        "tab-in-string": b'{"a": "\t"}', "line-end-in-string": b'{"a": "\n"}', "control-in-string": b'{"a": "\x01"}',
        "nul-in-string": b'{"a": "\0"}', "escape-unknown": b'{"a": "\\x41"}', "escape-octal": b'{"a": "\\101"}',
        "escape-quote": b'{"a": "\\\'"}', "form-feed": b"\x0c{}", "vertical-tab": b"\x0b{}", "no-break-space": b"\xc2\xa0{}",
        "line-separator": b"\xe2\x80\xa8{}", "anti-hijacking": b")]}'\n{}", "jsonp": b"f({})", "yaml": b"a: 1\nb: 2\n",
        "xml": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "pickle": b"\x80\x04cposix\nsystem\n.",
        "msgpack": b"\x81\xa1a\x01", "cbor": b"\xbf\x61a\x01\xff", "gzip": b"\x1f\x8b\x08" + b"\0" * 50, "form": b"a=1&b=2",
        "urlencoded": b"%7B%7D", "zip": b"PK\x03\x04" + b"\0" * 50, "parquet": b"PAR1" + b"\0" * 50 + b"PAR1",
    }.items():  # fmt: skip
        table.add(name, post(body), MALFORMED)
    for name, body in {
        "null": b"null", "true": b"true", "number": b"1", "string": b'"x"', "nan": b"NaN", "infinity": b"Infinity",
        "columns-null": b'{"columns": null}', "rows-null": b'{"rows": null}', "rows-object": b'{"rows": {}}',
        "rows-number": b'{"rows": 1}', "rows-twice": b'{"rows": [], "rows": []}', "columns-number": b'{"columns": 1}',
        "columns-uneven": b'{"columns": {"island": ["Dream"], "sex": []}}', "columns-scalars": b'{"columns": {"island": 1}}',
        "columns-array": b'{"columns": [1]}', "columns-twice": b'{"columns": {}, "columns": {}}',
        "columns-key-twice": b'{"columns": {"island": [], "island": []}}',
    }.items():  # fmt: skip
        table.add(name, post(body), f"{MALFORMED}|{INVALID}")
    for name, body in {
        "array-of-numbers": b"[1, 2]", "array-of-null": b"[null]", "array-of-arrays": b"[[1]]", "array-of-strings": b'["a"]',
        "array-mixed": b"[" + GOOD + b", null]", "empty-object": b"{}", "empty-key": b'{"": 1}', "rows-of-null": b'{"rows": [null]}',
        "rows-and-more": b'{"rows": [], "x": 1}', "proto": b'{"__proto__": {"island": "Dream"}}',
        "constructor": b'{"constructor": {"prototype": {}}}', "class": b'{"__class__": "os.system"}',
        "py-object": b'{"py/object": "os.system"}', "operator": b'{"$gt": ""}', "type-tag": b'{"@type": "java.lang.Runtime"}',
        "ref": b'{"$ref": "file:///etc/passwd"}',
    }.items():  # fmt: skip
        table.add(name, post(body), INVALID)
    table.add("empty-array", post(b"[]"), "200")
    table.add("spaces-around", post(b"\r\n\t " + GOOD + b" \r\n"), "200")
    table.add("keys-escaped", post(GOOD.replace(b"island", b"\\u0069sland")), "200")
    return table


def encodings() -> Table:
    """Bytes that are not plain UTF-8."""
    table = Table("encoding")
    text = GOOD.decode()
    for name, body in {
        "bom": codecs.BOM_UTF8 + GOOD,
        "bom-alone": codecs.BOM_UTF8,
        "bom-twice": codecs.BOM_UTF8 * 2 + GOOD,
        "bom-inside": GOOD.replace(b"{", b"{" + codecs.BOM_UTF8, 1),
        "utf-16": text.encode("utf-16"),
        "utf-16-le": text.encode("utf-16-le"),
        "utf-16-be": text.encode("utf-16-be"),
        "utf-32": text.encode("utf-32"),
        "utf-32-be": text.encode("utf-32-be"),
        "utf-7": b"{+AGE-: 1}",
        "ebcdic": text.encode("cp500"),
        "high-byte-outside": b"\xff" + GOOD,
        "all-bytes": bytes(range(256)),
        "random-megabyte": bytes((n * 7919 + 13) % 256 for n in range(1_000_000)),
    }.items():
        table.add(name, post(body), MALFORMED)
    for name, raw in {
        "latin-1": b"Dr\xe9am", "overlong-nul": b"\xc0\x80", "overlong-slash": b"\xe0\x80\xaf", "half-character": b"\xe2\x82",
        "continuation-alone": b"\x80", "surrogate-in-utf-8": b"\xed\xa0\x80", "surrogate-pair-in-utf-8": b"\xed\xa0\xbd\xed\xb8\x80",
        "beyond-unicode": b"\xf4\x90\x80\x80", "five-bytes": b"\xf8\x88\x80\x80\x80", "0xff": b"\xff", "0xfe": b"\xfe",
    }.items():  # fmt: skip
        table.add(f"value-{name}", post(_with("island", b'"' + raw + b'"')), MALFORMED)
        table.add(f"key-{name}", post(b'{"' + raw + b'": 1}'), MALFORMED)
    for name, raw in {
        "lone-high": b"\\ud800", "lone-low": b"\\udc00", "reversed": b"\\udc00\\ud800", "high-and-letter": b"\\ud83dx",
        "high-twice": b"\\ud83d\\ud83d", "half-pair": b"\\ud83d\\u", "pair-and-half": b"\\ud83d\\ude00\\ud83d",
    }.items():  # fmt: skip
        table.add(f"value-surrogate-{name}", post(_with("island", b'"' + raw + b'"')), f"{MALFORMED}|{INVALID}")
        table.add(f"key-surrogate-{name}", post(b'{"' + raw + b'": 1}'), f"{MALFORMED}|{INVALID}")
        table.add(f"columns-surrogate-{name}", post(b'{"columns": {"' + raw + b'": ["x"]}}'), f"{MALFORMED}|{INVALID}")
    for name, raw in {
        "nul-escaped": b"\\u0000", "emoji": b"\\ud83d\\ude00", "right-to-left": b"\\u202e", "bom-escaped": b"\\ufeff",
        "noncharacter": b"\\uffff", "combining": "a\u0301".encode() * 1_000, "fullwidth": "Ｄｒｅａｍ".encode(),
        "trailing-space": b"Dream ", "line-ends": b"Dream\\r\\nX: 1", "terminal": b"\\u001b[31mred", "path": b"../../etc/passwd",
        "sql": b"' OR 1=1 --", "script": b"<script>alert(1)</script>", "format": b"{0.__class__}", "percent": b"%s%n",
        "jndi": b"${jndi:ldap://x}", "template": b"{{7*7}}", "formula": b"=1+1",
    }.items():  # fmt: skip
        table.add(f"level-{name}", post(_with("island", b'"' + raw + b'"')), f"{INVALID}|200")
        table.add(f"key-{name}", post(b'{"' + raw + b'": 1}'), INVALID)
    return table


def numbers() -> Table:
    """Numbers that are none, that no float64 holds, that cost time to read."""
    table = Table("number")
    for name, raw in {
        "nan": b"NaN", "minus-nan": b"-NaN", "infinity": b"Infinity", "minus-infinity": b"-Infinity", "inf": b"inf",
        "plus": b"+1", "leading-zero": b"01", "minus-leading-zero": b"-01", "point-first": b".5", "point-last": b"5.",
        "hex": b"0x10", "octal": b"0o7", "binary": b"0b1", "underscore": b"1_000", "comma": b"1,5", "exponent-empty": b"1e",
        "exponent-sign": b"1e+", "exponent-fraction": b"1e1.5", "minus-alone": b"-", "minus-twice": b"--1", "spaced": b"1 2",
        "imaginary": b"1j", "suffix": b"1f", "arabic-digits": "١".encode(), "fraction": b"1/2", "superscript": "²".encode(),
    }.items():  # fmt: skip
        table.add(name, post(_with("bill_length_mm", raw)), f"{MALFORMED}|{INVALID}")
        table.add(f"{name}-in-an-unknown-key", post(b'{"x": ' + raw + b"}"), f"{MALFORMED}|{INVALID}")
    for name, raw in {
        "1e400": b"1e400", "minus-1e400": b"-1e400", "1e999999999": b"1e999999999", "1e-and-5000-digits": b"1e" + b"9" * 5_000,
        "310-digits": b"9" * 310, "4300-digits": b"9" * 4_300, "4301-digits": b"9" * 4_301, "million-digits": b"9" * 1_000_000,
        "minus-million-digits": b"-" + b"9" * 1_000_000, "true": b"true", "string": b'"39.1"', "array": b"[39.1]", "object": b'{"v": 39.1}',
        "empty-string": b'""', "date": b'"2020-01-01"', "string-nan": b'"NaN"', "4300-digits-as-text": b'"' + b"9" * 4_300 + b'"',
        "309-digits": b"2" + b"0" * 308,
    }.items():  # fmt: skip
        table.add(name, post(_with("bill_length_mm", raw)), f"{INVALID}|{MALFORMED}")
    for name, raw in {
        "1e308": b"1e308", "minus-1e308": b"-1e308", "1e-400": b"1e-400", "denormal": b"5e-324", "minus-zero": b"-0.0", "2-to-the-53-and-1": b"9007199254740993",
        "2-to-the-63": b"9223372036854775808", "2-to-the-64": b"18446744073709551616", "300-digits": b"9" * 300, "exponent-of-zeros": b"1e" + b"0" * 5_000,
        "fraction-of-100000": b"0." + b"1" * 100_000, "zeros-of-100000": b"1." + b"0" * 100_000, "exponent-sign-zeros": b"1E+00", "null": b"null",
        "9007199254740993.0": b"9007199254740993.0", "1e22": b"1e22", "tiny-with-long-exponent": b"1e-999999999",
    }.items():  # fmt: skip
        table.add(name, post(_with("bill_length_mm", raw)), f"200|{INVALID}")
    return table


def sizes() -> Table:
    """Deep, wide, long, many."""
    table = Table("size")
    shapes: dict[str, Callable[[int], bytes]] = {
        "arrays": lambda n: b"[" * n + b"]" * n,
        "arrays-open": lambda n: b"[" * n,
        "objects": lambda n: b'{"a":' * n + b"1" + b"}" * n,
        "objects-open": lambda n: b'{"a":' * n,
        "mixed": lambda n: b'[{"a":' * n + b"1" + b"}]" * n,
        "in-a-field": lambda n: _with("island", b"[" * n + b"]" * n),
        "in-an-unknown-key": lambda n: b'{"x":' + b"[" * n + b"]" * n + b"}",
        "in-rows": lambda n: b'{"rows":' + b"[" * n + b"]" * n + b"}",
        "in-columns": lambda n: b'{"columns": {"island": ' + b"[" * n + b"]" * n + b"}}",
        "objects-in-an-array": lambda n: b"[" + b'{"a":' * n + b"1" + b"}" * n + b"]",
    }
    for name, shape in shapes.items():
        for depth in (100, 1_000, 5_000, DEEP):
            body = shape(depth)
            table.add(f"{depth}-deep-{name}", post(body), f"{MALFORMED}|{INVALID}")
    table.add("million-open-brackets", post(b"[" * 1_900_000), MALFORMED)
    table.add("million-quotes", post(b'"' * 1_900_000), MALFORMED)
    table.add("million-backslashes", post(b'{"a": "' + b"\\" * 1_900_000), f"{MALFORMED}|{LARGE}")
    table.add("million-commas", post(b"[" + b"," * 1_900_000), MALFORMED)
    table.add("million-empty-arrays", post(b"[" + b"[]," * 600_000 + b"[]]"), LARGE)
    table.add("million-numbers", post(b"[" + b"1," * 900_000 + b"1]"), LARGE)
    table.add(
        "million-nulls-in-a-column",
        post(b'{"columns": {"island": [' + b"1," * 900_000 + b"1]}}"),
        f"{LARGE}|{MALFORMED}|{INVALID}",
    )
    table.add("megabyte-of-spaces", post(b" " * 1_900_000), MALFORMED)
    table.add("megabyte-of-spaces-and-a-row", post(b" " * 1_900_000 + GOOD), "200")
    table.add("level-of-a-megabyte", post(_with("island", b'"' + b"a" * 1_900_000 + b'"')), f"{INVALID}|{LARGE}")
    table.add("level-of-escapes", post(_with("island", b'"' + b"\\u0041" * 300_000 + b'"')), f"{INVALID}|{LARGE}")
    table.add("key-of-a-megabyte", post(b'{"' + b"k" * 1_900_000 + b'": 1}'), f"{INVALID}|{LARGE}")
    table.add("hundred-thousand-keys", post(b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}"), INVALID)
    table.add("keys-in-every-row", post(b"[" + b",".join([b'{"a":1,"b":2,"c":3}'] * 10_000) + b"]"), INVALID)
    table.add("key-fifty-thousand-times", post(b"{" + b",".join([b'"island":"Dream"'] * 50_000) + b"}"), INVALID)
    table.add("ten-thousand-bad-rows", post(b"[" + b",".join([b"{}"] * 10_000) + b"]"), INVALID)
    table.add("ten-thousand-and-one-rows", post(b"[" + b",".join([GOOD] * 10_001) + b"]"), LARGE)
    table.add("ten-thousand-and-one-empty-rows", post(b"[" + b",".join([b"{}"] * 10_001) + b"]"), LARGE)
    table.add("wrapped-ten-thousand-and-one", post(b'{"rows": [' + b",".join([b"1"] * 10_001) + b"]}"), LARGE)
    table.add("a-limit", post(GOOD + b" " * (2_000_000 - len(GOOD))), "200")
    table.add("a-limit-and-one", post(GOOD + b" " * (2_000_001 - len(GOOD))), LARGE)
    table.add("three-megabytes", post(b" " * 3_000_000), LARGE)
    table.add("ten-megabytes", lambda: post(b"[" * 10_000_000), LARGE)
    table.add(
        "same-hash-keys", post(b"{" + b",".join(b'"%d":1' % (n * (2**61 - 1)) for n in range(20_000)) + b"}"), INVALID
    )
    return table


def duplicates() -> Table:
    """Keys that stand twice, however they are written."""
    table = Table("duplicate")
    extra = {
        "same": b'"island": "Dream"', "another": b'"island": "Biscoe"', "null": b'"island": null',
        "escaped": b'"\\u0069sland": "Biscoe"', "escaped-all": b'"\\u0069\\u0073\\u006c\\u0061\\u006e\\u0064": "Biscoe"',
        "nested": b'"island": {"a": 1}', "number": b'"bill_length_mm": 1',
    }  # fmt: skip
    for name, raw in extra.items():
        row = GOOD[:-1] + b", " + raw + b"}"
        table.add(name, post(row), INVALID)
        table.add(f"{name}-first", post(b"{" + raw + b", " + GOOD[1:]), INVALID)
        table.add(f"{name}-in-an-array", post(b"[" + GOOD + b"," + row + b"]"), INVALID)
        table.add(f"{name}-in-rows", post(b'{"rows": [' + row + b"]}"), INVALID)
    table.add("unknown-twice", post(GOOD[:-1] + b', "x": 1, "x": 1}'), INVALID)
    table.add("nested-twice", post(_with("island", b'{"a": 1, "a": 1}')), INVALID)
    table.add("wrapper-twice", post(b'{"rows": [' + GOOD + b'], "rows": [' + GOOD + b"]}"), MALFORMED)
    table.add("wrapper-twice-escaped", post(b'{"rows": [], "r\\u006fws": []}'), MALFORMED)
    return table


def lines_and_cells() -> Table:
    """CSV and NDJSON."""
    table = Table("table")
    names = ",".join(ROW)
    cells = ",".join(map(str, ROW.values()))
    good = f"{names}\r\n{cells}\r\n".encode()
    for name, body in {
        "good": good, "lf": good.replace(b"\r\n", b"\n"), "no-end": good.rstrip(), "quoted": names.encode() + b"\n" + cells.replace("Dream", '"Dream"').encode(),
        "header-alone": names.encode() + b"\r\n",
    }.items():  # fmt: skip
        table.add(f"csv-{name}", post(body, content_type=CSV), "200")
    for name, body in {
        "empty": b"", "spaces": b"  ", "blank-lines": b"\r\n\r\n\r\n", "nul": b"\0", "nul-in-a-cell": good.replace(b"Dream", b"Dr\0am"), "not-utf-8": good.replace(b"Dream", b"Dr\xe9am"),
        "utf-16": good.decode().encode("utf-16"), "quote-open": good.replace(b"Dream", b'"Dream'), "quote-inside": good.replace(b"Dream", b'Dr"eam'),
        "quote-and-letters": good.replace(b"Dream", b'"Dream"x'), "short-row": good + b"Dream\r\n", "long-row": good.rstrip() + b",1,2,3\r\n",
        "header-twice": good.replace(b"sex", b"island"), "header-empty": good.replace(b"sex", b""), "header-unknown": good.replace(b"sex", b"sexx"),
        "header-surrogate-utf-8": good.replace(b"sex", b"\xed\xa0\x80"), "semicolons": good.replace(b",", b";"), "tabs": good.replace(b",", b"\t"),
        "only-commas": b"," * 100_000, "only-quotes": b'"' * 100_001, "million-quotes": b'"' * 1_000_000, "cr-only": good.replace(b"\r\n", b"\r"),
        "formula": good.replace(b"Dream", b"=cmd|' /C calc'!A0"), "formula-plus": good.replace(b"39.1", b"+1+1"), "formula-at": good.replace(b"Dream", b"@SUM(1)"),
        "nan": good.replace(b"39.1", b"NaN"), "infinity": good.replace(b"39.1", b"inf"), "1e400": good.replace(b"39.1", b"1e400"), "hex": good.replace(b"39.1", b"0x1p3"),
        "4300-digits": good.replace(b"39.1", b"9" * 4_300), "million-digits": good.replace(b"39.1", b"9" * 1_000_000), "underscore": good.replace(b"39.1", b"3_9"),
        "arabic-digits": good.replace(b"39.1", "٣٩".encode()), "json-in-a-cell": good.replace(b"Dream", b'"[[[[""a""]]]]"'), "cell-of-a-megabyte": good.replace(b"Dream", b"a" * 1_900_000),
        "hundred-thousand-columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\r\n", "json": GOOD, "deep-json": b"[" * DEEP, "lone-surrogate-escape": good.replace(b"Dream", b"\\ud800"),
        "comma-in-a-number": good.replace(b"39.1", b'"39,1"'), "quote-breaks-json": good.replace(b"Dream", b'a\\"",""x""'),
    }.items():  # fmt: skip
        table.add(f"csv-{name}", post(body, content_type=CSV), f"{MALFORMED}|{INVALID}|{LARGE}")
    table.add("csv-bom", post(codecs.BOM_UTF8 + good, content_type=CSV), f"200|{MALFORMED}")
    table.add("csv-trailing-blank-lines", post(good + b"\r\n" * 1_000, content_type=CSV), f"200|{MALFORMED}|{INVALID}")
    rows = names.encode() + b"\r\n" + (cells.encode() + b"\r\n") * 10_001
    table.add("csv-ten-thousand-and-one-rows", post(rows, content_type=CSV), LARGE)
    table.add(
        "csv-million-blank-lines",
        post(names.encode() + b"\n" * 1_900_000, content_type=CSV),
        f"200|{LARGE}|{MALFORMED}|{INVALID}",
    )
    table.add(
        "csv-million-short-rows",
        post(names.encode() + b"\n1" * 900_000, content_type=CSV),
        f"{LARGE}|{MALFORMED}|{INVALID}",
    )
    table.add("csv-three-megabytes", post(b"a" * 3_000_000, content_type=CSV), LARGE)
    for name, body in {
        "good": GOOD,
        "two": GOOD + b"\n" + GOOD + b"\n",
        "crlf": GOOD + b"\r\n" + GOOD,
        "blank-lines": b"\n\n" + GOOD + b"\n\n\n" + GOOD,
    }.items():
        table.add(f"ndjson-{name}", post(body, content_type=NDJSON), "200")
    for name, body in {
        "one-bad": GOOD + b"\nx\n" + GOOD, "half": GOOD[:-1], "pretty": json.dumps(ROW, indent=1).encode(), "array": b"[" + GOOD + b"]", "glued": GOOD + GOOD,
        "comma": GOOD + b",\n" + GOOD, "null": b"null\n", "numbers": b"1\n2\n", "nul": b"\0\n", "bom": codecs.BOM_UTF8 + GOOD, "utf-16": GOOD.decode().encode("utf-16"),
        "not-utf-8": GOOD + b"\n\xff\n", "deep": b"[" * DEEP + b"\n" + GOOD, "deep-second": GOOD + b"\n" + b'{"a":' * DEEP, "nan": _with("bill_length_mm", b"NaN"),
        "1e400": _with("bill_length_mm", b"1e400"), "4300-digits": _with("bill_length_mm", b"9" * 4_300), "duplicate": GOOD[:-1] + b', "island": "Dream"}',
        "surrogate": _with("island", b'"\\ud800"'), "cr-only": GOOD + b"\r" + GOOD, "line-separator": GOOD + b"\xe2\x80\xa8" + GOOD, "record-separator": b"\x1e" + GOOD,
        "empty-objects": b"{}\n" * 10_000, "line-of-a-megabyte": b'{"a": "' + b"a" * 1_900_000 + b'"}', "form-feed": b"\x0c\n", "million-open": b"[\n" * 10_000,
    }.items():  # fmt: skip
        table.add(f"ndjson-{name}", post(body, content_type=NDJSON), f"{MALFORMED}|{INVALID}|{LARGE}")
    table.add("ndjson-empty", post(b"", content_type=NDJSON), f"200|{MALFORMED}")
    table.add("ndjson-blank", post(b"\n" * 1_900_000, content_type=NDJSON), f"200|{MALFORMED}|{LARGE}")
    table.add("ndjson-ten-thousand-and-one", post((GOOD + b"\n") * 10_001, content_type=NDJSON), LARGE)
    table.add("ndjson-million-short", post(b"1\n" * 900_000, content_type=NDJSON), LARGE)
    for name, field in {
        "formula": b"=1+1",
        "plus": b"+1",
        "at": b"@x",
        "minus": b"-x",
        "quotes": b'a\\",b',
        "line-ends": b"a\\r\\nb",
    }.items():
        sent = post(_with("island", b'"' + field + b'"'), b"Accept: text/csv")
        table.add(f"csv-answer-{name}", sent, f"200|{INVALID}")
    return table
