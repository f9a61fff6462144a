"""
A store by its URL: objects are created or they are not; nothing is overwritten.

Deleting is for what the registry does not promise: reports, marks, blobs that no version names. Errors name the
store and the cause in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import LocalStore

from cloche.errors import (
    DishonestStoreError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreUnreachableError,
)
from cloche.store.address import Address, address_of
from cloche.store.files import create_file, delete_file, discard_staged
from cloche.store.remote import cause, connect, options

#: What a server's loop reads is small: a store that takes longer than this many seconds is away.
ANSWER_WITHIN_S = 10.0
#: (`Store.list` hides the builtin inside the class.)
Paths = list[str]
#: Written once after the store has shown that it honours create-only writes.
MARKER = "store.json"
MARKER_TEXT = b'{"schema": "cloche-store/1", "create_only": true}\n'
#: Between the attempts to write an object.
_PAUSES_S = (0.2, 1.0)


class Store:
    """
    A store by its URL; made by `Store.open`.

    Nothing is touched before the first read or write: a store that does not exist yet is an empty one.
    """

    def __init__(self, url: str, root: Path | None, backend: Any = None) -> None:
        self.url = url
        self.root = root  #: the folder, for file:// stores
        self._backend: Any = backend
        self._writer: Any = backend
        self._honest = False

    @classmethod
    def open(cls, url_or_path: str | None, cwd: Path) -> Store:
        """
        The store at a URL or a path; for None the nearest `.cloche` in *cwd* or a parent, else `cwd/.cloche`.

        Raises:
            UsageError: a URL of a kind that is not spoken.
        """
        where = address_of(url_or_path, cwd)
        return cls(where.url, where.root)

    @property
    def gone(self) -> bool:
        """Whether its folder is not there, or holds no store (any more); of object stores nothing is said."""
        return self.root is not None and not (self.root / MARKER).exists()

    def describe(self) -> str:
        """How messages name it: the absolute path, or the URL."""
        return Address(self.url, self.root).describe()

    def location(self, path: str) -> tuple[str, dict[str, str]]:
        """Where *path* lies for another library that reads and writes there, and the options it is to be given."""
        if self.root is not None:
            return str(self.root.joinpath(*path.split("/"))), {}
        return f"{self.url}/{path}", options(self.url)

    def __repr__(self) -> str:
        return f"Store({self.describe()!r})"

    # -- writing --------------------------------------------------------------------------------

    def create(self, path: str, data: bytes) -> None:
        """
        Write the object *path*, which must not exist yet.

        The first write to a store also checks that it honours create-only writes.

        Raises:
            ObjectExistsError: something is there already; it was left as it is.
            DishonestStoreError: the store overwrites.
            StoreUnreachableError: the store did not take it.
        """
        if not self._honest:
            self._check_honesty()
        elif self.gone:  # unmounted, or moved: it would be made anew, and hide what comes back
            raise StoreUnreachableError(f"store {self.describe()}: the folder is not there, or is no store any more")
        self._put(path, data)

    def _put(self, path: str, data: bytes) -> None:
        if self.root is not None:
            create_file(self.root, path, data)
            return
        self._put_remote(path, data)

    def _put_remote(self, path: str, data: bytes) -> None:
        """
        Create one object, trying again where nobody answered.

        A write whose answer was lost may have been done: the next attempt then meets an object with the same bytes,
        which is ours. (obstore's own retries would report it as somebody else's.)
        """
        for attempt, pause in enumerate((*_PAUSES_S, None)):
            try:
                with self._errors(path):
                    obstore.put(self._writing(), path, data, mode="create", use_multipart=False)
                return
            except ObjectExistsError:
                if attempt and self.get(path) == data:
                    return
                raise
            except StoreUnreachableError as exc:
                if pause is None or not _passing(exc):
                    raise
                time.sleep(pause)

    def _check_honesty(self) -> None:
        """A store that lets a second write pass would lose versions and events."""
        if not self.exists(MARKER):
            self.probe()
            with contextlib.suppress(ObjectExistsError):
                self._put(MARKER, MARKER_TEXT)
        self._honest = True

    def probe(self) -> datetime:
        """
        Create an object twice, and take it away again; returns the store's time.

        Raises:
            DishonestStoreError: the second write passed.
            StoreUnreachableError: the store did not take it.
        """
        path = f"probes/{secrets.token_hex(8)}"
        self._put(path, b"first")
        try:
            self._put(path, b"second")
        except ObjectExistsError:
            return self.written_at(path)
        finally:
            with contextlib.suppress(StoreUnreachableError):  # these credentials may not delete
                self.delete(path)
        raise DishonestStoreError(
            f"store {self.describe()}: it overwrote an object that was to be created "
            "only once; versions and routes are not safe there"
        )

    def race(self, writers: int = 8) -> int:
        """How many of some writers at once are told that they created the same object: one, if the store is honest."""
        path = f"probes/{secrets.token_hex(8)}"

        def won(number: int) -> bool:
            try:
                self._put(path, b"%d" % number)
            except ObjectExistsError:
                return False
            return True

        with ThreadPoolExecutor(writers) as pool:
            winners = sum(pool.map(won, range(writers)))
        with contextlib.suppress(StoreUnreachableError):
            self.delete(path)
        return winners

    def delete(self, path: str) -> None:
        """Take the object *path* away; one that is not there is no error."""
        if self.root is not None:
            delete_file(self.root, path)
            return
        with self._errors(path), contextlib.suppress(ObjectNotFoundError):
            obstore.delete(self._readable(path), path)

    def discard_staged(self, before: datetime) -> None:
        """Take away what writers that were killed before *before* left in a folder; an object store has none."""
        if self.root is not None:
            discard_staged(self.root, before.timestamp())

    # -- reading --------------------------------------------------------------------------------

    def get(self, path: str) -> bytes:
        """
        The bytes of the object *path*.

        Raises:
            ObjectNotFoundError: there is none.
            StoreUnreachableError: the store did not answer.
        """
        with self._errors(path):
            return bytes(obstore.get(self._readable(path), path).bytes())

    async def aget(self, path: str) -> bytes:
        """The same as `get`, for the server's loop and small objects: an answer after `ANSWER_WITHIN_S` is none."""
        async with self._promptly(path):
            result = await obstore.get_async(self._readable(path), path)
            return bytes(await result.bytes_async())

    def exists(self, path: str) -> bool:
        """Whether the object *path* is there."""
        try:
            with self._errors(path):
                obstore.head(self._readable(path), path)
        except ObjectNotFoundError:
            return False
        return True

    def written_at(self, path: str) -> datetime:
        """When the object *path* was created, by the store's clock."""
        with self._errors(path):
            moment: datetime = obstore.head(self._readable(path), path)["last_modified"]
            return moment

    def list(self, prefix: str, after: str | None = None) -> Paths:
        """The objects under the folder *prefix*, sorted; only those that sort behind *after*."""
        with self._errors(prefix), contextlib.suppress(ObjectNotFoundError):
            chunks = obstore.list(self._readable(prefix), _folder(prefix), offset=after)
            return sorted(meta["path"] for chunk in chunks for meta in chunk)
        return []

    def sizes(self, prefix: str) -> dict[str, int]:
        """The objects under the folder *prefix* with their sizes in bytes, sorted by name."""
        with self._errors(prefix), contextlib.suppress(ObjectNotFoundError):
            chunks = obstore.list(self._readable(prefix), _folder(prefix))
            return dict(sorted((meta["path"], meta["size"]) for chunk in chunks for meta in chunk))
        return {}

    async def alist(self, prefix: str, after: str | None = None) -> Paths:
        """The same as `list`, for the server's loop: an answer after `ANSWER_WITHIN_S` is none."""
        with contextlib.suppress(ObjectNotFoundError):
            async with self._promptly(prefix):
                chunks = obstore.list(self._readable(prefix), _folder(prefix), offset=after)
                return sorted([meta["path"] async for chunk in chunks for meta in chunk])
        return []

    def folders(self, prefix: str) -> Paths:
        """The names of the folders directly under *prefix*, sorted."""
        with self._errors(prefix), contextlib.suppress(ObjectNotFoundError):
            result = obstore.list_with_delimiter(self._readable(prefix), _folder(prefix))
            return sorted(path.rstrip("/").rpartition("/")[2] for path in result["common_prefixes"])
        return []

    # -- the backend ----------------------------------------------------------------------------

    def _readable(self, path: str) -> Any:
        """The backend; a file:// store that does not exist yet has no objects."""
        if self.root is None:
            return self._remote()
        if self._backend is None:
            if not self.root.exists():
                self._refuse_a_file_above()
                raise ObjectNotFoundError(f"store {self.root}: no object '{path}'; the store does not exist yet")
            if not self.root.is_dir():
                raise StoreUnreachableError(f"store {self.root}: expected a folder, got a file")
            self._backend = LocalStore(self.root)
        return self._backend

    def _refuse_a_file_above(self) -> None:
        """A store that could never be made is not one that has no objects yet."""
        above = next(folder for folder in self.root.parents if folder.exists()) if self.root is not None else None
        if above is not None and not above.is_dir():
            raise StoreUnreachableError(f"store {self.describe()}: expected a folder at {above}, got a file")

    def _remote(self) -> Any:
        if self._backend is None:
            with self._errors(""):
                self._backend = connect(self.url, retries=2)
        return self._backend

    def _writing(self) -> Any:
        """The backend without retries of its own."""
        if self._writer is None:
            with self._errors(""):
                self._writer = connect(self.url, retries=0)
        return self._writer

    @contextlib.asynccontextmanager
    async def _promptly(self, path: str) -> AsyncIterator[None]:
        """`_errors`, and no longer than `ANSWER_WITHIN_S`: a store that hangs is as good as none."""
        with self._errors(path):
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    yield
            except TimeoutError as exc:
                raise TimeoutError(f"no answer within {ANSWER_WITHIN_S:g} s") from exc

    @contextlib.contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """obstore's errors as ours, each with the store's name and one line of cause."""
        try:
            yield
        except FileNotFoundError as exc:
            raise ObjectNotFoundError(f"store {self.describe()}: no object '{path}'") from exc
        except exceptions.AlreadyExistsError as exc:
            raise ObjectExistsError(f"store {self.describe()}: object '{path}' exists already") from exc
        except (exceptions.BaseError, OSError, ValueError) as exc:
            raise StoreUnreachableError(f"store {self.describe()}: {cause(exc, self.url)}") from exc


def _folder(prefix: str) -> str | None:
    return prefix.rstrip("/") or None


def _passing(exc: StoreUnreachableError) -> bool:
    """Whether trying again may help: not where the store said no."""
    return not isinstance(exc.__cause__, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError)
