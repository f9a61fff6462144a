"""What a server was told to serve: by model the versions that are pinned, and whether its route is followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloche.errors import UsageError
from cloche.registry import FollowedRegistry, parse_reference


@dataclass(frozen=True, slots=True)
class Follows:
    """One model: exact versions beside its route, or instead of it."""

    pinned: tuple[int, ...] = ()
    route: bool = True


def named(references: Iterable[str], everything: Iterable[str] = ()) -> dict[str, Follows]:
    """
    What *references* and the names in *everything* ask for; the store is not asked.

    Raises:
        UsageError: a reference is none.
    """
    found: dict[str, Follows] = {}
    for one in map(parse_reference, references):
        before = found.get(one.name, Follows(route=False))
        pinned = (*before.pinned, one.version) if one.version is not None else before.pinned
        found[one.name] = Follows(tuple(dict.fromkeys(pinned)), before.route or one.version is None)
    for name in everything:
        before = found.get(name, Follows())
        found[name] = Follows(before.pinned)
    return found


def asked_for(
    registry: FollowedRegistry, references: Iterable[str], *, everything: bool, default: str | None
) -> dict[str, Follows]:
    """
    The same, with every reference looked up.

    Raises:
        UsageError: nothing to serve, or *default* is not among it.
        NotFoundError: a reference that means nothing in this store.
    """
    for text in references:
        registry.resolve(text)
    found = named(references, registry.models() if everything else ())
    if not found and not everything:
        raise UsageError("nothing to serve: name a model, or say --all")
    check_default(found, default)
    return found


def check_default(served: Mapping[str, object], default: str | None) -> None:
    """
    Raises:
        UsageError: the model that `/predict` is to mean is not served.
    """
    if default is not None and default not in served:
        raise UsageError(f"--default '{default}' is not among the served models: {', '.join(sorted(served))}")
