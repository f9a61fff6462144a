"""What a server needs of a registry: to read it, to fetch artifacts, to tell callers what changes for them."""

from __future__ import annotations

from pathlib import Path

from cloche.registry import changes, fetch
from cloche.registry.model import Promises, RouteState, VersionRecord
from cloche.registry.reader import Reader
from cloche.trust import DEFAULT, TrustPolicy


class FollowedRegistry(Reader):
    """The registry of a store as those see it who follow its routes; they change nothing."""

    def promises(self, name: str, state: RouteState) -> Promises:
        """What callers of *name* are told while its routes are *state*."""
        return changes.promises(self, name, state)

    def fetch(self, record: VersionRecord, cache: Path, trust: TrustPolicy = DEFAULT) -> Path:
        """The folder of the version's artifact under *cache*, every digest checked; *trust* says whose word counts."""
        return fetch.fetch(self.store, record, cache, trust)
