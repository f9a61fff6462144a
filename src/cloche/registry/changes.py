"""What changed for callers from one revision of a name's contract to the next, and from one number to the next."""

from __future__ import annotations

import msgspec

from cloche.contract.compare import compare
from cloche.contract.model import Contract
from cloche.registry import layout
from cloche.registry.model import Promises, Revision, RouteState, VersionRecord
from cloche.registry.reader import Reader


def promises(reader: Reader, name: str, routes: RouteState) -> Promises:
    """
    What callers of *name* are told while its routes are *routes*.

    Raises:
        ModelNotFoundError: no such model.
    """
    notices = {} if isinstance(routes.notices, msgspec.UnsetType) else routes.notices
    return Promises(notices=notices, revisions=revisions(reader, name))


def revisions(reader: Reader, name: str) -> tuple[Revision, ...]:
    """
    Every revision that a version was published under, by number and then by revision.

    Raises:
        ModelNotFoundError: no such model.
    """
    records = reader.versions(name)
    if not records:
        raise reader.no_model(name)
    first: dict[tuple[int, int], VersionRecord] = {}
    for record in records:
        first.setdefault((record.contract, record.revision), record)
    found: list[Revision] = []
    before: Contract | None = None
    for (number, revision), record in sorted(first.items()):
        contract = reader.read_contract(layout.contract(name, number, revision))
        changed = None if before is None else compare(before, contract)
        found.append(
            Revision(
                number=number,
                revision=revision,
                version=record.version,
                at=record.at,
                breaks=() if changed is None else tuple(changed.breaks),
                additions=() if changed is None else tuple(changed.additions),
            )
        )
        before = contract
    return tuple(found)
