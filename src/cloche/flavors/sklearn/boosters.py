"""
Boosters inside scikit-learn models: each lies in its library's own format beside `model.skops`.

In the `.skops` file a `Slot` stands in its place, which holds nothing but a number. When the file has been opened and
checked, the slot becomes the estimator: every reference to it inside the model holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloche.errors import MissingExtraError, MissingFileError, TamperedModelError
from cloche.flavors.boosted import expect, field
from cloche.flavors.sklearn.walk import walk

#: How each library's estimators become a file and a record, and back; imported on first use.
EMBEDDED = {
    "catboost": "cloche.flavors.catboost.estimators",
    "lightgbm": "cloche.flavors.lightgbm.estimators",
    "xgboost": "cloche.flavors.xgboost.estimators",
}
MAX_BOOSTERS = 10_000


class Slot:
    """The place of booster number `place`."""

    def __init__(self, place: int) -> None:
        self.place = place


def library_of(step: Any) -> str | None:
    """The library whose estimator *step* is; None where it is of none of these."""
    root = type(step).__module__.partition(".")[0]
    return root if root in EMBEDDED and hasattr(step, "get_params") else None


def module_of(library: str) -> Any:
    """
    What stores the estimators of *library*.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(EMBEDDED[library])
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"a booster of {library} in this model", exc.name or library, library) from exc


def slots(model: Any) -> dict[int, tuple[Any, Slot]]:
    """By its identity each booster inside *model*, and the slot that takes its place; those not fitted too."""
    found: dict[int, tuple[Any, Slot]] = {}
    for part in walk(model):
        if library_of(part) is not None:
            found[id(part)] = (part, Slot(len(found)))
    return found


def write(found: Mapping[int, tuple[Any, Slot]], directory: Path) -> list[dict[str, Any]]:
    """
    Write the files of the boosters of `slots`; the result are their records, in order.

    Raises:
        SaveRefusedError: one could not be opened elsewhere.
    """
    records = []
    for estimator, slot in found.values():
        library = library_of(estimator)
        assert library is not None
        module = module_of(library)
        raw, record = module.dump(estimator)
        name = None if raw is None else f"booster-{slot.place}{module.SUFFIX}"
        if name is not None:
            (directory / name).write_bytes(raw)
        records.append({"library": library, "file": name, **record})
    return records


def put_back(model: Any, records: Any, directory: Path, files: Mapping[str, bytes] | None) -> None:
    """
    Turn every slot inside *model* into the estimator that *records* and its file describe.

    Raises:
        MissingFileError, WrongFormatError, TamperedModelError: a file or a record is not what `write` wrote.
        MissingExtraError: the library of one is not installed.
    """
    places = [part for part in walk(model) if isinstance(part, Slot)]
    known = isinstance(records, (list, tuple)) and len(records) <= MAX_BOOSTERS
    expect(known, "options: boosters: expected a list of records")
    for slot in places:
        place = vars(slot).get("place")
        expect(type(place) is int and 0 <= place < len(records), f"a place for booster {place!r} of {len(records)}")
        assert isinstance(place, int)
        _become(slot, _opened(records[place], place, directory, files))


def _opened(record: Any, place: int, directory: Path, files: Mapping[str, bytes] | None) -> Any:
    library, name = field(record, "library", str), field(record, "file", str)
    expect(library in EMBEDDED, f"options: a booster of the library {str(library)[:40]!r}")
    module = module_of(str(library))
    if name is None:
        return module.load(None, record, f"booster {place}")
    expected = f"booster-{place}{module.SUFFIX}"
    expect(name == expected, f"options: expected the file {expected}, got {name[:60]!r}")
    if files is not None and name not in files:
        raise MissingFileError(f"{name}: expected a booster, but the manifest lists no such file")
    return module.load((directory / name).read_bytes() if files is None else files[name], record, name)


def _become(slot: Slot, estimator: Any) -> None:
    try:
        slot.__class__ = type(estimator)
    except TypeError as exc:
        raise TamperedModelError(f"a slot cannot become {type(estimator).__name__}: {exc}") from exc
    slot.__dict__ = estimator.__dict__


def levels(step: Any) -> list[tuple[Any, ...] | None]:
    """For each column that the fitted booster *step* reads the categories it knows; None where it is a number."""
    library = library_of(step)
    found: list[tuple[Any, ...] | None] = [] if library is None else module_of(library).levels(step)
    return found
