"""Publishing, finding, promoting and rolling back, on a folder."""

from __future__ import annotations

import asyncio
import json

import pytest

import handmade
from cloche.errors import (
    BreakingContractError,
    DigestMismatchError,
    ModelNotFoundError,
    NotFoundError,
    ObjectExistsError,
    RefusedError,
    RouteRaceError,
    UnlistedFileError,
    UsageError,
    VersionNotFoundError,
)
from cloche.manifest import Training
from cloche.registry import Registry
from cloche.registry.views import columns
from cloche.store import Store
from stores import Place, again


def test_the_first_version_becomes_live_and_later_ones_wait(registry, publish) -> None:
    first, second = publish(), publish()
    assert (first.version, second.version) == (1, 2)
    assert registry.models() == ["penguins"]
    assert registry.versions("penguins") == [first, second]
    assert registry.routes("penguins").live == {1: 1}
    assert registry.resolve("penguins").version == first
    assert registry.resolve("penguins").route == "live"


def test_publishing_may_promote(registry, publish) -> None:
    publish()
    second = publish(promote=True)
    assert registry.resolve("penguins@live").version == second
    assert [str(e.change) for e in registry.history("penguins")] == [
        "publish to version 1",
        "publish to version 2 (was 1)",
    ]


def test_objects_lie_where_the_design_says(registry, publish) -> None:
    record = publish()
    store = registry.store
    assert [p for p in store.list("") if not p.startswith(("probes/", "blobs/"))] == [
        "models/penguins/contracts/1.json",
        "models/penguins/routes/000001.json",
        "models/penguins/versions/000001.json",
        "store.json",
    ]
    assert f"blobs/sha256/{record.manifest[:2]}/{record.manifest}" in store.list("blobs/")
    event = json.loads(store.get("models/penguins/routes/000001.json"))
    assert event["routes"] == {"default_contract": 1, "live": {"1": 1}, "canary": None, "shadow": None}
    assert (event["event"], event["by"]) == (1, "ada")


def test_equal_files_are_stored_once(registry, publish) -> None:
    publish(content=b"same", depth=1)
    blobs = registry.store.list("blobs/")
    publish(content=b"same", depth=2)
    assert len(registry.store.list("blobs/")) == len(blobs) + 1  # the manifest only


def test_keys_of_a_later_cloche_are_ignored(registry, publish) -> None:
    publish()
    for path in ("models/penguins/versions/000001.json", "models/penguins/routes/000001.json"):
        raw = json.loads(registry.store.get(path)) | {"from_the_future": {"a": 1}}
        file = Place(registry.store) / path
        file.unlink()
        registry.store.create(path, json.dumps(raw).encode())
    again = Registry(registry.store)
    assert again.resolve("penguins").version.version == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(lambda d: (d / "model.bin").write_bytes(b"other"), DigestMismatchError, id="changed"),
        pytest.param(lambda d: (d / "extra").write_bytes(b""), UnlistedFileError, id="unlisted"),
    ],
)
def test_an_artifact_that_is_not_what_it_lists_is_not_published(registry, tmp_path, change, error) -> None:
    folder = handmade.artifact(tmp_path / "a")
    change(folder)
    with pytest.raises(error):
        registry.publish(folder, name="penguins", contract=handmade.contract(), contract_number=1, by="ada")
    assert registry.models() == []


# -- contracts --------------------------------------------------------------------------------------


def test_a_compatible_contract_is_a_revision(registry, publish) -> None:
    publish(made=handmade.contract("x"))
    wider = handmade.contract("x", "y", y={"required": False, "nullable": True})
    assert publish(made=wider).revision == 1
    assert publish(made=wider).revision == 1
    assert registry.contract("penguins", 1) == wider
    assert registry.contract_of(registry.version("penguins", 1)) == handmade.contract("x")


def test_a_breaking_contract_needs_a_number_of_its_own(registry, publish) -> None:
    publish(made=handmade.contract("x", "y"))
    with pytest.raises(BreakingContractError, match="nothing was published") as caught:
        publish(made=handmade.contract("x"))
    assert len(caught.value.breaks) == 1
    assert len(registry.versions("penguins")) == 1
    second = publish(made=handmade.contract("x"), number=2)
    registry.promote("penguins", second.version, by="ada")
    state = registry.routes("penguins")
    assert (state.live, state.default_contract) == ({1: 1, 2: 2}, 1)
    assert registry.resolve("penguins").version.version == 1


def test_contract_numbers_are_dense(registry, publish) -> None:
    with pytest.raises(UsageError, match="from 1 to 1, got 2"):
        publish(number=2)
    publish()
    with pytest.raises(UsageError, match="from 1 to 2, got 4"):
        publish(number=4)
    with pytest.raises(NotFoundError, match="has no contract 7; it has 1"):
        registry.contract("penguins", 7)


def test_a_contract_left_by_an_interrupted_publish_promises_nothing(registry, publish) -> None:
    registry.store.create("models/penguins/contracts/1.json", handmade.contract("left", "behind").to_json())
    record = publish(made=handmade.contract("x"))
    assert record.revision == 1
    assert registry.contract("penguins", 1) == handmade.contract("x")


# -- not there --------------------------------------------------------------------------------------


def test_a_missing_model_names_the_store_the_models_and_a_near_name(registry, publish) -> None:
    with pytest.raises(ModelNotFoundError, match="it holds no models yet"):
        registry.resolve("penguins")
    publish("penguins")
    publish("iris")
    for attempt in (
        lambda: registry.resolve("penguin"),
        lambda: registry.resolve("penguin@3"),
        lambda: registry.promote("penguin", 1, by="ada"),
        lambda: registry.rollback("penguin", by="ada"),
        lambda: registry.history("penguin"),
        lambda: registry.contract("penguin", 1),
        lambda: registry.overview("penguin"),
        lambda: registry.verify("penguin"),
    ):
        with pytest.raises(ModelNotFoundError) as caught:
            attempt()
        assert str(caught.value) == (
            f"no model 'penguin' in store {registry.store.describe()}; "
            "it holds: iris, penguins; did you mean 'penguins'?"
        )


def test_a_missing_version_lists_those_there_are(registry, publish) -> None:
    for _ in range(3):
        publish()
    with pytest.raises(VersionNotFoundError, match=r"no version 9; versions: 1-3$"):
        registry.promote("penguins", 9, by="ada")
    with pytest.raises(VersionNotFoundError, match="route 'canary' points at no version"):
        registry.resolve("penguins@canary")
    assert len(registry.history("penguins")) == 1


# -- routes -----------------------------------------------------------------------------------------


def live(registry: Registry) -> int:
    return registry.resolve("penguins").version.version


def test_rollback_undoes_one_promote_after_the_other(registry, publish) -> None:
    for _ in range(4):
        publish()
    for number in (2, 3, 4):
        registry.promote("penguins", number, by="ada", why="better")
    assert [registry.rollback("penguins", by="ada").change.version for _ in range(3)] == [3, 2, 1]
    with pytest.raises(RefusedError, match="nothing to roll back, only version 1 was ever live"):
        registry.rollback("penguins", by="ada")
    assert len(registry.history("penguins")) == 7


def test_a_promote_after_a_rollback_is_undone_first(registry, publish) -> None:
    for _ in range(4):
        publish()
    registry.promote("penguins", 2, by="ada")
    registry.promote("penguins", 3, by="ada")
    registry.rollback("penguins", by="ada")  # live: 2
    registry.promote("penguins", 4, by="ada")
    assert [registry.rollback("penguins", by="ada").change.version for _ in range(2)] == [2, 1]


def test_rollback_to_a_version_undoes_the_promotes_since(registry, publish) -> None:
    for _ in range(4):
        publish()
    for number in (2, 3, 4):
        registry.promote("penguins", number, by="ada")
    event = registry.rollback("penguins", to=2, by="ada", why="drift")
    assert (live(registry), event.why, event.change.undoes) == (2, "drift", 3)
    assert registry.rollback("penguins", by="ada").change.version == 1


def test_rollback_to_a_version_that_was_never_live(registry, publish) -> None:
    for _ in range(3):
        publish()
    registry.promote("penguins", 3, by="ada")
    registry.rollback("penguins", to=2, by="ada")
    assert live(registry) == 2
    assert registry.rollback("penguins", by="ada").change.version == 3


def test_rollback_of_the_first_version_under_a_new_contract_takes_it_away(registry, publish) -> None:
    publish()
    publish(made=handmade.contract("z"), number=2, promote=True)
    event = registry.rollback("penguins", by="ada")
    assert registry.routes("penguins").live == {1: 1}
    assert str(event.change) == "rollback to no version for contract 2 (was 2)"


def test_promoting_what_is_live_changes_nothing(registry, publish) -> None:
    publish()
    event = registry.promote("penguins", 1, by="bob")
    assert (event.event, event.by) == (1, "ada")
    assert len(registry.history("penguins")) == 1


def test_an_automatic_promote_stops_when_the_state_is_not_the_expected_one(registry, publish) -> None:
    for _ in range(3):
        publish()
    registry.promote("penguins", 2, by="ada", expect=1)
    with pytest.raises(
        RouteRaceError, match=r"event 2 \(promote to version 2 \(was 1\), by ada\); this was decided on event 1"
    ):
        registry.promote("penguins", 3, by="robot", expect=1)
    assert live(registry) == 2


class Raced(Store):
    """A store in which somebody else is always a little faster, once."""

    rival = None

    def create(self, path: str, data: bytes) -> None:
        if self.rival is not None and "/routes/" in path:
            rival, self.rival = self.rival, None
            rival()
        super().create(path, data)


@pytest.fixture
def raced(registry, publish) -> Registry:
    for _ in range(4):
        publish()
    registry.promote("penguins", 2, by="ada")
    registry.promote("penguins", 3, by="ada")
    return Registry(again(registry.store, Raced))


def test_a_person_who_loses_a_race_promotes_on_the_new_state(registry, raced) -> None:
    raced.store.rival = lambda: registry.promote("penguins", 1, by="bob")
    event = raced.promote("penguins", 4, by="ada")
    assert (event.event, event.change.before) == (5, 1)
    assert raced.verify().findings == ()


def test_with_an_expectation_a_lost_race_is_an_error(registry, raced) -> None:
    raced.store.rival = lambda: registry.promote("penguins", 1, by="bob")
    with pytest.raises(RouteRaceError, match="by bob"):
        raced.promote("penguins", 4, by="robot", expect=3)
    assert live(registry) == 1


def test_two_rollbacks_at_once_undo_one_promote(registry, raced) -> None:
    raced.store.rival = lambda: registry.rollback("penguins", by="bob")
    with pytest.raises(RouteRaceError, match="somebody else changed the routes first"):
        raced.rollback("penguins", by="ada")
    assert live(registry) == 2


def test_a_reader_follows_event_by_event(registry, publish) -> None:
    assert registry.next_event("penguins", 0) is None
    publish()
    publish(promote=True)
    assert registry.next_event("penguins", 0).routes.live == {1: 1}
    assert asyncio.run(registry.anext_event("penguins", 1)).routes.live == {1: 2}
    assert registry.next_event("penguins", 2) is None
    assert asyncio.run(registry.anext_event("penguins", 2)) is None


def test_a_reader_that_stays_open_sees_what_others_write(registry, publish) -> None:
    publish()
    watching = Registry(again(registry.store))
    assert watching.head("penguins").event == 1
    publish(promote=True)
    assert watching.head("penguins").event == 2
    assert len(watching.versions("penguins")) == 2


def test_versions_are_for_ever(registry, publish) -> None:
    publish()
    with pytest.raises(ObjectExistsError):
        registry.store.create("models/penguins/versions/000001.json", b"{}")


# -- views ------------------------------------------------------------------------------------------


def test_overview(registry, publish) -> None:
    assert registry.overview() == []
    publish("iris")
    publish()
    publish(accuracy=0.95)
    assert [(r["name"], r["versions"], r["live"]) for r in registry.overview()] == [
        ("iris", 1, "1"),
        ("penguins", 2, "1"),
    ]
    rows = registry.overview("penguins")
    assert [(r["version"], r["routes"], r["metric"]) for r in rows] == [
        (1, "live", "accuracy 0.9 (test)"),
        (2, None, "accuracy 0.95 (test)"),
    ]


def test_show(registry, publish) -> None:
    record = publish(depth=3)
    told = registry.show("penguins")
    assert (told["name"], told["version"], told["routes"], told["artifact"]) == (
        "penguins",
        1,
        ["live"],
        record.manifest,
    )
    assert told["fields"][0]["name"] == "x"
    assert told["training"]["hyperparameters"] == {"depth": 3}
    assert json.dumps(told)


def test_diff(registry, publish) -> None:
    publish(made=handmade.contract("x", x={"minimum": 0}), accuracy=0.9, depth=3)
    publish(
        made=handmade.contract("x", "y", y={"required": False}),
        accuracy=0.8,
        depth=5,
        packages={"scikit-learn": "1.10.0"},
    )
    told = registry.diff("penguins", 1, 2)
    assert told["fields"] == {"added": ["y"], "removed": [], "changed": {"x": {"minimum": {"old": 0, "new": None}}}}
    assert told["metrics"][0]["change"] == pytest.approx(-0.1)
    assert told["hyperparameters"] == {"depth": {"old": 3, "new": 5}}
    assert told["environment"] == {"scikit-learn": {"old": "1.9.1", "new": "1.10.0"}}
    assert registry.diff("penguins", 1, 1)["same_artifact"] is True


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, {}, id="the-same"),
        pytest.param({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"changed": ["b"]}, id="other-values"),
        pytest.param({"a": "1"}, {"a": "1", "c": "3"}, {"added": ["c"]}, id="one-more"),
        pytest.param({"a": "1", "c": "3"}, {"a": "1"}, {"removed": ["c"]}, id="one-less"),
        pytest.param({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"order": ["b", "a"]}, id="another-order"),
        pytest.param({}, {"a": "1"}, {"added": ["a"]}, id="no-table-before"),
    ],
)
def test_which_columns_of_the_training_table_changed(old, new, found) -> None:
    nothing = {"added": [], "removed": [], "changed": [], "order": []}
    assert columns(Training(column_fingerprints=old), Training(column_fingerprints=new)) == nothing | found


def test_a_target_that_changed_is_named_as_one() -> None:
    old, new = (Training(target_fingerprints={"y": digest}) for digest in "12")
    assert columns(old, new)["changed"] == ["y (target)"]
