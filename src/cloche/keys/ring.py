"""
The keys of one place: made, listed, ended.

Keys and revocations are create-only objects (`ID.json`, `ID.revoked.json`), or lines of a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from cloche.errors import NotFoundError, ObjectExistsError, ObjectNotFoundError, UsageError
from cloche.keys.file import KeyFile
from cloche.keys.model import SCOPES, Key, Revocation, Snapshot, rfc3339, utc_now
from cloche.store import Store

_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_log = logging.getLogger(__name__)
#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_key = msgspec.json.Decoder(Key)
_revocation = msgspec.json.Decoder(Revocation)


class Shelf(Protocol):
    """Where keys lie: create-only objects by name."""

    def describe(self) -> str: ...
    def create(self, path: str, data: bytes) -> None: ...
    def get(self, path: str) -> bytes: ...
    async def aget(self, path: str) -> bytes: ...
    def list(self, prefix: str) -> Iterable[str]: ...
    async def alist(self, prefix: str) -> Iterable[str]: ...


class KeyRing:
    """The keys of one place. Objects never change, so each is read once."""

    def __init__(self, shelf: Shelf, prefix: str = "keys/") -> None:
        self._shelf = shelf
        self._prefix = prefix
        self._read: dict[str, Key | Revocation] = {}

    @classmethod
    def open(cls, where: str | None, store: Store, cwd: Path) -> KeyRing:
        """The keys at *where* (a URL, a folder, or a file that ends in `.jsonl`); None: `keys/` of *store*."""
        if where is None:
            return cls(store)
        if "://" not in where and where.endswith(".jsonl"):
            return cls(KeyFile(cwd / where), "")
        return cls(Store.open(where, cwd), "")

    def describe(self) -> str:
        """How messages name it."""
        return f"{self._shelf.describe()}/{self._prefix}".rstrip("/")

    def create(
        self,
        *,
        scopes: Iterable[str],
        models: Iterable[str] = (),
        name: str | None = None,
        expires: datetime | None = None,
        rate: str | None = None,
    ) -> tuple[Key, str]:
        """
        Make a key; returns it and the token, which is known to nobody afterwards.

        Raises:
            UsageError: no scope, one that does not exist, an expiry that is over or has no zone, or no rate (100/s).
        """
        chosen = _check_scopes(scopes)
        now = utc_now()
        if expires is not None and (expires.tzinfo is None or expires <= now):
            raise UsageError(f"expires: expected a moment to come, with a time zone, got {expires.isoformat()}")
        while True:
            identifier = "".join(secrets.choice(_ID_LETTERS) for _ in range(8))
            token = f"clk_{identifier}_{secrets.token_urlsafe(32)}"
            key = Key(
                id=identifier,
                sha256=hashlib.sha256(token.encode()).hexdigest(),
                name=name,
                scopes=chosen,
                models=tuple(models),
                created=rfc3339(now),
                expires=None if expires is None else rfc3339(expires),
                rate=rate,
            )
            try:
                self._shelf.create(self._path(identifier), msgspec.json.encode(key) + b"\n")
            except ObjectExistsError:
                continue
            return key, token

    def revoke(self, identifier: str) -> None:
        """
        End a key for ever; ending it twice is no error.

        Raises:
            NotFoundError: no key has that id.
        """
        if not re.fullmatch(r"[0-9a-z]{8}", identifier) or self._path(identifier) not in self._shelf.list(self._prefix):
            known = ", ".join(key.id for key in self.list()) or "none"
            raise NotFoundError(f"no key '{identifier[:32]}' in {self.describe()}; keys: {known}")
        try:
            self._shelf.create(self._path(f"{identifier}.revoked"), msgspec.json.encode(Revocation(rfc3339(utc_now()))))
        except ObjectExistsError:
            return

    def list(self) -> list[Key]:
        """Every key, in the order of creation, the ended ones too."""
        return sorted(self.snapshot().keys.values(), key=lambda key: (key.created, key.id))

    def authenticate(self, token: str) -> Key | None:
        """The key that *token* is now; reads the store (a server asks its `Snapshot`)."""
        return self.snapshot().authenticate(token)

    def snapshot(self) -> Snapshot:
        """
        The keys as they are now.

        Raises:
            StoreError: they could not be read; a server goes on with the last ones it knows.
        """
        names = self._names(self._shelf.list(self._prefix))
        for name in names - self._read.keys():
            with contextlib.suppress(ObjectNotFoundError):  # taken away since it was listed
                self._keep(name, self._shelf.get(self._path(name)))
        return self._assemble(names)

    async def asnapshot(self) -> Snapshot:
        """The same as `snapshot`, for the server's loop."""
        names = self._names(await self._shelf.alist(self._prefix))
        for name in names - self._read.keys():
            with contextlib.suppress(ObjectNotFoundError):
                self._keep(name, await self._shelf.aget(self._path(name)))
        return self._assemble(names)

    # -- details --------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return f"{self._prefix}{name}.json"

    def _names(self, paths: Iterable[str]) -> set[str]:
        """`ID` and `ID.revoked`; whatever else lies there is not ours."""
        found = (re.fullmatch(re.escape(self._prefix) + r"([0-9a-z]{8}(?:\.revoked)?)\.json", path) for path in paths)
        return {one[1] for one in found if one}

    def _keep(self, name: str, raw: bytes) -> None:
        """Read one object. A damaged revocation still revokes; a damaged key lets nobody in."""
        try:
            if name.endswith(".revoked"):
                self._read[name] = _revocation.decode(raw)
            else:
                self._read[name] = _key.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, UsageError) as exc:
            _log.warning("%s/%s.json: expected a key, got something else: %s", self.describe(), name, exc)
            self._read[name] = Revocation("unknown")

    def _assemble(self, names: set[str]) -> Snapshot:
        keys = {}
        for name in names:
            key = self._read.get(name)
            if isinstance(key, Key):
                ended = self._read.get(f"{name}.revoked") if f"{name}.revoked" in names else None
                keys[name] = msgspec.structs.replace(key, revoked=ended.at) if isinstance(ended, Revocation) else key
        return Snapshot(keys)


def _check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(scopes))
    for scope in chosen or ("",):
        if scope not in SCOPES:
            raise UsageError(f"scope: expected one or more of {', '.join(SCOPES)}, got '{scope}'")
    return chosen
