"""
Which versions of a model a host answers with. Decided on numbers alone; nothing is loaded here.

The same rules hold for a server in one process and for the agent of several.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloche.registry import NO_PROMISES, Promises, RouteEvent, RouteState


@dataclass(frozen=True, slots=True)
class Choice:
    """
    What a host holds of a model, as version numbers.

    `answering` maps a contract's number to the version that answers it, `warm` are kept beside it (the previous
    one, pinned ones), `wanted` is what the routes ask for, `refused` says why a version is not served here.
    `promises` is what callers are told of the contract numbers. `event` is the route event that this follows from; 0:
    none yet.
    """

    name: str
    route: str | None = "live"
    answering: Mapping[int, int] = field(default_factory=dict)
    default_number: int | None = None
    warm: tuple[int, ...] = ()
    wanted: Mapping[int, int] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    event: int = 0
    promises: Promises = NO_PROMISES

    @property
    def held(self) -> tuple[int, ...]:
        """Every version that is loaded."""
        return tuple(dict.fromkeys([*self.answering.values(), *self.warm]))


#: Yields a version to load, is sent None where it is loaded and else the reason; returns what follows from it.
Choosing = Generator[int, str | None, Choice]


def choose(
    before: Choice,
    routes: RouteState,
    *,
    event: int,
    pinned: Collection[int] = (),
    earlier: Mapping[int, Sequence[int]] | None = None,
) -> Choosing:
    """
    What to hold when the routes are *routes*: what is held needs no load, what will not load leaves the old one.

    *earlier* names by contract the versions to try instead, for a start where nothing answers yet.
    """
    refused: dict[int, str] = {}
    answering: dict[int, int] = {}
    for number, version in routes.live.items():
        candidates = [version, *(earlier or {}).get(number, ())]
        found = yield from _first_that_loads(candidates, before.held, refused)
        found = before.answering.get(number) if found is None else found
        if found is not None:
            answering[number] = found
    warm = _warm(before, answering.values(), pinned)
    return Choice(before.name, "live", answering, routes.default_contract, warm, routes.live, refused, event)


def earlier_versions(history: Iterable[RouteEvent]) -> dict[int, list[int]]:
    """By contract number the versions that were live before, the latest first."""
    found: dict[int, list[int]] = {}
    for event in reversed(list(history)):
        for number, version in event.routes.live.items():
            if version not in found.setdefault(number, []):
                found[number].append(version)
    return found


def _first_that_loads(
    versions: Iterable[int], held: Collection[int], refused: dict[int, str]
) -> Generator[int, str | None, int | None]:
    for version in versions:
        if version in refused:
            continue
        if version in held:
            return version
        reason = yield version
        if reason is None:
            return version
        refused[version] = reason
    return None


def _warm(before: Choice, answering: Collection[int], pinned: Collection[int]) -> tuple[int, ...]:
    """The pinned ones, and the one version that was replaced last."""
    idle = [one for one in before.held if one not in answering]
    replaced = [one for one in idle if one in before.answering.values()]
    previous = replaced or [one for one in idle if one not in pinned]
    return tuple(dict.fromkeys([*_those(idle, pinned), *previous[:1]]))


def _those(versions: Iterable[int], wanted: Collection[int]) -> Iterator[int]:
    return (one for one in versions if one in wanted)
