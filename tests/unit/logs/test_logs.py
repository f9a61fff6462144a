"""Log lines: complete, and one line whatever a caller sends."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.logs import JsonFormatter, TextFormatter, configure, event

REQUEST = {
    "request_id": "01H",
    "method": "POST",
    "path": "/predict",
    "status": 200,
    "ms": 3.14159,
    "model": "penguins",
    "version": "3",
    "rows": 1,
    "bytes_out": 120,
    "client_request_id": None,
}


@pytest.fixture(autouse=True)
def logging_as_it_was():
    root, ours = logging.getLogger(), logging.getLogger("cloche")
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


def record(name: str = "request", **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("cloche.web", logging.INFO, __file__, 1, name, None, None)
    made.fields = fields
    return made


def test_a_request_as_json() -> None:
    line = json.loads(JsonFormatter().format(record(**REQUEST)))
    time = line.pop("time")
    assert time.endswith("Z")
    assert len(time) == 24
    assert line == {"level": "info", "event": "request", **{k: v for k, v in REQUEST.items() if v is not None}}


def test_a_request_for_people() -> None:
    line = TextFormatter().format(record(**REQUEST))
    assert line[12:] == " info    POST /predict 200 3.1 ms penguins@3 request_id=01H rows=1 bytes_out=120"


def test_an_event_for_people() -> None:
    assert TextFormatter().format(record("promoted", model="penguins", version=3))[12:] == (
        " info    promoted model=penguins version=3"
    )


@given(st.text() | st.text(st.characters(categories=["Cc", "Cs", "Zl", "Zp", "Cf"])))
def test_nothing_that_was_sent_starts_a_line(sent: str) -> None:
    fields = REQUEST | {"path": sent, "client_request_id": sent}
    as_json, as_text = JsonFormatter().format(record(sent, **fields)), TextFormatter().format(record(sent, **fields))
    assert int(json.loads(as_json)["status"]) == 200
    assert not set(as_json) & {"\n", "\r", "\x1b"}
    assert as_text.isprintable()
    as_text.encode()


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("a\nb", r"a\nb", id="newline"),
        pytest.param("\x1b[2J", r"\x1b[2J", id="terminal-escape"),
        pytest.param("a\u2028b", r"a\u2028b", id="line-separator"),
        pytest.param("\u202e", r"\u202e", id="right-to-left"),
        pytest.param("\ud800", r"\ud800", id="lone-surrogate"),
        pytest.param("Zürich 漢字", "Zürich 漢字", id="letters-stay"),
    ],
)
def test_what_drives_a_terminal_is_spelt_out(sent: str, shown: str) -> None:
    assert f"path={shown}" in TextFormatter().format(record("x", path=sent))


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, ValueError("x"), b"\xff", 2**70, {"a": [1]}, ["\ud800"], {(1, 2): 3}]
)
def test_any_value_can_be_logged(value: object) -> None:
    assert json.loads(JsonFormatter().format(record(value=value)))["event"] == "request"


def test_a_field_cannot_pose_as_the_level() -> None:
    line = json.loads(JsonFormatter().format(record(level="error", time="never", event="other")))
    assert (line["level"], line["event"]) == ("info", "request")


def failing_logger(format: str) -> str:
    stream = io.StringIO()
    configure(format, stream)
    try:
        raise ValueError("bad\nthing")
    except ValueError as exc:
        event(logging.getLogger("cloche.serving"), logging.ERROR, "engine failed", exc_info=exc, model="penguins")
    return stream.getvalue()


def test_a_traceback_is_a_field_of_the_json_line() -> None:
    out = failing_logger("json")
    assert out.count("\n") == 1
    assert "ValueError: bad\nthing" in json.loads(out)["exception"]


def test_a_traceback_is_indented_for_people() -> None:
    lines = failing_logger("text").splitlines()
    assert "engine failed model=penguins" in lines[0]
    assert all(line.startswith("    ") for line in lines[1:])


def test_auto_is_json_where_nobody_looks_and_others_keep_quiet() -> None:
    stream = io.StringIO()
    configure("auto", stream)
    configure("auto", stream)
    logging.getLogger("uvicorn.access").info("noise")
    logging.getLogger("cloche.web").debug("noise")
    logging.getLogger("other").warning("from %s", "elsewhere")
    event(logging.getLogger("cloche.web"), logging.INFO, "started", port=8000)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["logger"]) == ("from elsewhere", "other")
    assert (second["event"], second["port"]) == ("started", 8000)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_auto_is_text_on_a_terminal() -> None:
    stream = Terminal()
    configure("auto", stream)
    event(logging.getLogger("cloche"), logging.INFO, "started", port=8000)
    assert stream.getvalue().endswith("info    started port=8000\n")
