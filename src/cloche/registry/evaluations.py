"""
What was measured of a version after it was published: `models/NAME/evaluations/000007/000001.json`, each written once.

They name no blobs, so that they keep nothing from being collected, and stay when the version is deleted.
"""

from __future__ import annotations

import contextlib

import msgspec

from cloche.errors import ObjectExistsError
from cloche.evaluation import Quality
from cloche.registry import layout
from cloche.registry.model import decode, encode
from cloche.store import Store

FORMAT = "cloche-evaluation/1"


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    How good the answers of a version are on rows with known truths.

    `source` is "table" (answered again, `data` says which) or "log" (answered when asked, in [since, until)). Of `rows`
    rows, `refused` could not be answered and `measured` had a truth. `against` is the version that the differences of
    `quality` are to; `labels` counts what became of the labels. Times are RFC 3339 in UTC.
    """

    name: str
    version: int
    source: str
    by: str
    at: str
    rows: int
    measured: int
    quality: Quality
    refused: int = 0
    data: str | None = None
    since: str | None = None
    until: str | None = None
    horizon_days: float | None = None
    against: int | None = None
    segments: tuple[str, ...] = ()
    labels: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    schema: str = FORMAT

    def summary(self) -> dict[str, object]:
        """What `show` tells of it."""
        return {
            "at": self.at,
            "by": self.by,
            "source": self.source,
            "data": self.data,
            "rows": self.rows,
            "measured": self.measured,
            "against": self.against,
            "metrics": [msgspec.to_builtins(one) for one in self.quality.whole.metrics if "[" not in one.name],
        }


def keep(store: Store, evaluation: Evaluation) -> str:
    """Write it beside the version, under the next number; returns the path of the object."""
    raw = encode(evaluation)
    while True:
        there = map(layout.number_in, store.list(layout.evaluations(evaluation.name, evaluation.version)))
        number = max((one for one in there if one is not None), default=0) + 1
        path = layout.evaluation(evaluation.name, evaluation.version, number)
        with contextlib.suppress(ObjectExistsError):  # somebody else was faster
            store.create(path, raw)
            return path


def latest(store: Store, name: str, version: int, most: int = 3) -> list[Evaluation]:
    """The last evaluations of a version, the newest first."""
    paths = store.list(layout.evaluations(name, version))
    return [decode(store.get(path), Evaluation, path) for path in reversed(paths[-most:])]
