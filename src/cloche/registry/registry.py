"""The registry of a store: publish, promote, roll back, fetch, and everything that is read."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cloche.contract.model import Contract
from cloche.registry import changes, collect, delete, numbers, publish, routes, signatures, views
from cloche.registry.followed import FollowedRegistry
from cloche.registry.model import Origin, Revision, RouteEvent, Tombstone, VersionRecord
from cloche.registry.names import check_name
from cloche.registry.signatures import Signature
from cloche.registry.verify import Report, Verifier
from cloche.signing import signed
from cloche.store import Store


def utc_now() -> str:
    """Now, as RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Registry(FollowedRegistry):
    """Versions are for ever, routes are pointers, and every change is one more object."""

    def __init__(self, store: Store, *, now: Callable[[], str] = utc_now) -> None:
        super().__init__(store)
        self._now = now

    def publish(
        self,
        directory: Path,
        *,
        name: str,
        contract: Contract,
        contract_number: int,
        by: str,
        promote: bool = False,
        origin: Origin | None = None,
    ) -> VersionRecord:
        """
        Give the artifact in *directory* the next version number; the first version of a name becomes live.

        Raises:
            UsageError: the name or the contract number.
            ArtifactError: the directory is not what its manifest says.
            BreakingContractError: the contract would break a promise made under its number.
        """
        check_name(name)
        record = publish.publish(
            self,
            directory,
            name=name,
            contract=contract,
            contract_number=contract_number,
            by=by,
            at=self._now(),
            origin=origin,
        )
        plan = self._plan_of(record, promote=promote)
        routes.append(self, name, plan, by=by, at=self._now(), why=None)
        return record

    def _plan_of(self, record: VersionRecord, *, promote: bool) -> routes.Plan:
        if promote:
            return routes.promotion(record, "publish")
        before = [one for one in self.versions(record.name) if one.version < record.version]
        return routes.first_live(record, opens=all(one.contract != record.contract for one in before))

    def set_default(self, name: str, number: int, *, by: str, why: str | None = None) -> RouteEvent:
        """
        Let paths without a number mean contract *number*; callers of lower ones are told that these are deprecated.

        Raises:
            ModelNotFoundError: no such model.
            NotFoundError: no version is live under that contract.
        """
        return self._append_known(name, numbers.make_default(name, number), by=by, why=why)

    def set_sunset(self, name: str, number: int, until: str | None, *, by: str, why: str | None = None) -> RouteEvent:
        """
        Tell callers of contract *number* until when it is served; None takes that back.

        Raises:
            UsageError: *until* is no day.
            ModelNotFoundError: no such model.
            NotFoundError: no version is live under that contract.
        """
        return self._append_known(name, numbers.sunset(name, number, until), by=by, why=why)

    def _append_known(self, name: str, plan: routes.Plan, *, by: str, why: str | None) -> RouteEvent:
        if not self.versions(name):
            raise self.no_model(name)
        return routes.append(self, name, plan, by=by, at=self._now(), why=why)

    def revisions(self, name: str) -> tuple[Revision, ...]:
        """What changed for callers from one revision and number of the contract to the next."""
        return changes.revisions(self, name)

    def promote(
        self, name: str, version: int, *, by: str, why: str | None = None, expect: int | None = None
    ) -> RouteEvent:
        """
        Point the route `live` of the version's contract at it; running servers follow.

        Already live: nothing is written, and the event that stands is returned. *expect* is the number of the
        event that was decided on; without it a lost race is tried again on the new state.

        Raises:
            ModelNotFoundError, VersionNotFoundError: nothing was registered under it.
            RouteRaceError: with *expect*, somebody else changed the routes first.
        """
        record = self.version(name, version)
        return routes.append(self, name, routes.promotion(record), by=by, at=self._now(), why=why, expect=expect)

    def rollback(
        self,
        name: str,
        *,
        to: int | None = None,
        contract: int | None = None,
        by: str,
        why: str | None = None,
        expect: int | None = None,
    ) -> RouteEvent:
        """
        Point `live` back to the version before the last promote not yet rolled back, or to the version *to*.

        *contract* says of which contract's promotes; without it the last one of any.

        Raises:
            ModelNotFoundError, VersionNotFoundError: nothing was registered under it.
            RefusedError: nothing is left to roll back.
            RouteRaceError: somebody else changed the routes first, so that this would mean something else.
        """
        if to is not None:
            plan = routes.rollback_to(self, self.version(name, to))
        elif self.versions(name):
            plan = routes.rollback(self, name, contract)
        else:
            raise self.no_model(name)
        return routes.append(self, name, plan, by=by, at=self._now(), why=why, expect=expect)

    def rollback_target(self, name: str, contract: int | None = None) -> tuple[int | None, int]:
        """
        The version that `rollback` would go back to (None: none under that contract), and the last event.

        Raises:
            ModelNotFoundError: no such model.
            RefusedError: nothing is left to roll back.
        """
        history = self.history(name)
        return routes.last_step(name, history, contract).version, history[-1].event

    def delete(self, name: str, version: int, *, by: str, why: str | None = None) -> Tombstone:
        """
        Delete a version that no route points at; its number stays taken, its files go by `gc`.

        Raises:
            ModelNotFoundError, VersionNotFoundError: nothing was registered under it, or it was deleted before.
            RefusedError: a route points at it.
        """
        record, gone = self.record(name, version), self.tombstone(name, version)
        if gone is not None and any(event.change.deleted == version for event in self.history(name)):
            self.check_not_deleted(name, version)
        stone = delete.delete(self, record, by=by, at=self._now(), why=why)
        self._deleted.add((name, version))
        return stone

    def collect(self, *, by: str, grace: timedelta = collect.GRACE, dry_run: bool = False) -> collect.Collected:
        """
        Mark the blobs that no version names, and delete those that were marked at least *grace* ago.

        Raises:
            StoreError: what the versions name could not be read; nothing was deleted.
        """
        return collect.Collector(self, by).run(grace, dry_run=dry_run)

    def sign(self, record: VersionRecord, private_key_pem: bytes, *, by: str) -> tuple[Signature, bool]:
        """
        Put a signature over the version's manifest beside it; whether it is new.

        Raises:
            UsageError: the key is not an unencrypted Ed25519 private key in PEM.
            DigestMismatchError: the manifest in the store is not the version's.
        """
        line, key = signed(self.raw_manifest_of(record), private_key_pem)
        signature = Signature(
            name=record.name,
            version=record.version,
            key=base64.b64encode(key).decode(),
            signature=line.decode().strip(),
            by=by,
            at=self._now(),
        )
        return signature, signatures.keep(self.store, signature)

    def overview(self, name: str | None = None) -> list[dict[str, Any]]:
        """One row a model, or one row a version of *name*."""
        return views.models(self) if name is None else views.versions(self, name)

    def show(self, reference: str) -> dict[str, Any]:
        """Everything that is known about `NAME[@VERSION|@ROUTE]`."""
        return views.show(self, self.resolve(reference).version)

    def diff(self, name: str, old: int, new: int) -> dict[str, Any]:
        """What differs between two versions: fields, output, metrics, hyperparameters, training, environment."""
        return views.diff(self, self.version(name, old), self.version(name, new))

    def verify_version(self, record: VersionRecord) -> Report:
        """Hash every stored byte of one version, and check the signatures beside it."""
        return Verifier(self).run_version(record)

    def verify(self, name: str | None = None) -> Report:
        """
        Hash every stored byte of one model or all, and check that every event names the one before.

        Raises:
            ModelNotFoundError: no such model.
        """
        if name is not None and not self.store.list(f"models/{check_name(name)}/"):
            raise self.no_model(name)
        names = [name] if name is not None else self.store.folders("models")
        return Verifier(self).run(names)
