"""Reading the registry: models, versions, contracts, routes and their history."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

import msgspec

from cloche.contract.model import Contract
from cloche.errors import (
    DigestMismatchError,
    MissingFileError,
    ModelNotFoundError,
    NotFoundError,
    ObjectNotFoundError,
    StoreError,
    VersionNotFoundError,
)
from cloche.manifest import Manifest, identity
from cloche.registry import blobs, layout, signatures
from cloche.registry.model import Resolved, RouteEvent, RouteState, Tombstone, VersionRecord, decode
from cloche.registry.names import Reference, check_name, near, parse_reference
from cloche.registry.signatures import Signature
from cloche.store import Store

#: What every artifact holds, beside its model.
CONTRACT_FILE = "contract.json"


class Reader:
    """The registry of one store, for reading. Objects never change, so what was read once is kept."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._records: dict[tuple[str, int], VersionRecord] = {}
        self._deleted: set[tuple[str, int]] = set()
        self._last_event: dict[str, int] = {}

    # -- models and versions --------------------------------------------------------------------

    def models(self) -> list[str]:
        """The names that have at least one version."""
        return self.new_models(())

    def versions(self, name: str) -> list[VersionRecord]:
        """Every version of *name* that was not deleted, oldest first; none for a name that does not exist."""
        records, deleted = self.records(name)
        return [record for record in records if record.version not in deleted]

    def records(self, name: str) -> tuple[list[VersionRecord], set[int]]:
        """Every version that there ever was, oldest first, and the numbers of those that were deleted."""
        paths = self.store.list(layout.versions(check_name(name)))
        numbers, gone = map(layout.number_in, paths), map(layout.tombstone_in, paths)
        deleted = {number for number in gone if number is not None}
        self._deleted |= {(name, number) for number in deleted}
        return [self._record(name, number) for number in numbers if number is not None], deleted

    def tombstone(self, name: str, number: int) -> Tombstone | None:
        """Who deleted the version *number* of *name*, when and why; None while it is there."""
        path = layout.tombstone(name, number)
        try:
            return decode(self.store.get(path), Tombstone, self._where(path))
        except ObjectNotFoundError:
            return None

    def version(self, name: str, number: int) -> VersionRecord:
        """
        The version *number* of *name*.

        Raises:
            ModelNotFoundError, VersionNotFoundError: the message lists what there is.
        """
        check_name(name)
        if (name, number) in self._records and (name, number) not in self._deleted:
            return self._records[name, number]
        record = self.record(name, number)
        self.check_not_deleted(name, number)
        return record

    def record(self, name: str, number: int) -> VersionRecord:
        """The version *number* of *name*, deleted or not."""
        try:
            return self._record(check_name(name), number)
        except ObjectNotFoundError as exc:
            raise self._no_version(name, f"no version {number}") from exc

    def check_not_deleted(self, name: str, number: int) -> None:
        """
        Ask the store, whatever was read before.

        Raises:
            VersionNotFoundError: the version was deleted; the message says by whom, when and why.
        """
        gone = self.tombstone(name, number)
        if gone is not None:
            self._deleted.add((name, number))
            raise self._no_version(name, f"version {number} was {gone}")

    def know(self, record: VersionRecord) -> None:
        """Take *record* as read: a server that was served it before starts without its store."""
        self._records[record.name, record.version] = record

    def new_models(self, known: Collection[str]) -> list[str]:
        """The names beside *known* that have at least one version: one request where there are none."""
        unknown = [name for name in self.store.folders(layout.MODELS) if name not in known]
        return [name for name in unknown if self.store.list(layout.versions(name))]

    def resolve(self, reference: str) -> Resolved:
        """
        What `NAME`, `NAME@VERSION` or `NAME@ROUTE` means now.

        Raises:
            UsageError: the reference is none of these.
            ModelNotFoundError, VersionNotFoundError: the message lists what there is.
        """
        wanted = parse_reference(reference)
        if wanted.version is not None:
            return Resolved(wanted.name, self.version(wanted.name, wanted.version), None, pinned=True)
        number = self._routed(wanted)
        if number is None:
            raise self._no_version(wanted.name, f"the route '{wanted.route}' points at no version")
        return Resolved(wanted.name, self.record(wanted.name, number), wanted.route, pinned=False)

    # -- contracts and manifests ----------------------------------------------------------------

    def contract(self, name: str, number: int) -> Contract:
        """
        The latest revision of contract *number* that a version was published under.

        Raises:
            ModelNotFoundError: no such model.
            NotFoundError: it has no contract of that number.
        """
        records, _ = self.records(name)  # what a version that was deleted promised stays promised
        revisions = [record.revision for record in records if record.contract == number]
        if not records:
            raise self.no_model(name)
        if not revisions:
            numbers = ", ".join(str(one) for one in sorted({record.contract for record in records}))
            raise NotFoundError(f"model '{name}' has no contract {number}; it has {numbers}")
        return self.read_contract(layout.contract(name, number, max(revisions)))

    def contract_of(self, record: VersionRecord) -> Contract:
        """The contract as the version itself knows it: its artifact's `contract.json`."""
        entry = self.manifest_of(record).files.get(CONTRACT_FILE)
        if entry is None:
            raise MissingFileError(f"{record.name}@{record.version}: its artifact lists no {CONTRACT_FILE}")
        return self._contract(blobs.read(self.store, entry.sha256), layout.blob(entry.sha256))

    def manifest_of(self, record: VersionRecord) -> Manifest:
        """The manifest of the version's artifact."""
        return Manifest.from_json(blobs.read(self.store, record.manifest))

    def raw_manifest_of(self, record: VersionRecord) -> bytes:
        """
        The exact bytes of the manifest of the version's artifact, which its identity and its signatures are over.

        Raises:
            DigestMismatchError: the store holds other bytes under that digest.
        """
        raw = blobs.read(self.store, record.manifest)
        if identity(raw) != record.manifest:
            raise DigestMismatchError(
                f"{record.name}@{record.version}: manifest.json is not the one that was published; run: cloche verify"
            )
        return raw

    def signatures_of(self, record: VersionRecord) -> list[Signature]:
        """The valid signatures that were added to the version after it was published."""
        return signatures.of_version(self.store, record, self.raw_manifest_of(record))

    def read_contract(self, path: str) -> Contract:
        """The contract in the object *path*."""
        return self._contract(self.store.get(path), path)

    def _contract(self, raw: bytes, path: str) -> Contract:
        try:
            return Contract.from_json(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise StoreError(f"{self._where(path)}: expected a contract: {exc}") from exc

    # -- routes ---------------------------------------------------------------------------------

    def head(self, name: str) -> RouteEvent | None:
        """The last route event of *name*, or None where nothing was ever live."""
        number = self._last_number(name)
        return None if number is None else self.event(name, number)

    def routes(self, name: str) -> RouteState | None:
        """Where the routes of *name* point now, or None where nothing was ever live."""
        head = self.head(name)
        return None if head is None else head.routes

    def history(self, name: str) -> list[RouteEvent]:
        """
        Every change of the routes of *name*, oldest first.

        Raises:
            ModelNotFoundError: no such model.
        """
        if not self.records(name)[0]:
            raise self.no_model(name)
        numbers = map(layout.number_in, self.store.list(layout.routes(name)))
        return [self.event(name, number) for number in numbers if number is not None]

    def event(self, name: str, number: int) -> RouteEvent:
        """The route event *number*; raises ObjectNotFoundError where there is none."""
        path = layout.event(name, number)
        return decode(self.store.get(path), RouteEvent, self._where(path))

    def next_event(self, name: str, number: int) -> RouteEvent | None:
        """The event after event *number* (0: the first), or None yet: one cheap request, whatever the history."""
        try:
            return self.event(name, number + 1)
        except ObjectNotFoundError:
            return None

    async def anext_event(self, name: str, number: int) -> RouteEvent | None:
        """The same as `next_event`, for the server's loop."""
        path = layout.event(name, number + 1)
        try:
            return decode(await self.store.aget(path), RouteEvent, self._where(path))
        except ObjectNotFoundError:
            return None

    def digest_of_event(self, name: str, number: int) -> str:
        """The sha256 of the bytes of an event: what the next one names as `previous`."""
        return hashlib.sha256(self.store.get(layout.event(name, number))).hexdigest()

    # -- not found ------------------------------------------------------------------------------

    def no_model(self, name: str) -> ModelNotFoundError:
        """The error that names the store, the models there and a near name."""
        names = self.models()
        holds = f"it holds: {', '.join(names)}{near(name, names)}" if names else "it holds no models yet"
        return ModelNotFoundError(f"no model '{name}' in store {self.store.describe()}; {holds}")

    def _no_version(self, name: str, what: str) -> NotFoundError:
        records = self.versions(name)
        if not records and not self.records(name)[0]:
            return self.no_model(name)
        there = _ranges(record.version for record in records) or "none"
        return VersionNotFoundError(f"model '{name}' in store {self.store.describe()}: {what}; versions: {there}")

    # -- details --------------------------------------------------------------------------------

    def _record(self, name: str, number: int) -> VersionRecord:
        if (name, number) not in self._records:
            path = layout.version(name, number)
            self._records[name, number] = decode(self.store.get(path), VersionRecord, self._where(path))
        return self._records[name, number]

    def _routed(self, wanted: Reference) -> int | None:
        state = self.routes(wanted.name)
        if state is None or wanted.route != "live":
            return None
        return state.live.get(state.default_contract)

    def _last_number(self, name: str) -> int | None:
        """The number of the last event; lists only what came after the last one seen."""
        check_name(name)
        seen = self._last_event.get(name)
        after = None if seen is None else layout.event(name, seen)
        numbers = [n for n in map(layout.number_in, self.store.list(layout.routes(name), after=after)) if n is not None]
        if numbers:
            self._last_event[name] = seen = max(numbers)
        return seen

    def _where(self, path: str) -> str:
        return f"store {self.store.describe()}: {path}"


def _ranges(numbers: Iterable[int]) -> str:
    """`1-4, 7`: long histories stay on one line."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
