"""Which version answers, and what keeps it from being unloaded."""

from __future__ import annotations

import asyncio

import pytest

from cloche.errors import ModelNotFoundError, ModelRequiredError, NotReadyError, VersionNotServedError
from cloche.serving.deployments import Deployments, Held
from simulators import deployment, deployments


def found(*path: object, default: str | None = None) -> tuple[str, int]:
    async def story() -> tuple[str, int]:
        first, second = deployment(version=3), deployment(version=5, number=2)
        other = deployment(name="shapes", version=1)
        one = deployments(first, second, other, default=default).find(*path)  # type: ignore[arg-type]
        for each in (first, second, other):
            await each.close()
        return one.name, one.version

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("path", "default", "expected"),
    [
        pytest.param((), "colours", ("colours", 3), id="default-model-default-contract"),
        pytest.param(("colours",), None, ("colours", 3), id="named"),
        pytest.param(("colours", 2), None, ("colours", 5), id="contract"),
        pytest.param(("colours", None, 5), None, ("colours", 5), id="version"),
        pytest.param(("shapes",), "colours", ("shapes", 1), id="not-the-default"),
    ],
)
def test_find(path: tuple[object, ...], default: str | None, expected: tuple[str, int]) -> None:
    assert found(*path, default=default) == expected


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        pytest.param((), ModelRequiredError, "colours, shapes", id="none-named"),
        pytest.param(("colors",), ModelNotFoundError, "did you mean 'colours'", id="misspelt"),
        pytest.param(("colours", 9), VersionNotServedError, "served: 1, 2", id="contract"),
        pytest.param(("colours", None, 9), VersionNotServedError, "served: 3, 5", id="version"),
    ],
)
def test_not_found(path: tuple[object, ...], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        found(*path)


def test_nothing_loaded_yet() -> None:
    table = Deployments()
    assert not table.ready
    with pytest.raises(NotReadyError):
        table.find()
    table.put(Held("colours"))
    assert not table.ready
    with pytest.raises(NotReadyError):
        table.find("colours", None, 1)


def test_what_is_used_is_known_until_the_answer_is_made() -> None:
    async def story() -> None:
        one = deployment()
        table = deployments(one)
        with table.use(), table.use():
            assert table.in_use(one)
        assert not table.in_use(one)
        await one.close()

    asyncio.run(story())
