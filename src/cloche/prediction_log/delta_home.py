"""
The home of deltalake: one Delta table of the log, opened, appended to by a fold, read.

Nothing is written that names a value: statistics are kept of ids and times alone, and no predicate but of dates.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from cloche.errors import LogRaceError, ObjectNotFoundError, StoreError, StoreUnreachableError
from cloche.store import Store

#: The application whose transactions say which fold a table holds.
APP: Final = "fold"
_SETTLED_S = 600.0
_PARTITION: Final = ["date"]
_CONFIGURATION: Final[Mapping[str, str]] = {
    # Values of fields would stand in `_delta_log` else.
    "delta.dataSkippingStatsColumns": "request_id,time",
    "delta.checkpointInterval": "100",
    # Nobody travels in time here; what a fold still needs is looked at again before a segment goes.
    "delta.logRetentionDuration": "interval 1 hours",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_ONCE: Final = CommitProperties(max_commit_retries=0)
_TARGET_BYTES: Final = 128_000_000
#: Commits without a checkpoint that whoever opens the table reads one by one.
_UNCHECKED: Final = 10
_COMMIT: Final = re.compile(r"(\d{20})\.(json|checkpoint\.parquet)$")
_WRITER: Final = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=200_000)


class LogTable:
    """One table, as it was when it was opened."""

    def __init__(self, store: Store, path: str, handle: DeltaTable) -> None:
        self._store = store
        self.path = path
        self.handle = handle

    # -- opening --------------------------------------------------------------------------------

    @classmethod
    def open(cls, store: Store, path: str) -> LogTable | None:
        """The table at *path*; None where there is none."""
        location, options = store.location(path)
        if store.root is not None and not os.path.isdir(f"{location}/_delta_log"):  # noqa: PTH112  (a text)
            return None
        with errors(store, path):
            try:
                return cls(store, path, DeltaTable(location, storage_options=options))
            except TableNotFoundError:
                return None

    @classmethod
    def create(cls, store: Store, path: str, schema: Any) -> None:
        """
        Create the table at *path*, empty; where somebody was faster, theirs is left as it is.

        Raises:
            LogRaceError: somebody creates it just now.
        """
        location, options = store.location(path)
        with errors(store, path), contextlib.suppress(DeltaError):
            DeltaTable.create(
                location,
                schema,
                mode="error",
                partition_by=_PARTITION,
                configuration=dict(_CONFIGURATION),
                storage_options=options,
                commit_properties=_ONCE,
            )

    # -- what it says ---------------------------------------------------------------------------

    @property
    def folded(self) -> int:
        """The number of the last fold that is in it; 0 before the first."""
        return self.handle.transaction_version(APP) or 0

    @property
    def version(self) -> int:
        """Its Delta version."""
        return self.handle.version()

    @property
    def schema(self) -> Any:
        """Its Arrow schema, of Delta's own library."""
        return self.handle.schema().to_arrow()

    def files(self) -> list[str]:
        """Its data files, as paths below the table."""
        with errors(self._store, self.path):
            return [str(one) for one in self.handle.get_add_actions().column("path").to_pylist()]

    def dates(self) -> list[str]:
        """Its partitions that hold something, sorted."""
        with errors(self._store, self.path):
            return sorted(one["date"] for one in self.handle.partitions())

    def rows_by_date(self) -> dict[str, int]:
        """How many rows each day holds, from the statistics alone."""
        with errors(self._store, self.path):
            added = self.handle.get_add_actions(flatten=True)
            found: dict[str, int] = {}
            columns = [added.column(name).to_pylist() for name in ("partition.date", "num_records")]
            for date, n in zip(*columns, strict=True):
                found[date] = found.get(date, 0) + (n or 0)
            return found

    def rows_and_bytes(self) -> tuple[int, int]:
        """How many rows and bytes its files hold, from the statistics alone."""
        with errors(self._store, self.path):
            added = self.handle.get_add_actions(flatten=True)
            return _sum(added, "num_records"), _sum(added, "size_bytes")

    def latest(self) -> datetime | None:
        """The last `time` in it, from the statistics alone; None where it is empty."""
        with errors(self._store, self.path):
            added = self.handle.get_add_actions(flatten=True)
            if "max.time" not in added.schema.names:
                return None
            return max((one for one in added.column("max.time").to_pylist() if one is not None), default=None)

    # -- reading --------------------------------------------------------------------------------

    def read(self, columns: Collection[str] | None = None, wanted: Any = None) -> Any:
        """The rows that *wanted* (an Arrow expression) wants, of *columns*, as an Arrow table."""
        with errors(self._store, self.path):
            names = None if columns is None else list(columns)
            return self._dataset().to_table(columns=names, filter=wanted)

    def batches(self, wanted: Any = None, columns: Collection[str] | None = None) -> Iterator[Any]:
        """The rows that *wanted* wants, of *columns*, as record batches."""
        with errors(self._store, self.path):
            names = None if columns is None else list(columns)
            yield from self._dataset().scanner(columns=names, filter=wanted).to_batches()

    def _dataset(self) -> Any:
        """
        Its files as Arrow reads them.

        From a folder Arrow reads itself; elsewhere its threads read through files of Python, and one that still holds
        such a file when the interpreter ends takes the process with it (apache/arrow#34314): see `_let_go`.
        """
        if self._store.root is None:
            _let_go()
            return self.handle.to_pyarrow_dataset()
        location, _ = self._store.location(self.path)
        return self.handle.to_pyarrow_dataset(filesystem=SubTreeFileSystem(location, LocalFileSystem()))

    # -- writing --------------------------------------------------------------------------------

    def append(self, rows: Any, fold: int) -> None:
        """
        Commit *rows* as fold number *fold*, with the state this handle was opened at: it, or nobody.

        Raises:
            LogRaceError: somebody else committed since.
        """
        properties = CommitProperties(app_transactions=[Transaction(APP, fold)], max_commit_retries=0)
        with errors(self._store, self.path):
            write_deltalake(
                self.handle,
                rows,
                mode="append",
                schema_mode="merge",
                writer_properties=_WRITER,
                commit_properties=properties,
            )

    def settle(self, dates: Collection[str]) -> None:
        """On a local disk, flush what the last minutes wrote for *dates*: the segments that held it go next."""
        root = self._store.root
        if root is None:
            return
        folder = root.joinpath(*self.path.split("/"))
        since = time.time() - _SETTLED_S
        for below in ("_delta_log", *(f"date={date}" for date in dates)):
            for path in (folder / below).glob("*"):
                if path.is_file() and path.stat().st_mtime >= since:
                    _flush(path)
            if (folder / below).is_dir():
                _flush(folder / below)
        _flush(folder)

    def replace(self, date: str, rows: Any) -> None:
        """
        Let *rows* (a table or a reader of batches) be all that the day *date* holds.

        Raises:
            LogRaceError: somebody else committed since.
        """
        with errors(self._store, self.path):
            write_deltalake(
                self.handle,
                rows,
                mode="overwrite",
                predicate=f"date = '{date}'",
                writer_properties=_WRITER,
                commit_properties=_ONCE,
            )

    def delete_before(self, date: str) -> int:
        """
        Take the days before *date* away; how many files that were.

        Raises:
            LogRaceError: somebody else committed since.
        """
        if not any(one < date for one in self.dates()):
            return 0
        with errors(self._store, self.path):
            done = self.handle.delete(f"date < '{date}'", commit_properties=_ONCE)
            return int(done["num_removed_files"])

    # -- upkeep ---------------------------------------------------------------------------------

    def compact(self) -> int:
        """
        Merge small files of a day; how many files went.

        Raises:
            LogRaceError: somebody else committed since.
        """
        with errors(self._store, self.path):
            done = self.handle.optimize.compact(
                target_size=_TARGET_BYTES, max_concurrent_tasks=1, writer_properties=_WRITER, commit_properties=_ONCE
            )
            return int(done["numFilesRemoved"])

    def clean(self, safe_h: int) -> int:
        """
        Take files and commits away that nothing refers to and that are *safe_h* hours old; how many files.

        Delta commits before it deletes, so that whoever wrote a file and did not commit it by then has to begin again.
        """
        with errors(self._store, self.path):
            gone = self._vacuum(safe_h, dry_run=True)
            if gone:
                self._vacuum(safe_h, dry_run=False)
            if self.version - self._checkpoint() >= _UNCHECKED:
                self.handle.create_checkpoint()
            self.handle.cleanup_metadata()
            return len(gone)

    def scrub(self, mark: str) -> int:
        """
        Take everything away now that is not in the present state: old data files, what killed writers left, old
        commits; how many objects. *mark* is written into the table, and says nothing.

        What is there is listed first, then a commit is made: a writer whose files were listed and who did not commit
        before it loses its race and writes anew.
        """
        before = self._store.list(self.path)
        with errors(self._store, self.path):
            self.handle.alter.set_table_properties({"cloche.scrubbed": mark}, raise_if_not_exists=False)
        now = LogTable.open(self._store, self.path)
        if now is None:
            return 0
        with errors(self._store, self.path):
            now.handle.create_checkpoint()
        tracked = {f"{self.path}/{one}" for one in now.files()}
        gone = [one for one in before if one not in tracked and not _present(one, now.version)]
        for one in gone:
            self._store.delete(one)
        return len(gone)

    def _vacuum(self, safe_h: int, *, dry_run: bool) -> list[str]:
        return self.handle.vacuum(
            safe_h, dry_run=dry_run, enforce_retention_duration=False, full=True, commit_properties=_ONCE
        )

    def _checkpoint(self) -> int:
        """The version of the last checkpoint; -1 before the first."""
        try:
            told = msgspec.json.decode(self._store.get(f"{self.path}/_delta_log/_last_checkpoint"))
        except (ObjectNotFoundError, msgspec.MsgspecError):
            return -1
        return int(told["version"])


def _present(path: str, version: int) -> bool:
    """Whether an object of `_delta_log` is part of the state at *version*."""
    folder, _, name = path.rpartition("/")
    if not folder.endswith("/_delta_log"):
        return False
    found = _COMMIT.match(name)
    return name == "_last_checkpoint" or (found is not None and int(found[1]) >= version)


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # folders cannot be opened there
        return
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sum(added: Any, column: str) -> int:
    """The sum of a column of Delta's own Arrow table."""
    return sum(value for value in added.column(column).to_pylist() if value is not None)


@contextlib.contextmanager
def errors(store: Store, path: str) -> Iterator[None]:
    """Delta's errors as ours."""
    try:
        yield
    except CommitFailedError as exc:
        raise LogRaceError(f"store {store.describe()}: {path}: somebody else committed first") from exc
    except DeltaError as exc:
        if _stale(exc):
            raise LogRaceError(f"store {store.describe()}: {path}: {_line(exc)}") from exc
        raise StoreError(f"store {store.describe()}: {path}: {_line(exc)}") from exc
    except OSError as exc:  # what object_store says; deltalake has no class of its own for it
        raise StoreUnreachableError(f"store {store.describe()}: {path}: {_line(exc)}") from exc
    except Exception as exc:
        if not _unknown(exc):
            raise
        raise StoreError(f"store {store.describe()}: {path}: {_line(exc)}") from exc


def _unknown(exc: Exception) -> bool:
    """DataFusion's errors come as a bare `Exception`."""
    return type(exc) is Exception


def _stale(exc: DeltaError) -> bool:
    """The handle's version is gone: its commits were taken away after a checkpoint."""
    return "Invalid table version" in str(exc)


def _line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:300]


@functools.cache
def _let_go() -> None:
    """At exit give Arrow's threads, which are done within microseconds, the time to put down what they read from."""
    atexit.register(time.sleep, 0.05)
