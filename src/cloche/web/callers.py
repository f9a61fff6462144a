"""The keys that this server knows: read again every few seconds, so that no request waits for a store."""

from __future__ import annotations

import asyncio
import logging

from cloche.errors import RefusedError, StoreError
from cloche.keys import Key, KeyRing

_log = logging.getLogger("cloche.web")
#: New and revoked keys are to reach running servers within 5 s.
_REFRESH_S = 2.0


class KnownKeys:
    """
    The last set of keys that could be read; while the store is away it stays valid.

    Raises:
        StoreError: the keys cannot be read at the start.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._snapshot = ring.snapshot()

    def usable(self) -> int:
        """How many keys let somebody in."""
        return self._snapshot.usable()

    def authenticate(self, token: str) -> Key | None:
        """The key that *token* is, if it may still be used."""
        return self._snapshot.authenticate(token)

    async def keep_fresh(self) -> None:
        """Read the keys again and again; to be cancelled."""
        away = False
        while True:
            await asyncio.sleep(_REFRESH_S)
            try:
                self._snapshot = await self._ring.asnapshot()
                away = False
            except StoreError as exc:
                if not away:
                    _log.warning("the keys cannot be read; the last known ones stay valid: %s", exc)
                away = True


def no_key(host: str) -> RefusedError:
    """What a start is refused with where callers need a key and there is none."""
    return RefusedError(
        f"others can reach {host} and there is no key; create one: cloche keys create --scope predict "
        "(or serve on 127.0.0.1, or say --insecure)"
    )
