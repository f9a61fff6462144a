"""`cloche compare` against small servers that answer as others do."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import cloche
import warm
from cloche.api.comparing import Compared, compare
from cloche.api.other_servers import OtherServer, way_of
from cloche.errors import ServerUnreachableError, ServingError, UsageError
from servers import cloche_here

_DRAWS = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": _DRAWS.normal(size=120), "b": _DRAWS.normal(size=120)})
LABELS = np.where(TABLE.a + TABLE.b > 0, "yes", "no")
CLASSIFIER = LogisticRegression().fit(TABLE, LABELS)
REGRESSOR = LinearRegression().fit(TABLE, TABLE.a * 3 + TABLE.b)
ROWS: list[dict[str, Any]] = TABLE.head(25).to_dict("records")

#: What a server answers to a parsed body: status and content.
Answering = Callable[[Any], tuple[int, Any]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("compare") / "store")
    with warm.saves():
        cloche.save(CLASSIFIER, "labels", inputs=TABLE, targets=LABELS, store=place, quiet=True)
        cloche.save(REGRESSOR, "numbers", inputs=TABLE, store=place, quiet=True)
    return place


@contextmanager
def _server(answering: Answering, seen: list[str] | None = None) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if seen is not None:
                seen.append(f"{self.path} {self.headers.get('X-Key', '')}".strip())
            status, content = answering(body)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_given: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def _labels(rows: Any) -> list[Any]:
    return CLASSIFIER.predict(pd.DataFrame(rows)).tolist()


def _shares(rows: Any) -> list[Any]:
    return CLASSIFIER.predict_proba(pd.DataFrame(rows)).tolist()


def _numbers(rows: Any) -> list[Any]:
    return REGRESSOR.predict(pd.DataFrame(rows)).tolist()


def _compare(url: str, way: str, name: str, store: str, **more: Any) -> Compared:
    tolerance = more.pop("tolerance", None)
    return compare(OtherServer(url, way_of(way), **more), name, ROWS, tolerance=tolerance, store=store)


@pytest.mark.parametrize(
    ("way", "more", "answering", "name", "compared"),
    [
        pytest.param(
            "mlflow", {}, lambda b: (200, {"predictions": _labels(b["dataframe_records"])}), "labels", "predictions",
            id="mlflow",
        ),
        pytest.param(
            "mlflow", {}, lambda b: (200, {"predictions": _shares(b["dataframe_records"])}), "labels", "probabilities",
            id="mlflow-predict-proba",
        ),
        pytest.param("vetiver", {}, lambda b: (200, {"predict": _numbers(b)}), "numbers", "predictions", id="vetiver"),
        pytest.param(
            "vetiver", {}, lambda b: (200, [{".pred": one} for one in _numbers(b)]), "numbers", "predictions",
            id="vetiver-of-r",
        ),
        pytest.param(
            "vetiver", {}, lambda b: (200, [{".pred_class": one} for one in _labels(b)]), "labels", "predictions",
            id="vetiver-of-r-classes",
        ),
        pytest.param("json", {}, lambda b: (200, _numbers(b)), "numbers", "predictions", id="an-array"),
        pytest.param("json", {}, lambda b: (200, {"result": _numbers(b)}), "numbers", "predictions", id="by-hand"),
        pytest.param(
            "json", {"single": True}, lambda b: (200, {"prediction": _labels([b])[0], "ok": True}), "labels",
            "predictions", id="by-hand-one-row-a-request",
        ),
        pytest.param(
            "json", {"answer": "score"}, lambda b: (200, {"score": _numbers(b)}), "numbers", "predictions",
            id="under-a-key-of-its-own",
        ),
        pytest.param(
            "json", {"wrap": "frame"}, lambda b: (200, [[one] for one in _numbers(b["frame"])]), "numbers",
            "predictions", id="bentoml",
        ),
    ],
)  # fmt: skip
def test_the_same_model_is_equal(
    way: str, more: dict[str, Any], answering: Answering, name: str, compared: str, store: str
) -> None:
    with _server(answering) as url:
        found = _compare(url, way, name, store, **more)
    assert (found.rows, found.equal, found.differing, found.compared) == (25, 25, 0, compared)


def test_differences_are_told_by_row(store: str) -> None:
    def wrong(body: Any) -> tuple[int, Any]:
        answers = _labels(body["dataframe_records"])
        answers[3] = "no" if answers[3] == "yes" else "yes"
        return 200, {"predictions": answers}

    with _server(wrong) as url:
        found = _compare(url, "mlflow", "labels", store)
    assert (found.equal, found.differing) == (24, 1)
    [difference] = found.differences
    assert (difference.row, {difference.theirs, difference.ours}) == (3, {"yes", "no"})


@pytest.mark.parametrize(
    ("off", "tolerance", "differing"),
    [
        pytest.param(1e-12, None, 0, id="within-the-versions-own"),
        pytest.param(1e-6, None, 25, id="beyond-it"),
        pytest.param(1e-6, 1e-5, 0, id="within-a-wider-one"),
    ],
)
def test_numbers_may_differ_by_the_tolerance(off: float, tolerance: float | None, differing: int, store: str) -> None:
    with _server(lambda b: (200, [one + off for one in _numbers(b)])) as url:
        found = _compare(url, "json", "numbers", store, tolerance=tolerance)
    assert found.differing == differing
    assert found.worst == pytest.approx(off, rel=1e-2)


def test_rows_that_one_side_refuses_are_found_and_told(store: str) -> None:
    def fussy(body: Any) -> tuple[int, Any]:
        rows = body["dataframe_records"]
        return (400, {"message": "not b"}) if any(row["a"] == ROWS[7]["a"] for row in rows) else (200, _labels(rows))

    with _server(fussy) as url:
        found = _compare(url, "mlflow", "labels", store)
    assert (found.equal, found.differing) == (24, 1)
    assert found.differences[0].row == 7
    assert "400" in found.differences[0].theirs.why


def test_rows_that_both_refuse_are_no_difference(store: str) -> None:
    rows: list[dict[str, Any]] = [{"a": None, "b": 1.0}, ROWS[0]]

    def answering(body: Any) -> tuple[int, Any]:
        return (422, {"detail": "null"}) if any(row["a"] is None for row in body) else (200, _labels(body))

    with _server(answering) as url:
        found = compare(OtherServer(url, way_of("json")), "labels", rows, store=store)
    assert (found.equal, found.both_refused, found.differing) == (1, 1, 0)


def test_where_both_refuse_every_row_nothing_is_proved(store: str, tmp_path: Path) -> None:
    TABLE.head(3).assign(y=1).to_csv(tmp_path / "rows.csv", index=False)
    with _server(lambda _b: (400, {"message": "y"})) as url:
        done = cloche_here("compare", url, "labels@1", "--rows", str(tmp_path / "rows.csv"), "--store", store)
    assert done.returncode == 1
    assert "0 equal, 0 different, 3 refused by both" in done.stdout
    assert "the first that both refuse, row 0: y: unknown field" in done.stdout
    assert "nothing was compared" in done.stdout
    assert "answers as" not in done.stdout


@pytest.mark.parametrize(
    ("answering", "says"),
    [
        pytest.param(lambda _b: (200, b"<html>"), "a body that is not JSON", id="no-json"),
        pytest.param(lambda _b: (200, {"predictions": [1]}), "1 answers to 25 rows", id="too-few"),
        pytest.param(lambda _b: (200, {"said": [1]}), "say --answer KEY", id="another-key"),
    ],
)
def test_an_answer_that_is_none_ends_it(answering: Answering, says: str, store: str) -> None:
    with _server(answering) as url, pytest.raises(ServingError, match=says):
        _compare(url, "mlflow", "labels", store)


def test_nobody_there_is_told(store: str) -> None:
    with pytest.raises(ServerUnreachableError, match="127.0.0.1:9"):
        _compare("http://127.0.0.1:9", "mlflow", "labels", store)


@pytest.mark.parametrize("url", ["127.0.0.1:9", "ftp://127.0.0.1", "file:///etc/passwd"])
def test_only_http_is_spoken(url: str, store: str) -> None:
    with pytest.raises(UsageError, match="expected 'http://host:port'"):
        _compare(url, "mlflow", "labels", store)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        pytest.param("", "/invocations", id="the-usual-path"),
        pytest.param("/", "/invocations", id="a-slash"),
        pytest.param("/models/m/score?version=2", "/models/m/score?version=2", id="a-path-of-its-own"),
    ],
)
def test_the_command(url: str, path: str, store: str, tmp_path: Path) -> None:
    TABLE.head(5).assign(y=LABELS[:5]).to_csv(tmp_path / "rows.csv", index=False)
    seen: list[str] = []
    with _server(lambda b: (200, {"predictions": _labels(b["dataframe_records"])}), seen) as base:
        told = ["--rows", str(tmp_path / "rows.csv"), "--target", "y", "--header", "X-Key: hush", "--store", store]
        done = cloche_here("compare", base + url, "labels@1", *told)
        other = cloche_here("compare", base + url, "numbers@1", *told, "--json")
    assert done.returncode == 0, done.stderr
    assert "5 rows (predictions): 5 equal, 0 different" in done.stdout
    assert other.returncode == 1
    assert json.loads(other.stdout)["differing"] == 5
    assert set(seen) == {f"{path} hush"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--target", "z"], "no column 'z'", id="no-such-column"),
        pytest.param(["--header", "hush"], "expected 'NAME: VALUE'", id="a-header-without-a-colon"),
        pytest.param(["--as", "sagemaker"], "is not one of", id="another-server"),
    ],
)
def test_wrong_calls(arguments: list[str], says: str, store: str, tmp_path: Path) -> None:
    TABLE.head(2).to_csv(tmp_path / "rows.csv", index=False)
    done = cloche_here("compare", "http://127.0.0.1:9", "labels", "--rows", str(tmp_path / "rows.csv"), *arguments,
                       "--store", store)  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
