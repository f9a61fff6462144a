"""Evaluations lie beside versions: whatever else walks over a store copes with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from cloche.errors import UsageError
from cloche.evaluation import Part, Quality
from cloche.manifest import Metric
from cloche.registry import Evaluation, back_up, evaluations, horizons, layout, restore
from cloche.registry.registry import Registry
from cloche.store import Store


def evaluation(version=1, value=0.5, **more):
    quality = Quality(whole=Part(n=100, metrics=(Metric("mae", value, "test", 100),)))
    return Evaluation(
        name="penguins", version=version, source="table", by="ada", at="2026-11-24T12:00:00.000Z", rows=100,
        measured=100, quality=quality, **more,
    )  # fmt: skip


def test_the_last_ones_are_told_the_newest_first(registry, publish):
    publish()
    for value in (0.1, 0.2, 0.3, 0.4):
        path = evaluations.keep(registry.store, evaluation(value=value))
    assert path == "models/penguins/evaluations/000001/000004.json"
    found = evaluations.latest(registry.store, "penguins", 1)
    assert [one.quality.whole.metrics[0].value for one in found] == [0.4, 0.3, 0.2]
    assert evaluations.latest(registry.store, "penguins", 2) == []
    told = registry.show("penguins@1")
    assert [one["metrics"][0]["value"] for one in told["evaluations"]] == [0.4, 0.3, 0.2]
    assert told["not_replayable"] is None


def test_verify_and_gc_leave_them_alone(registry, publish):
    publish()
    path = evaluations.keep(registry.store, evaluation())
    assert registry.verify().findings == ()
    registry.collect(by="ada")
    registry.collect(by="ada", grace=timedelta(0))
    assert registry.store.exists(path)


def test_they_keep_nothing_of_a_deleted_version(registry, publish):
    publish()
    publish(promote=True)
    kept = evaluations.keep(registry.store, evaluation())
    registry.delete("penguins", 1, by="ada")
    registry.collect(by="ada")
    swept = registry.collect(by="ada", grace=timedelta(0))
    assert swept.deleted > 0
    assert registry.store.exists(kept)
    assert [one.severity for one in registry.verify().findings] == []


def test_a_backup_holds_them_and_a_copy_does_not(registry, publish, tmp_path: Path):
    record = publish()
    path = evaluations.keep(registry.store, evaluation())
    backup = Store.open(str(tmp_path / "backup"), tmp_path)
    back_up(registry, backup, by="ada", at="2026-11-24T12:00:00Z")
    other = Registry(Store.open(str(tmp_path / "restored"), tmp_path))
    restore(backup, other, by="ada")
    assert other.store.get(path) == registry.store.get(path)
    target = Registry(Store.open(str(tmp_path / "target"), tmp_path))
    folder = registry.fetch(record, tmp_path / "cache")
    target.publish(folder, name="penguins", contract=registry.contract_of(record), contract_number=1, by="ada")
    assert target.store.list("models/penguins/evaluations/") == []


def test_what_a_later_release_adds_is_ignored(registry, publish):
    publish()
    document = msgspec.to_builtins(evaluation()) | {"newer": {"a": 1}}
    document["quality"]["whole"]["new"] = 2
    raw = msgspec.json.encode(document)
    registry.store.create(layout.evaluation("penguins", 1, 1), raw)
    assert evaluations.latest(registry.store, "penguins", 1)[0].rows == 100


def test_several_at_once_are_all_kept(registry, publish):
    publish()
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: evaluations.keep(registry.store, evaluation()), range(8)))
    assert len(set(paths)) == 8
    assert registry.store.list("models/penguins/evaluations/") == sorted(paths)


def test_the_last_horizon_counts(registry, publish):
    publish()
    assert horizons.horizon(registry.store, "penguins") is None
    for days in (90, 7):
        horizons.set_horizon(registry.store, "penguins", timedelta(days=days), by="ada", at="2026-11-24T12:00:00Z")
    assert horizons.horizon(registry.store, "penguins") == timedelta(days=7)
    with pytest.raises(UsageError, match="above 0"):
        horizons.set_horizon(registry.store, "penguins", timedelta(0), by="ada", at="2026-11-24T12:00:00Z")
    assert registry.verify().findings == ()
