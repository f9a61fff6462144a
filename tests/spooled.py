"""What stands in a spool and in the landing of a store, and frames to put there."""

from __future__ import annotations

import contextlib
import json
import resource
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cloche.contract.model import Contract, Field, Output
from cloche.ids import RequestIds
from cloche.prediction_log import layout, segments
from cloche.prediction_log.frames import Frame, Label, Labels, Request, Schema
from cloche.prediction_log.reading import LogReader
from cloche.prediction_log.spool import Spool
from cloche.prediction_log.version import LoggedVersion
from cloche.prediction_log.writer import MakeSchema, Record
from cloche.store import Store
from processes import Client

new_id = RequestIds().new

CLIMATE = Contract(
    fields=(
        Field(name="t", type="number"),
        Field(name="site", type="string", role="key"),
        Field(name="name", type="string", role="key", private=True),
    ),
    output=Output(task="classification", type="string", classes=("no", "yes"), probabilities=True),
)


def version(contract: Contract = CLIMATE, model: str = "climate", number: int = 1) -> LoggedVersion:
    return LoggedVersion(model, number, 1, "native", contract)


def request(request_id: str | None = None, **more: Any) -> Request:
    """An answered request that holds no rows."""
    given: dict[str, Any] = {
        "client_request_id": None, "time_us": 1_700_000_000_000_000, "latency_us": 900, "status": 200, "error": None,
        "key": None, "route": "live", "schema": None, "model": "climate", "n": 0,
    }  # fmt: skip
    return Request(request_id=request_id or new_id(), **(given | more))


def labels(*given: Label) -> Labels:
    return Labels(new_id(), 1_700_000_000_000_000, None, "climate", given)


def record(frame: Frame, schema: tuple[Hashable, MakeSchema] | None = None) -> Record:
    """What `SegmentWriter.write` takes: *frame*, and what its rows hold."""
    if schema is None or not isinstance(frame, Request):
        return lambda _number: frame, schema
    return lambda number: replace(frame, schema=number), schema


def waiting(spool: Spool) -> list[int]:
    """The numbers of the segments that hold something; a worker has the next one ready, which is empty."""
    found = []
    for number, _, path in spool.segments():
        with contextlib.suppress(FileNotFoundError):
            if segments.whole_bytes(path.read_bytes()) > len(segments.MAGIC):
                found.append(number)
    return found


def sealed(spool: Spool) -> list[list[Frame]]:
    """The frames of every sealed segment of a spool, by number."""
    return [list(segments.read(path.read_bytes(), str(path))) for _, done, path in spool.segments() if done]


def landed(store: Store) -> dict[str, bytes]:
    """The landed segments of a store, by path."""
    return {path: store.get(path) for path in store.list(layout.LANDING)}


def frames(store: Store, *spools: Spool) -> list[Frame]:
    """Every frame that has landed or waits in *spools*; a segment that did both counts once."""
    found = {}
    for spool in spools:
        for number, _, path in spool.segments():
            with contextlib.suppress(FileNotFoundError):
                data = path.read_bytes()
                found[layout.landed(spool.id, number)] = data[: segments.whole_bytes(data)]
    return [frame for path, data in sorted({**found, **landed(store)}.items()) for frame in segments.read(data, path)]


def requests(given: list[Frame]) -> list[Request]:
    return [frame for frame in given if isinstance(frame, Request)]


def schemas(given: list[Frame]) -> list[Schema]:
    return [frame for frame in given if isinstance(frame, Schema)]


def spool_in(base: Path) -> Spool:
    """The only spool below a folder."""
    [folder] = [path for path in base.iterdir() if path.is_dir()]
    return Spool.open(base, json.loads((folder / "spool.json").read_text())["store"])


def logging_into(spool: Path, **more: str) -> dict[str, str]:
    """The environment of a server with that spool, whose segments are sealed all the time and stay where they land."""
    return {
        "CLOCHE_SPOOL": str(spool), "CLOCHE_LOG_SEGMENT_AGE_S": "0.2", "CLOCHE_SERVER_MONITOR": "false", **more,
    }  # fmt: skip


def check_log(clients: Sequence[Client], store: str, spool: Path) -> list[Request]:
    """
    The segments hold what the clients know, and what was on its way to a client that did not get it; each once.

    Every client asked for one row. Returns what the log holds of them.
    """
    every = requests(frames(Store.open(store, spool), spool_in(spool)))
    found = [one for one in every if one.client_request_id is not None]
    assert [name for name, times in Counter(one.request_id for one in every).items() if times > 1] == []
    _check_once(clients, [(str(one.client_request_id), one.status, one.request_id) for one in found])
    assert all(one.n == len(one.rows or ()) == 1 for one in found if one.status == 200)
    return found


def check_table(clients: Sequence[Client], store: str, model: str) -> None:
    """The same of the table that everything was folded into."""
    names = ["client_request_id", "status", "request_id", "row"]
    table = LogReader(Store.open(store, Path("/"))).answers(model, columns=names, landed=False)
    rows = list(zip(*(table[name].to_pylist() for name in names), strict=True))
    assert [one for one, times in Counter((name, row) for *_, name, row in rows).items() if times > 1] == []
    _check_once(clients, [(name, status, identity) for name, status, identity, _ in rows if name is not None])
    assert all(row == 0 for _, status, _, row in rows if status == 200)


def _check_once(clients: Sequence[Client], found: Sequence[tuple[str, int, str]]) -> None:
    """What the client's id, the status and our id of every record say, beside the clients' own record."""
    asked = {name: answer for client in clients for name, answer in client.asked.items()}
    assert [name for name, times in Counter(name for name, _, _ in found).items() if times > 1] == []
    by_name = {name: (status, identity) for name, status, identity in found}
    assert by_name.keys() <= asked.keys()
    answered = {name: answer for name, answer in asked.items() if answer is not None}
    assert {name: by_name.get(name) for name in answered} == answered


@contextlib.contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """A full disk, for this process: no file grows beyond *size* bytes, and the write that would is cut short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
