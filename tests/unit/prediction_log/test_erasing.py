"""Erasing a person: no byte of the store says who it was."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import logged
from cloche.contract.model import Output
from cloche.prediction_log import erasing, erasures, layout, segments, upkeep
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Header, Label, LoggedField, Request
from cloche.prediction_log.privacy import hashed
from cloche.prediction_log.reading import LogReader
from cloche.prediction_log.spool import Segment, Spool
from cloche.store import Store

WHO = "mallory@example.org"
CLIENT = "order-of-mallory"
KEY = b"a key of sixteen bytes"


def store_at(url: str) -> Store:
    return Store.open(url, Path("/"))


def erase(store: Store, value: str = WHO, field: str = "customer", spool: Spool | None = None) -> erasing.ErasedRows:
    wanted = erasing.wanted("penguins", field, value, by="dpo", why="article 17", hash_key=KEY)
    return erasing.erase(store, wanted, spool=spool)


def forms(text: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        yield text.encode(encoding)


def cells(data: bytes) -> Iterator[str]:
    """Everything a Parquet file says: pages unpacked, and its statistics."""
    file = pq.ParquetFile(io.BytesIO(data))
    yield str(file.metadata)
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            yield str(file.metadata.row_group(group).column(column).statistics)
    yield from map(str, file.read().to_pylist())


def traces(store: Store, *texts: str) -> list[str]:
    """The objects of *store* that hold one of *texts*, raw or unpacked; in a folder also what no list shows."""
    raw = {path: store.get(path) for path in store.list("")}
    if store.root is not None:
        raw |= {str(path): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    found = []
    for path, data in raw.items():
        unpacked = list(cells(data)) if path.endswith(".parquet") else []
        found += [
            f"{path}: {text}"
            for text in texts
            if any(form in data for form in forms(text)) or any(text in cell for cell in unpacked)
        ]
    return found


def told(who: str, **more: object) -> Request:
    return logged.request(((3750.0, "Dream", who),), **more)  # type: ignore[arg-type]


def test_nothing_of_a_person_is_left(store_url: str, tmp_path: Path) -> None:
    store = store_at(store_url)
    theirs = told(WHO, client_request_id=CLIENT)
    many = logged.request(((1.0, "Dream", "ann"), (2.0, "Torgersen", WHO), (3.0, "Biscoe", "bob")))
    others = told("ann")
    frames = [
        logged.schema(),
        theirs,
        many,
        others,
        logged.labels(
            Label("Adelie", id=theirs.request_id),
            Label("Gentoo-of-theirs", id=CLIENT, row=0),
            Label("Adelie", id=many.request_id, row=1),
            Label("Gentoo", id=many.request_id, row=0),
            Label("Chinstrap", key={"customer": WHO}),
            Label("Gentoo", key={"customer": "ann"}),
        ),
    ]
    logged.land(store, frames)
    Folder(store, "me").all()
    logged.land(store, [logged.schema(), told(WHO), told("cyd")], number=2)  # landed and not folded
    damaged = logged.segment([logged.schema(), told(WHO)], number=3) + b"\0" * 9
    store.create(layout.landed(logged.spool(), 3), damaged)
    Folder(store, "me").step()
    assert traces(store, WHO)
    done = erase(store)
    assert (done.rows, done.labels) == (4, 4)
    assert traces(store, WHO, CLIENT, "Gentoo-of-theirs") == []
    reader = LogReader(store)
    assert sorted(reader.answers("penguins")["key_customer"].to_pylist()) == ["ann", "ann", "bob", "cyd"]
    assert sorted(reader.labels("penguins")["label"].to_pylist()) == ['"Gentoo"', '"Gentoo"']
    assert Folder(store, "me").all() == []


def test_hosts_that_were_away_bring_nothing_back(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    theirs, others = told(WHO), told("ann")
    logged.land(store, [logged.schema(), theirs, others])
    erase(store)
    again, after = told(WHO), told(WHO, time_us=int(dt.datetime.now(dt.UTC).timestamp() * 1e6) + 60_000_000)
    late = logged.labels(Label("Adelie", id=theirs.request_id), Label("Adelie", key={"customer": WHO}))
    logged.land(store, [logged.schema(), again, after, late], of=logged.spool(2))
    reader = LogReader(store)
    assert sorted(reader.answers("penguins")["request_id"].to_pylist()) == sorted([others.request_id, after.request_id])
    Folder(store, "me").all()
    assert sorted(reader.answers("penguins")["request_id"].to_pylist()) == sorted([others.request_id, after.request_id])
    assert reader.labels("penguins").num_rows == 0


@pytest.mark.parametrize(
    ("field", "type", "logged_value", "asked"),
    [
        pytest.param("customer", "integer", 424242, "424242", id="whole-number"),
        pytest.param("customer", "number", 424242.0, "424242", id="number"),
        pytest.param("customer", "date", "1971-03-14", "1971-03-14", id="date"),
        pytest.param("odd, name=x", "string", WHO, WHO, id="odd-name"),
        pytest.param("customer", "category", 424242, "424242", id="level"),
    ],
)
def test_a_value_is_met_whatever_its_type(tmp_path: Path, field, type, logged_value, asked) -> None:
    store = store_at((tmp_path / "store").as_uri())
    schema = logged.schema(fields=(LoggedField(field, type, "context"),))
    logged.land(store, [schema, logged.request(((logged_value,),)), logged.request(((None,),))])
    Folder(store, "me").all()
    assert erase(store, asked, field).rows == 1
    assert LogReader(store).answers("penguins").num_rows == 1


def test_a_hashed_value_is_met_by_the_key_of_hashes(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    schema = logged.schema(fields=(LoggedField("customer", "string", "key", "hash"),))
    digest = str(hashed(WHO, KEY))
    label = logged.labels(Label("Adelie", key={"customer": digest}))
    logged.land(store, [schema, logged.request(((digest,),)), label])
    Folder(store, "me").all()
    done = erase(store)
    assert (done.rows, done.labels) == (1, 1)
    assert traces(store, digest) == []


def test_a_request_is_erased_by_its_id(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    theirs = told(WHO, client_request_id=CLIENT)
    nowhere = logged.failed(404, schema=None)
    logged.land(store, [logged.schema(), theirs, told("ann"), nowhere, logged.labels(Label(1, id=CLIENT))])
    done = erase(store, CLIENT, "client_request_id")
    assert (done.rows, done.labels) == (1, 1)
    assert traces(store, WHO, CLIENT) == []
    assert erase(store, nowhere.request_id, "request_id").rows == 1
    assert LogReader(store).requests().num_rows == 0


def test_the_spool_of_this_host_is_emptied(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    store.create("models/penguins/versions/000001.json", b"{}")  # nothing is landed in a folder that is no store
    spool = Spool.open(tmp_path / "spool", store.url)
    number = spool.next_number()
    writing = Segment(spool, number, 65_536)
    header = Header(spool.id, number, logged.NOON_US, "0.1.0", "host")
    for frame in (header, logged.schema(), told(WHO), told("ann")):
        writing.append(segments.packed(frame))
    writing.seal()
    erase(store, spool=spool)
    assert traces(store, WHO) == []
    assert list(spool.folder.rglob("*.seg")) == []
    assert LogReader(store).answers("penguins")["key_customer"].to_pylist() == ["ann"]


def test_an_erasure_is_recorded_without_the_value(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    logged.land(store, [logged.schema(), told(WHO)])
    done = erase(store)
    (record,) = erasures.Erased.read(store).erasures
    assert (record.field, record.by, record.why) == ("customer", "dpo", "article 17")
    assert record.matches(WHO)
    assert not record.matches("ann")
    assert b"mallory" not in store.get(layout.erasure(done.id))
    assert erasures.count(store) == (1, 1)


def test_an_erasure_that_was_killed_is_done_by_the_next(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    logged.land(store, [logged.schema(), told(WHO)])
    begun = erasing.wanted("penguins", "customer", WHO, by="dpo", why="article 17", hash_key=None)
    erasures.begin(store, begun.record)
    assert [one.id for one in erasures.unfinished(store)] == [begun.record.id]
    Folder(store, "me").all()
    assert LogReader(store).answers("penguins").num_rows == 0, "from the record on no fold lets it in"
    erase(store)
    assert erasures.unfinished(store) == []


def test_what_killed_writers_left_goes_too(tmp_path: Path) -> None:
    """A folder that was killed between writing a file and its commit leaves a file that no table names."""
    store = store_at((tmp_path / "store").as_uri())
    logged.land(store, [logged.schema(), told("ann")])
    Folder(store, "me").all()
    orphan = io.BytesIO()
    pq.write_table(pa.table({"key_customer": [WHO]}), orphan)
    store.create(f"{layout.answers('penguins', 1)}/date=2026-11-24/part-9.parquet", orphan.getvalue())
    assert traces(store, WHO)
    erase(store)
    assert traces(store, WHO) == []
    assert LogReader(store).answers("penguins").num_rows == 1


def test_statistics_and_commits_hold_no_values(tmp_path: Path) -> None:
    store = store_at((tmp_path / "store").as_uri())
    rows = ((3750.0, "island-of-theirs", WHO), (4321.5, "Dream", "ann"))
    logged.land(
        store,
        [logged.schema(output=Output(task="regression", type="number")), logged.request(rows, prediction=[77.25, 1.0])],
    )
    Folder(store, "me").all()
    upkeep.compact(store)
    logs = [path for path in store.list(layout.LOG) if "/_delta_log/" in path]
    said = b"".join(store.get(path) for path in logs)
    assert logs
    for value in (WHO, "island-of-theirs", "4321.5", "77.25"):
        assert value.encode() not in said
