"""Deleting versions: what stands in the way, what is told afterwards, and that nothing live ever goes."""

from __future__ import annotations

import pytest

from cloche.errors import ModelNotFoundError, RefusedError, VersionNotFoundError
from cloche.registry import Registry
from cloche.store import Store
from stores import again


@pytest.fixture
def three(registry: Registry, publish) -> Registry:
    """Versions 1 to 3, of which 2 is live."""
    for _ in range(3):
        publish()
    registry.promote("penguins", 2, by="ada")
    return registry


def test_who_when_and_why_is_told(three: Registry) -> None:
    three.delete("penguins", 1, by="ada", why="trained on the wrong table")
    for registry in (three, Registry(again(three.store))):
        with pytest.raises(
            VersionNotFoundError, match=r"version 1 was deleted by ada on .* because: trained on"
        ) as told:
            registry.resolve("penguins@1")
        assert str(told.value).endswith("; versions: 2-3")
        assert [record.version for record in registry.versions("penguins")] == [2, 3]
        rows = registry.overview("penguins")
        assert [row["version"] for row in rows] == [1, 2, 3]
        assert rows[0]["routes"].startswith("deleted by ada on ")
        assert registry.overview()[0]["versions"] == 2
        assert registry.verify().findings == ()
    event = three.history("penguins")[-1]
    assert str(event.change) == "delete of version 1"
    assert (event.routes.live, event.why) == ({1: 2}, "trained on the wrong table")


def test_a_number_is_never_used_again(three: Registry, publish) -> None:
    three.delete("penguins", 3, by="ada")
    assert publish().version == 4


def test_what_is_live_is_not_deleted(three: Registry) -> None:
    with pytest.raises(RefusedError, match="version 2 is live; promote another version first; nothing was deleted"):
        three.delete("penguins", 2, by="ada")
    assert three.version("penguins", 2).version == 2
    assert three.store.list("models/penguins/versions/")[-1].endswith("000003.json")


def test_a_canary_is_not_deleted(three: Registry) -> None:
    path = "models/penguins/routes/000003.json"
    head = three.store.get("models/penguins/routes/000002.json").replace(b'"canary": null', b'"canary": {"to": 3}')
    three.store.create(path, head.replace(b'"event": 2', b'"event": 3'))
    with pytest.raises(RefusedError, match="version 3 is canary"):
        three.delete("penguins", 3, by="ada")


def test_it_is_deleted_once(three: Registry) -> None:
    three.delete("penguins", 1, by="ada")
    with pytest.raises(VersionNotFoundError, match="version 1 was deleted by ada"):
        three.delete("penguins", 1, by="bob")
    with pytest.raises(VersionNotFoundError, match="no version 9"):
        three.delete("penguins", 9, by="bob")
    with pytest.raises(ModelNotFoundError):
        three.delete("pinguins", 1, by="bob")


def test_it_is_neither_promoted_nor_rolled_back_to(three: Registry) -> None:
    knows_it = Registry(again(three.store))
    assert knows_it.version("penguins", 1)
    three.delete("penguins", 1, by="ada")
    for change in (
        lambda: three.promote("penguins", 1, by="ada"),
        lambda: knows_it.promote("penguins", 1, by="ada"),
        lambda: three.rollback("penguins", by="ada"),
        lambda: three.rollback("penguins", to=1, by="ada"),
    ):
        with pytest.raises(VersionNotFoundError, match="version 1 was deleted by ada"):
            change()
    assert three.routes("penguins").live == {1: 2}


def test_a_delete_is_no_step_to_roll_back(three: Registry) -> None:
    three.delete("penguins", 3, by="ada")
    assert three.rollback("penguins", by="ada").routes.live == {1: 1}


class Raced(Store):
    """A store in which somebody else is a little faster, once, before a certain write."""

    before, rival = "", None

    def create(self, path: str, data: bytes) -> None:
        if self.rival is not None and self.before in path:
            rival, self.rival = self.rival, None
            rival()
        super().create(path, data)


@pytest.mark.parametrize("before", [".deleted.json", "/routes/"])
def test_a_version_that_is_promoted_meanwhile_stays(three: Registry, before: str) -> None:
    slow = Registry(again(three.store, Raced))
    slow.store.before = before
    slow.store.rival = lambda: Registry(again(three.store)).promote("penguins", 3, by="bob")
    if before == "/routes/":  # the tombstone is there already: the promote sees it
        with pytest.raises(VersionNotFoundError):
            slow.delete("penguins", 3, by="ada")
    else:
        with pytest.raises(RefusedError, match="version 3 is live"):
            slow.delete("penguins", 3, by="ada")
        assert three.version("penguins", 3).version == 3
        assert three.resolve("penguins").version.version == 3
    assert Registry(again(three.store)).verify().findings == ()


def test_a_promote_that_comes_second_sees_the_delete(three: Registry) -> None:
    slow = Registry(again(three.store, Raced))
    slow.store.before = "/routes/"
    slow.store.rival = lambda: Registry(again(three.store)).delete("penguins", 3, by="bob")
    with pytest.raises(VersionNotFoundError, match="version 3 was deleted by bob"):
        slow.promote("penguins", 3, by="ada")
    assert three.routes("penguins").live == {1: 2}
    assert three.verify().findings == ()


def test_one_that_was_interrupted_is_finished_by_the_next(three: Registry) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    killed = Registry(again(three.store, Raced))
    killed.store.before, killed.store.rival = "/routes/", die
    with pytest.raises(KeyboardInterrupt):
        killed.delete("penguins", 3, by="ada", why="first")
    three.delete("penguins", 3, by="bob")
    assert [str(event.change) for event in three.history("penguins")][-1] == "delete of version 3"
    with pytest.raises(VersionNotFoundError, match="deleted by ada .* because: first"):
        three.version("penguins", 3)
