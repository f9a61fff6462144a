"""
How long it takes to fold 1,000,000 logged rows with 20 fields: `python bench/fold.py [ROWS]`.

One request a row, as a busy server logs them; segments of 8 MB, as the settings have it. On one core: run it under
`taskset -c 0`. Prints one JSON object.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

from cloche.contract.model import Output
from cloche.ids import RequestIds
from cloche.prediction_log import layout, segments
from cloche.prediction_log.folding import Folder
from cloche.prediction_log.frames import Header, LoggedField, Request, Schema
from cloche.prediction_log.reading import LogReader
from cloche.store import Store

SEGMENT_BYTES = 8_388_608
FIELDS = (
    *(LoggedField(f"number{n}", "number", "input") for n in range(12)),
    *(LoggedField(f"count{n}", "integer", "input") for n in range(3)),
    *(LoggedField(f"level{n}", "category", "input") for n in range(4)),
    LoggedField("customer", "string", "key"),
)
OUTPUT = Output(task="classification", type="string", classes=("no", "yes"), probabilities=True)


def land(store: Store, rows: int) -> int:
    """Land *rows* rows; the bytes of the segments."""
    ids, spool, number, size = RequestIds(), RequestIds().new(), 0, 0
    now_us = time.time_ns() // 1000
    buffer = bytearray()

    def put() -> None:
        nonlocal number, size
        number += 1
        size += len(buffer)
        store.create(layout.landed(spool, number), bytes(buffer))
        buffer.clear()

    for row in range(rows):
        if not buffer:
            buffer += segments.MAGIC + segments.packed(Header(spool, number + 1, now_us, "0", "bench"))
            buffer += segments.packed(Schema(1, "bench", 1, 1, "twin", FIELDS, OUTPUT))
        values = [row * 0.1 + n for n in range(12)] + [row + n for n in range(3)]
        values += [f"level {(row + n) % 9}" for n in range(4)] + [f"customer {row}"]
        one = Request(
            ids.new(),
            None,
            now_us + row,
            150,
            200,
            None,
            "key",
            "live",
            1,
            "bench",
            1,
            [values],
            ["yes"],
            [[0.25, 0.75]],
        )
        buffer += segments.packed(one)
        if len(buffer) >= SEGMENT_BYTES:
            put()
    if buffer:
        put()
    return size


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"{folder}/store", Path("/"))
        size = land(store, rows)
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        done = Folder(store, "bench").all()
        wall_s = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
        table_bytes = sum(store.sizes(f"{layout.LOG}/bench").values())
        count = LogReader(store).answers("bench", columns=["row"], landed=False).num_rows
    result = {
        "rows": count,
        "fields": len(FIELDS),
        "segment_bytes": size,
        "table_bytes": table_bytes,
        "folds": len(done),
        "wall_s": round(wall_s, 2),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "max_rss_mb": round(after.ru_maxrss / 1024),
        "python": platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
