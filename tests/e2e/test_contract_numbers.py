"""Two contract numbers of a model beside each other: saved, served, made the default, ended; from save to headers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import cloche
import warm
from cloche.errors import BreakingContractError
from cloche.registry.reports import AgentReport, CallerReport, ModelReport, ReportWriter, rfc3339
from cloche.store import Store
from servers import cloche_here as command

OLD = pd.DataFrame({"x": [float(n) for n in range(120)]})
NEW = OLD.rename(columns={"x": "width"})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`line`: version 1 under contract 1 takes `x`, version 2 under contract 2 takes `width`."""
    where = str(tmp_path_factory.mktemp("numbers") / "store")
    with warm.saves():
        cloche.save(LinearRegression().fit(OLD, OLD["x"]), "line", inputs=OLD, store=where, quiet=True)
        model = LinearRegression().fit(NEW, NEW["width"] * 2)
        with pytest.raises(BreakingContractError, match="publish it under contract 2"):
            cloche.save(model, "line", inputs=NEW, store=where, quiet=True)
        made = cloche.save(model, "line", inputs=NEW, store=where, quiet=True, new_contract=True)
    assert (made.version, made.contract, made.live) == (2, 2, True)
    return where


@pytest.fixture(scope="module")
def ask(store: str) -> Iterator[Callable[..., httpx.Response]]:
    """`ask(path, row, headers)` of an application that follows the store."""
    app = cloche.asgi("line", store=store)

    def call(path: str, row: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
                if row is None:
                    return await client.get(path, headers=headers)
                return await client.post(path, json=row, headers=headers)

        return asyncio.run(send())

    yield call
    app.close()


def eventually(call: Callable[[], httpx.Response], wanted: Callable[[httpx.Response], bool]) -> httpx.Response:
    """Ask until the answer is what is wanted: servers follow routes within two seconds."""
    end = time.monotonic() + 20
    while not wanted(answer := call()) and time.monotonic() < end:
        time.sleep(0.05)
    assert wanted(answer), (answer.status_code, answer.headers, answer.text)
    return answer


def test_each_number_answers_at_its_own_path(ask: Callable[..., httpx.Response]) -> None:
    assert ask("/predict", {"x": 3}).json()["model_version"] == "1"
    assert ask("/v1/predict", {"x": 3}).json()["prediction"] == pytest.approx(3)
    assert ask("/v2/predict", {"width": 3}).json()["prediction"] == pytest.approx(6)
    assert ask("/predict", {"width": 3}, {"X-API-Version": "2"}).json()["model_version"] == "2"
    assert ask("/v2/predict", {"x": 3}).json()["error"] == "InvalidInput"
    assert not {"deprecation", "sunset", "link"} & set(ask("/v1/predict", {"x": 3}).headers)


def test_the_document_and_the_pages_know_both(ask: Callable[..., httpx.Response]) -> None:
    paths = ask("/openapi.json").json()["paths"]
    assert {"/v1/predict", "/v2/predict", "/models/line/v2/predict"} <= set(paths)
    page = ask("/docs/changes").text
    assert "Contract 2" in page
    assert "'x' was removed" in page.replace("&#x27;", "'")
    assert "../docs/static/docs.css" in page
    assert "Changes" in ask("/docs").text
    assert ask("/docs/changes?model=walrus").status_code == 404


def test_a_new_default_tells_callers_of_the_old_number(store: str, ask: Callable[..., httpx.Response]) -> None:
    done = command("contract", "line", "--default", "2", "--sunset", "1=2027-06-30", store=store)
    assert "contract 2 is the default" in done.stdout
    assert "contract 1 is served until 2027-06-30" in done.stdout
    eventually(lambda: ask("/predict", {"width": 3}), lambda answer: answer.status_code == 200)
    old = ask("/v1/predict", {"x": 3})
    assert old.status_code == 200
    assert old.headers["deprecation"][1:].isdigit()
    assert abs(int(old.headers["deprecation"][1:]) - time.time()) < 120
    assert old.headers["sunset"] == "Wed, 30 Jun 2027 23:59:59 GMT"
    assert '</docs/changes?model=line>; rel="deprecation"' in old.headers["link"]
    assert "deprecation" in ask("/v1/predict", {"y": 3}).headers
    assert "deprecation" not in ask("/v2/predict", {"width": 3}).headers
    assert "Served until 2027-06-30" in ask("/docs/changes").text


def test_changes_on_the_command_line(store: str) -> None:
    done = command("contract", "line", "--changes", store=store)
    assert "contract 2, from version 2" in done.stdout
    assert "breaks: 'x' was removed" in done.stdout
    found = json.loads(command("contract", "line", "--changes", "--json", store=store).stdout)
    assert [one["number"] for one in found["changes"]] == [1, 2]


def test_callers_are_what_the_servers_report(store: str, tmp_path: Path) -> None:
    assert "no server reports" in command("contract", "line", "--callers", store=store).stdout
    opened = Store.open(store, tmp_path)
    model = ModelReport(name="line", route="live", event=1, wanted={1: 1}, serving={1: 1})
    for host in ("a", "b"):
        report = AgentReport(
            host=host,
            machine=host,
            pid=1,
            url="http://127.0.0.1:8000",
            cloche="0.1.0",
            at=rfc3339(pd.Timestamp.now("UTC").to_pydatetime()),
            models=(model,),
            callers=(CallerReport(model="line", contract=1, key="k1", requests=5),),
        )
        ReportWriter(opened, host).write(report)
    done = command("contract", "line", "--callers", store=store)
    assert done.stdout.split()[:6] == ["contract", "key", "requests", "1", "k1", "10"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--sunset", "1"), id="no-day"),
        pytest.param(("--sunset", "one=2027-01-01"), id="no-number"),
        pytest.param(("--sunset", "1=soon"), id="no-date"),
        pytest.param(("--default", "7"), id="no-such-contract"),
    ],
)
def test_what_makes_no_sense_is_refused(store: str, arguments: tuple[str, ...]) -> None:
    assert command("contract", "line", *arguments, store=store).returncode in (2, 3)
