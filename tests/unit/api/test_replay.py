"""Logged answers computed again: after a rollback, under other libraries, from the spool, and where it cannot be."""

from __future__ import annotations

import json

import msgspec
import pytest
from sklearn.linear_model import LogisticRegression

import answered
import artifacts
import cloche
from cloche.cli import main
from cloche.contract.model import Field
from cloche.errors import AmbiguousRequestIdError, EngineMissingError, RecordNotFoundError
from cloche.ids import RequestIds
from cloche.prediction_log import layout
from cloche.prediction_log.spool import Spool
from cloche.registry import Registry
from cloche.store import Store
from logged import NOON_US, failed, land, segment


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOCHE_SPOOL", str(tmp_path / "spool"))
    return Registry(Store.open(None, tmp_path))


def other_model():
    rows = artifacts.pd.DataFrame(artifacts.np.random.default_rng(1).normal(size=(60, 2)), columns=["length", "width"])
    return LogisticRegression().fit(rows, artifacts.np.where(rows["length"] > 0, "big", "small"))


def test_random_records_after_a_rollback_and_under_other_libraries(registry, tmp_path):
    """Version 1 was saved under an older scikit-learn, 2 under this one; the log holds answers of both, mixed."""
    one = answered.publish(registry, tmp_path / "one", library="1.5.2")
    two = answered.publish(registry, tmp_path / "two", model=other_model())
    frames = []
    for number, record in enumerate((one, two, one)):
        made, _ = answered.answered(
            registry, record, answered.rows(400, seed=number), tmp_path / "cache", schema=number + 1,
            size=1 + 3 * number, time_us=NOON_US + number * 10**9,
        )  # fmt: skip
        frames += made
    land(registry.store, frames)
    registry.rollback("boxes", by="ada")
    found = cloche.replay_sample("boxes", 1_000, seed=1)
    assert len({(row.request_id, row.row) for row in found}) == 1_000
    assert {row.version for row in found} == {1, 2}
    assert [row for row in found if row.equal is not True] == []


def test_one_answer(registry, tmp_path, capsys):
    record = answered.publish(registry, tmp_path / "one")
    frames, requests = answered.answered(registry, record, answered.rows(6), tmp_path / "cache", size=3)
    land(registry.store, frames)
    assert main(["replay", requests[0].request_id, "--row", "2"]) == 0
    assert f"{requests[0].request_id} row 2 (boxes version 1): equal" in capsys.readouterr().out
    assert [row.row for row in cloche.replay(requests[1].request_id)] == [0, 1, 2]
    with pytest.raises(RecordNotFoundError, match="no row 3"):
        cloche.replay(requests[1].request_id, row=3)
    with pytest.raises(RecordNotFoundError, match="no record"):
        cloche.replay(RequestIds().new())
    with pytest.raises(EngineMissingError, match="no engine 'twin'"):
        cloche.replay(requests[0].request_id, engine="twin")
    assert main(["replay", RequestIds().new()]) == 3


@pytest.mark.parametrize(
    ("library", "said"),
    [
        pytest.param("1.5.2", "scikit-learn 1.5.2 when saved", id="other-libraries"),
        pytest.param(artifacts.sklearn.__version__, "Python 3.11.0 when saved", id="other-python"),
    ],
)
def test_a_difference_is_explained(registry, tmp_path, capsys, library, said):
    record = answered.publish(registry, tmp_path / "one", library=library)
    frames, requests = answered.answered(registry, record, answered.rows(2), tmp_path / "cache", lie=1e-6)
    land(registry.store, frames)
    (found,) = cloche.replay(requests[0].request_id)
    assert found.equal is False
    assert "probabilities: expected" in found.differences[0]
    assert any(line.startswith(said) for line in found.explanations), found.explanations
    assert main(["replay", requests[0].request_id]) == 1
    assert "different" in capsys.readouterr().out
    assert main(["replay", "boxes", "--sample", "5", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"] == {"equal": 0, "different": 2, "not_replayed": 0}


def test_parity_asks_the_models_own_library(registry, tmp_path, capsys):
    record = answered.publish(registry, tmp_path / "one")
    frames, _ = answered.answered(registry, record, answered.rows(4), tmp_path / "cache")
    land(registry.store, frames)
    assert main(["parity", "boxes", "--sample", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"equal": 3, "different": 0, "not_replayed": 0}
    wrong, _ = answered.answered(registry, record, answered.rows(1), tmp_path / "cache", lie=0.5)
    land(registry.store, wrong, number=2)
    assert main(["parity", "boxes"]) == 1
    assert "4 equal, 1 different" in capsys.readouterr().out
    assert main(["parity", "boxs"]) == 3


def test_another_engine_is_named(registry, tmp_path):
    record = answered.publish(registry, tmp_path / "one")
    frames, requests = answered.answered(registry, record, answered.rows(1), tmp_path / "cache", lie=0.5)
    frames[0] = msgspec.structs.replace(frames[0], engine="twin")
    land(registry.store, frames)
    assert "the engine 'twin' answered" in cloche.replay(requests[0].request_id)[0].explanations[0]


def test_a_difference_within_the_tolerance_is_none(registry, tmp_path):
    record = answered.publish(registry, tmp_path / "one")
    frames, requests = answered.answered(registry, record, answered.rows(3), tmp_path / "cache", lie=1e-12)
    land(registry.store, frames)
    assert [row.equal for one in requests for row in cloche.replay(one.request_id)] == [True] * 3


PRIVATE = msgspec.structs.replace(
    answered.contract(), fields=(Field(name="length", type="number", private=True), *answered.contract().fields[1:])
)


@pytest.mark.parametrize(
    ("contract", "why"),
    [
        pytest.param(answered.contract(log_inputs="none"), "log_inputs = none", id="none"),
        pytest.param(answered.contract(log_inputs="summary"), "log_inputs = summary", id="summary"),
        pytest.param(PRIVATE, "private inputs are not kept as they were: length", id="private"),
    ],
)
def test_inputs_that_were_not_kept(registry, tmp_path, capsys, contract, why):
    record = answered.publish(registry, tmp_path / "one", made=contract)
    frames, requests = answered.answered(registry, record, answered.rows(2), tmp_path / "cache", secret=b"0" * 32)
    land(registry.store, frames)
    (found,) = cloche.replay(requests[0].request_id)
    assert found.equal is None
    assert why in found.why
    assert main(["replay", requests[0].request_id]) == 1
    assert main(["show", "boxes@1"]) == 0
    out = capsys.readouterr().out
    assert f"1 not replayed: {found.why}" in out
    assert f"logged answers cannot be replayed: {found.why}" in out


def test_a_version_that_was_deleted(registry, tmp_path):
    record = answered.publish(registry, tmp_path / "one")
    frames, requests = answered.answered(registry, record, answered.rows(1), tmp_path / "cache")
    land(registry.store, frames)
    answered.publish(registry, tmp_path / "two", model=other_model())
    registry.delete("boxes", 1, by="ada", why="a mistake")
    (found,) = cloche.replay(requests[0].request_id)
    assert found.equal is None
    assert "deleted by ada" in found.why


def test_a_request_that_failed(registry, tmp_path):
    record = answered.publish(registry, tmp_path / "one")
    frames, _ = answered.answered(registry, record, answered.rows(1), tmp_path / "cache")
    refused = msgspec.structs.replace(failed(), model="boxes")
    land(registry.store, [*frames, refused])
    assert cloche.replay(refused.request_id)[0].why == "the request was answered 400 InvalidInput"


def test_an_id_of_several_requests(registry, tmp_path):
    record = answered.publish(registry, tmp_path / "one")
    frames, _ = answered.answered(registry, record, answered.rows(2), tmp_path / "cache")
    land(registry.store, [frames[0], *(msgspec.structs.replace(one, client_request_id="mine") for one in frames[1:])])
    with pytest.raises(AmbiguousRequestIdError, match="2 requests"):
        cloche.replay("mine")


def test_a_record_that_waits_in_the_spool(registry, tmp_path, monkeypatch):
    record = answered.publish(registry, tmp_path / "one")
    frames, requests = answered.answered(registry, record, answered.rows(2), tmp_path / "cache")
    spool = Spool.open(tmp_path / "spool", registry.store.url)
    whole = segment(frames, of=spool.id)
    layout.open_segment(spool.folder, 1).write_bytes(whole + bytes(10_000))  # as its writer preallocates it
    (found,) = cloche.replay(requests[1].request_id)
    assert found.equal is True
    land(registry.store, frames)  # and now it has landed as well
    assert [one.equal for one in cloche.replay(requests[1].request_id, model="boxes")] == [True]


def test_called_wrongly(registry, tmp_path, capsys):
    answered.publish(registry, tmp_path / "one")
    assert main(["replay", "boxes", "--sample", "3", "--row", "1"]) == 2
    assert main(["replay", "abc", "--since", "7d"]) == 2
    assert main(["replay", "boxs", "--sample", "3"]) == 3
    assert "boxes" in capsys.readouterr().err
    assert main(["replay", "boxes", "--sample", "3"]) == 3
