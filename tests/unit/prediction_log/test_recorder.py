"""The record of a request: what is given up, what an answer waits for, what a label's key becomes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import random
import threading
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloche.config import LogConfig
from cloche.contract.compiled import compile_contract
from cloche.contract.labels import CompiledLabels
from cloche.contract.model import Contract, Field, FieldType, Output
from cloche.contract.problems import Problem
from cloche.errors import LogUnavailableError, RequestError
from cloche.prediction_log import landing
from cloche.prediction_log.frames import Label, Labels, Request
from cloche.prediction_log.recorder import Recorder
from cloche.prediction_log.spool import Spool
from cloche.prediction_log.version import Answered
from cloche.records import Outputs
from cloche.store import Store
from spooled import CLIMATE, frames, labels, landed, no_file_beyond, request, requests, schemas, sealed, version

SECRET = b"0123456789abcdef"
WITHIN_S = 10.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool", "file:///a/store")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.open((tmp_path / "store").as_uri(), tmp_path)
    made.create("models/climate/versions/000001.json", b"{}")
    return made


def recorder(spool: Spool, *, hash_key: bytes | None = None, **settings: Any) -> Recorder:
    return Recorder(spool, LogConfig(**settings), hash_key=hash_key)


def run(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Do everything at once on a loop of its own; what each gave or raised."""

    async def together() -> list[Any]:
        return await asyncio.gather(*work, return_exceptions=True)

    return asyncio.run(together())


def answered(rows: list[dict[str, Any]], contract: Contract = CLIMATE) -> Answered:
    valid = compile_contract(contract).validate(rows, single=False)
    outputs = Outputs(["yes"] * len(rows), [[0.25, 0.75]] * len(rows))
    return Answered(version(contract), "live", valid, outputs)


ROW = {"t": 21.5, "site": "north", "name": "ann"}


def test_an_answer_is_recorded_with_its_rows(spool: Spool) -> None:
    one = recorder(spool, hash_key=SECRET)
    run(one.record(request("a"), answered([ROW, ROW]), within_s=WITHIN_S))
    one.close()
    [[_, schema, found]] = sealed(spool)
    assert schemas([schema])[0].fields == one.redaction(version()).fields
    assert isinstance(found, Request)
    assert (found.n, found.model, found.route, found.prediction) == (2, "climate", "live", ["yes", "yes"])
    assert found.rows is not None
    assert found.rows[0][:2] == [21.5, "north"]
    assert len(found.rows[0][2]) == 32
    assert (one.counts.records, one.counts.bytes > 0, one.counts.lost) == (1, True, 0)


def test_what_failed_is_recorded_without_a_value(spool: Spool) -> None:
    one, problems = (
        recorder(spool),
        [
            Problem(row=0, field="t", code="wrong_type", message="expected a number, got 'secret'", value="secret"),
            Problem(row=None, field="secret", code="unknown_field", message="unknown field"),
        ],
    )
    run(one.record(request("a", status=400), Answered(version(), "live", problems=problems), within_s=WITHIN_S))
    one.close()
    [found] = requests(sealed(spool)[0])
    assert found.problems == [("t", "wrong_type"), (None, "unknown_field")]
    assert (found.rows, found.prediction, found.schema) == (None, None, 1)
    assert b"secret" not in spool.segments()[0][2].read_bytes()


@pytest.mark.parametrize(
    ("settings", "complete"),
    [
        pytest.param({}, True, id="by-default"),
        pytest.param({"durability": "store"}, True, id="store"),
        pytest.param({"on_full": "serve"}, False, id="serve"),
        pytest.param({"sample": 0.5}, False, id="sample"),
        pytest.param({"enabled": False}, False, id="off"),
    ],
)
def test_which_settings_give_up_records(spool: Spool, settings: dict[str, Any], complete: bool) -> None:
    assert recorder(spool, **settings).complete is complete


def test_a_sample_is_counted(spool: Spool) -> None:
    one = recorder(spool, sample=0.25)
    random.seed(20261124)
    run(*(one.record(request(), within_s=WITHIN_S) for _ in range(400)))
    one.close()
    kept = len(requests(sealed(spool)[0]))
    assert (kept, 400 - kept) == (one.counts.records, one.counts.sampled_out)
    assert 60 < kept < 140


def test_the_answers_of_a_turn_are_written_at_once(spool: Spool) -> None:
    one, few, more = recorder(spool), answered([ROW]), answered([ROW, ROW])
    more = Answered(few.version, "live", more.rows, more.outputs)
    assert one.at_once
    one.record_all([(request("a"), few), (request("b"), None), (request("c"), more)])
    one.close()
    [[_, schema, *found]] = sealed(spool)
    assert schemas([schema])
    assert [(found_.request_id, found_.n, found_.schema) for found_ in requests(found)] == [
        ("a", 1, 1), ("b", 0, None), ("c", 2, 1),
    ]  # fmt: skip
    assert one.counts.records == 3


@pytest.mark.parametrize("on_full", ["refuse", "serve"])
def test_of_answers_that_have_no_room_together_none_is_kept(spool: Spool, on_full: str) -> None:
    one = recorder(spool, on_full=on_full)
    one.record_all([(request("before"), None)])
    with no_file_beyond(400), contextlib.suppress(LogUnavailableError):
        one.record_all([(request(f"{number}"), None) for number in range(20)])
        assert on_full == "serve"
    one.close()
    assert [found.request_id for found in requests(sealed(spool)[0])] == ["before"]
    assert (one.counts.records, one.counts.lost) == (1, 20)


@pytest.mark.parametrize(("on_full", "able"), [("refuse", False), ("serve", True)])
def test_a_full_disk(spool: Spool, on_full: str, able: bool) -> None:
    one = recorder(spool, on_full=on_full)
    with no_file_beyond(100):
        first, second = run(*(one.record(request(), within_s=WITHIN_S) for _ in range(2)))
        [third] = run(one.record_labels(labels(Label("yes", "a")), CLIMATE, within_s=WITHIN_S))
        assert one.able is able
    assert [isinstance(found, LogUnavailableError) for found in (first, second)] == [on_full == "refuse"] * 2
    assert isinstance(third, LogUnavailableError)  # 202 says that a label is kept
    assert (one.counts.records, one.counts.lost) == (0, 3)


# -- durability -------------------------------------------------------------------------------------


def count_flushes(monkeypatch: pytest.MonkeyPatch, *, fail: bool = False) -> list[int]:
    """The descriptors that are flushed from now on, as a real disk would do it, or fail to."""
    flushed: list[int] = []
    really = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        flushed.append(descriptor)
        if fail:
            raise OSError(5, "Input/output error")
        really(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    return flushed


def test_disk_waits_for_no_flush(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = count_flushes(monkeypatch)
    run(*(recorder(spool).record(request(), within_s=WITHIN_S) for _ in range(5)))
    assert flushed == []


def test_fsync_flushes_once_for_all_who_wait(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, one = count_flushes(monkeypatch), recorder(spool, durability="fsync")
    assert run(*(one.record(request(), within_s=WITHIN_S) for _ in range(50))) == [None] * 50
    assert 1 <= len(flushed) <= 2
    assert one.counts.records == 50


def test_a_flush_that_failed_is_told_and_its_segment_given_up(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    one = recorder(spool, durability="fsync")
    with monkeypatch.context() as patch:
        count_flushes(patch, fail=True)
        found = run(*(one.record(request(), within_s=WITHIN_S) for _ in range(3)))
    assert [str(exc) for exc in found] == ["the record of this answer could not be flushed; try again"] * 3
    assert (one.counts.records, one.counts.lost) == (0, 3)
    run(one.record(request("after"), within_s=WITHIN_S))
    one.close()
    assert [one.request_id for one in requests(sealed(spool)[-1])] == ["after"]


def test_a_segment_that_could_not_be_handed_over_is_no_flush(spool: Spool) -> None:
    one = recorder(spool, durability="store")

    async def record() -> None:
        waiting = asyncio.create_task(one.record(request(), within_s=WITHIN_S))
        await asyncio.sleep(0)
        [(_, _, path)] = spool.segments()
        path.unlink()  # somebody cleans up
        with pytest.raises(LogUnavailableError):
            await waiting

    asyncio.run(record())


def test_store_waits_until_the_record_has_landed(spool: Spool, store: Store) -> None:
    one, end = recorder(spool, durability="store"), threading.Event()

    def agent() -> None:
        while not end.wait(0.005):
            landing.land(spool, store)

    async def record(request_id: str) -> bool:
        await one.record(request(request_id), within_s=WITHIN_S)
        return request_id in {found.request_id for found in requests(frames(store))}

    thread = threading.Thread(target=agent)
    thread.start()
    try:
        assert run(*(record(f"{number}") for number in range(20))) == [True] * 20
    finally:
        end.set()
        thread.join()
    assert len(landed(store)) < 20


@pytest.mark.parametrize("on_full", ["refuse", "serve"])
def test_what_is_not_kept_in_time(spool: Spool, on_full: str) -> None:
    one = recorder(spool, durability="store", on_full=on_full)
    [found] = run(one.record(request("late"), within_s=0.05))
    assert (found is None) == (on_full == "serve")
    assert one.counts.lost == 1
    assert [late.request_id for late in requests(sealed(spool)[0])] == ["late"]  # it lands when the store is back


def test_one_who_leaves_keeps_nobody_else(spool: Spool, store: Store) -> None:
    one = recorder(spool, durability="store")

    async def work() -> None:
        leaving, staying = (asyncio.create_task(one.record(request(), within_s=WITHIN_S)) for _ in range(2))
        await asyncio.sleep(0.03)
        leaving.cancel()
        await asyncio.to_thread(landing.land, spool, store)
        await staying
        assert leaving.cancelled()

    asyncio.run(work())
    assert len(requests(frames(store))) == 2


def test_every_loop_flushes_for_itself(spool: Spool) -> None:
    one = recorder(spool, durability="fsync")
    for _ in range(3):
        assert run(one.record(request(), within_s=WITHIN_S)) == [None]
    one.close()
    assert len(requests(sealed(spool)[0])) == 3


# -- labels -----------------------------------------------------------------------------------------

PARIS = "Europe/Paris"


@pytest.mark.parametrize(
    ("kind", "timezone", "sent", "labelled"),
    [
        pytest.param("string", None, "ann", "ann", id="string"),
        pytest.param("integer", None, 7, 7.0, id="integer-as-a-float"),
        pytest.param("integer", None, str(2**60), 2**60, id="big-integer-as-text"),
        pytest.param("number", None, 7, 7.0, id="number"),
        pytest.param("number", None, 0.1, 0.1, id="fraction"),
        pytest.param("boolean", None, 1, True, id="boolean-as-a-number"),
        pytest.param("date", None, "2026-11-24", "2026-11-24", id="date"),
        pytest.param("datetime", None, "2026-11-24T09:30:00", "2026-11-24T09:30:00", id="moment-without-a-zone"),
        pytest.param("datetime", PARIS, "2026-11-24T09:30:00+01:00", "2026-11-24T08:30:00Z", id="moment"),
    ],
)
def test_the_hash_of_a_labels_key_is_that_of_the_answers(
    spool: Spool, kind: FieldType, timezone: str | None, sent: Any, labelled: Any
) -> None:
    key = Field(name="who", type=kind, role="key", private=True, timezone=timezone)
    contract = replace_fields(key)
    one = recorder(spool, hash_key=SECRET)
    [valid] = CompiledLabels(contract).validate([{"key": {"who": labelled}, "label": "yes"}])
    run(
        one.record(request(), answered([{"t": 1.0, "who": sent}], contract), within_s=WITHIN_S),
        one.record_labels(labels(Label(valid.label, key=valid.key)), contract, within_s=WITHIN_S),
    )
    one.close()
    _, _, answer, label = sealed(spool)[0]
    assert isinstance(answer, Request)
    assert isinstance(label, Labels)
    assert answer.rows is not None
    assert label.labels[0].key is not None
    assert answer.rows[0][1] == label.labels[0].key["who"]
    assert len(answer.rows[0][1]) == 32


def replace_fields(*keys: Field) -> Contract:
    output = Output(task="classification", type="string", classes=("no", "yes"), probabilities=True)
    return Contract(fields=(Field(name="t", type="number"), *keys), output=output)


def test_a_label_by_a_private_key_needs_hashes(spool: Spool) -> None:
    by_key, by_id = labels(Label("yes", key={"site": "north", "name": "ann"})), labels(Label("yes", "a"))
    one = recorder(spool)
    refused, taken = run(*(one.record_labels(each, CLIMATE, within_s=WITHIN_S) for each in (by_key, by_id)))
    assert isinstance(refused, RequestError)
    assert "'name' is private" in str(refused)
    assert taken is None
    one.close()
    assert [frame.labels for frame in sealed(spool)[0] if isinstance(frame, Labels)] == [by_id.labels]


def test_a_label_keeps_the_moment_of_its_event(spool: Spool) -> None:
    one, moment = recorder(spool), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    event_us = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    run(one.record_labels(labels(Label("yes", "a", event_us=event_us)), CLIMATE, within_s=WITHIN_S))
    one.close()
    [found] = [frame for frame in sealed(spool)[0] if isinstance(frame, Labels)]
    assert found.labels[0].event_us == event_us


def test_bins_come_from_the_reference_of_the_version(spool: Spool) -> None:
    contract = replace_fields(Field(name="site", type="string", role="key"))
    summary = replace(
        version(Contract(fields=contract.fields, output=contract.output, log_inputs="summary")),
        reference={"t": {"bins": {"edges": [0.0, 10.0, 20.0], "counts": [1, 1]}}},
    )
    given = answered([{"t": 15.0, "site": "north"}], summary.contract)
    one = recorder(spool)
    run(one.record(request(), Answered(summary, "live", given.rows, given.outputs), within_s=WITHIN_S))
    one.close()
    [schema] = schemas(sealed(spool)[0])
    [found] = requests(sealed(spool)[0])
    assert ([field.kept for field in schema.fields], schema.log_inputs) == (["bin", "value"], "summary")
    assert found.rows == [[1, "north"]]
