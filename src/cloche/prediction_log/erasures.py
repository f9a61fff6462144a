"""
What was erased, without saying what it was: `log/_erasures/ID.json`, and `ID.done.json` when nothing of it is left.

A record holds a salted digest of the value, so that a fold recognises the rows of a host that was away; it never holds
the value. Rows from before the erasure go, whenever they land; later ones stay.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec

from cloche.errors import StoreError
from cloche.prediction_log import layout
from cloche.prediction_log.homes import home
from cloche.prediction_log.privacy import text_of
from cloche.store import Store

FORMAT: Final = "cloche-erasure/1"
_DONE = ".done.json"
#: Names that are no field of a contract and may be erased by all the same.
IDS: Final = ("request_id", "client_request_id")
#: The columns that labels name a row by.
NAMING: Final = ("request_id", "client_request_id", "row")
_PREFIXES: Final = ("in", "key", "ctx", "hash")


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """
    One erasure: rows of *model* from before *at* whose *field* has one of *digests*.

    `digests` are of the value and of what is logged in its place where the field is kept as a keyed hash.
    """

    id: str
    model: str
    field: str
    salt: str
    digests: tuple[str, ...]
    by: str
    at: str
    why: str
    schema: str = FORMAT

    def digest(self, value: str) -> str:
        """What stands for *value* in this record."""
        return _digest(self.salt, value)

    def matches(self, value: Any) -> bool:
        """Whether *value* is the one that was erased."""
        return value is not None and self.digest(text_of(value)) in self.digests

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that may hold the value."""
        ids = (self.field,) if self.field in IDS else ()
        return (*ids, *(layout.column(prefix, self.field) for prefix in _PREFIXES))

    def concerns(self, path: str) -> bool:
        """Whether the table at *path* may hold its rows."""
        return path.startswith(f"{layout.LOG}/{self.model}/") or (path == layout.UNKNOWN and self.field in IDS)

    @property
    def moment(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.at)


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """
    How many rows went; `answers` holds the digests of `ID ROW` of each, so that late labels of them are recognised.
    """

    id: str
    at: str
    rows: int
    labels: int
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erased:
    """Every erasure of a store, for those who are about to show or to keep rows."""

    erasures: Sequence[Erasure] = ()
    answers: Mapping[str, frozenset[str]] = field(default_factory=dict)  #: of `Done`, by the erasure's id

    @classmethod
    def read(cls, store: Store) -> Erased:
        """
        The erasures of *store*.

        Raises:
            StoreError: a record is none of a format that this cloche knows: what it erased could come back.
        """
        paths = store.list(layout.ERASURES)
        erasures = [_decode(store, path, Erasure) for path in paths if not path.endswith(_DONE)]
        done = [_decode(store, path, Done) for path in paths if path.endswith(_DONE)]
        return cls(erasures, {one.id: frozenset(one.answers) for one in done})

    def dropped(self, parts: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """*parts* (of `Building.done`) without the rows that were erased, and without labels of such rows."""
        arrow = home("arrow")
        for one in self.erasures:
            gone = set(self.answers.get(one.id, ()))
            for path in sorted(filter(one.concerns, parts), key=lambda path: path == layout.labels(one.model)):
                for part in parts[path]:
                    numbers = self.numbers(one, part.rows, gone if path == layout.labels(one.model) else None)
                    if path != layout.labels(one.model):
                        gone |= {one.digest(n) for row in arrow.picked(part.rows, numbers, NAMING) for n in names(row)}
                    part.rows = arrow.without(part.rows, numbers)
        return parts

    @staticmethod
    def numbers(erasure: Erasure, rows: Any, gone: Collection[str] | None = None) -> list[int]:
        """The numbers of the rows that *erasure* takes away; with the answers *gone*, *rows* are labels."""
        arrow = home("arrow")
        if gone is not None:
            return label_numbers(arrow, erasure, rows, gone)
        found: list[int] = arrow.numbers_where(
            rows, erasure.columns, erasure.matches, before=erasure.moment, moment="time"
        )
        return found


def names(row: Mapping[str, Any]) -> Iterator[str]:
    """By what labels may name an answered row (of the columns `NAMING`)."""
    for identifier in (row["request_id"], row["client_request_id"]):
        if identifier is not None and row["row"] is not None:
            yield answer(identifier, row["row"])


def label_numbers(arrow: Any, erasure: Erasure, rows: Any, gone: Collection[str]) -> list[int]:
    """The numbers of the labels that name the erased entity by its key, or one of the answers *gone*."""
    numbers = set(
        arrow.numbers_where(
            rows,
            ("label_key",),
            lambda text: erasure.matches(msgspec.json.decode(text).get(erasure.field)),
            before=erasure.moment,
            moment="received",
        )
    )
    if gone:
        named = zip(rows.column("id").to_pylist(), rows.column("row").to_pylist(), strict=True)
        early = arrow.early(rows, "received", erasure.moment)
        numbers |= {
            number
            for number, (identifier, row) in enumerate(named)
            if identifier is not None and early[number] and erasure.digest(answer(identifier, row)) in gone
        }
    if erasure.field in IDS:
        names = ("request_id",) if erasure.field == "request_id" else ()
        numbers |= set(
            arrow.numbers_where(rows, ("id", *names), erasure.matches, before=erasure.moment, moment="received")
        )
    return sorted(numbers)


def answer(identifier: str, row: int | None) -> str:
    """How `Done.answers` names one row; a label that names no row means the only one."""
    return f"{identifier} {0 if row is None else row}"


def begin(store: Store, new: Erasure) -> None:
    """Record *new*; from here on no fold lets its rows in."""
    store.create(layout.erasure(new.id), _encode(new))


def end(store: Store, done: Done) -> None:
    """Record that nothing is left of it."""
    store.create(layout.erasure(done.id).removesuffix(".json") + _DONE, _encode(done))


def digests_of(salt: str, values: Iterable[str]) -> tuple[str, ...]:
    """What stands for *values* in a record."""
    return tuple(_digest(salt, value) for value in values)


@lru_cache(maxsize=65_536)
def _digest(salt: str, value: str) -> str:
    return hmac.new(bytes.fromhex(salt), value.encode(), hashlib.sha256).hexdigest()


def _encode(document: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _decode(store: Store, path: str, kind: Any) -> Any:
    try:
        found = msgspec.json.decode(store.get(path), type=kind)
    except msgspec.MsgspecError as exc:
        raise StoreError(f"store {store.describe()}: {path}: not the record of an erasure: {exc}") from exc
    if isinstance(found, Erasure) and found.schema != FORMAT:
        raise StoreError(f"store {store.describe()}: {path}: expected {FORMAT}, got {found.schema}")
    return found


def unfinished(store: Store) -> list[Erasure]:
    """The erasures that were begun and of which nobody said that they are done."""
    paths = store.list(layout.ERASURES)
    done = {path.removesuffix(_DONE) for path in paths if path.endswith(_DONE)}
    begun = (path for path in paths if not path.endswith(_DONE) and path.removesuffix(".json") not in done)
    return [_decode(store, path, Erasure) for path in begun]


def count(store: Store) -> tuple[int, int]:
    """How many erasures were begun, and how many are done."""
    paths = store.list(layout.ERASURES)
    done = sum(path.endswith(_DONE) for path in paths)
    return len(paths) - done, done
