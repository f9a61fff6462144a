"""The prediction log from the front door: what it holds, one file of it, and taking rows out of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cloche.api.workplace import Workplace
from cloche.errors import NotFoundError, UsageError
from cloche.monitoring.alerts.rules_file import RulesFile
from cloche.monitoring.rollups import counting
from cloche.monitoring.watching import watcher
from cloche.prediction_log import erasing, upkeep
from cloche.prediction_log.erasing import ErasedRows, Wanted
from cloche.prediction_log.erasures import IDS
from cloche.prediction_log.exporting import Exported
from cloche.prediction_log.exporting import export as export_to
from cloche.prediction_log.folding import Folded, Folder
from cloche.prediction_log.hash_key import read_hash_key
from cloche.prediction_log.layout import LOG
from cloche.prediction_log.monitoring import holder
from cloche.prediction_log.reading import LogReader
from cloche.prediction_log.spool import Spool
from cloche.prediction_log.status import LogStatus
from cloche.prediction_log.status import status as status_of
from cloche.prediction_log.upkeep import Compacted
from cloche.registry import check_name


def status(here: Workplace, name: str | None = None) -> LogStatus:
    """What has landed, what is folded, who folds; with *name* the tables of that model."""
    if name is not None:
        check_name(name)
    return status_of(here.store, name, spool=local_spool(here))


def compact(here: Workplace, name: str | None = None) -> list[Compacted]:
    """Merge small files now, and take away what is not needed since an hour."""
    return upkeep.compact(here.store, name if name is None else check_name(name))


def fold(here: Workplace) -> list[Folded]:
    """Fold what has landed, whoever holds the lease."""
    return Folder(here.store, holder(), derive=counting(here.registry)).all()


def monitor(here: Workplace, stopping: Callable[[], bool], rules: RulesFile) -> None:
    """Fold, look and alert by *rules* until *stopping*, then fold once more."""
    settings = here.settings
    loop = watcher(here.registry, log=settings.log, settings=settings.monitor, rules=rules)
    loop.run(stopping)
    loop.finish(5.0)


def purge(here: Workplace, name: str, before: datetime) -> int:
    """
    Take the rows of *name* away that are from before *before*; how many.

    Raises:
        NotFoundError: nothing is logged under that name.
    """
    _check_logged(here, name)
    fold(here)
    return upkeep.purge(here.store, name, before)


def export(
    here: Workplace,
    name: str,
    path: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    version: int | None = None,
    everything: bool = False,
) -> Exported:
    """
    Write the answered rows of *name* to a .parquet or .csv file; landed rows are among them.

    Raises:
        NotFoundError: nothing is logged under that name.
        UsageError: another kind of file.
    """
    _check_logged(here, name)
    return export_to(
        LogReader(here.store),
        name,
        path,
        classes=lambda contract: _classes(here, name, contract),
        since=since,
        until=until,
        version=version,
        everything=everything,
    )


def erasure(here: Workplace, name: str, where: str, *, why: str) -> Wanted:
    """
    What `--where FIELD=VALUE` asks for.

    Raises:
        NotFoundError: nothing is logged under that name.
        UsageError: no `FIELD=VALUE`, or no field of that name was ever logged.
    """
    field, separator, value = where.partition("=")
    if not separator or not field or not value:
        raise UsageError(f"--where: expected FIELD=VALUE, got '{where}'")
    if not why.strip():
        raise UsageError("--reason: expected a reason; it is recorded")
    _check_logged(here, name)
    known = _fields(here, name)
    if field not in known:
        raise UsageError(f"--where: no field '{field}' in the log of {name}; fields: {', '.join(sorted(known))}")
    key = read_hash_key(here.settings.log.hash_key)
    return erasing.wanted(name, field, value, by=here.user, why=why, hash_key=key)


def find(here: Workplace, wanted: Wanted) -> ErasedRows:
    """What an erasure would take from the tables, after folding what has landed."""
    fold(here)
    return erasing.find(here.store, wanted.record)


def erase(here: Workplace, wanted: Wanted) -> ErasedRows:
    """Take it away: from the store, and from this host's spool."""
    return erasing.erase(here.store, wanted, spool=local_spool(here))


def local_spool(here: Workplace) -> Spool | None:
    """This host's spool for the store; None where it has none."""
    return Spool.there(here.settings.spool, here.store.url)


def _check_logged(here: Workplace, name: str) -> None:
    check_name(name)
    known = LogReader(here.store).models()
    if name not in known:
        raise NotFoundError(
            f"store {here.store.describe()}: nothing is logged under '{name}'; models with a log: "
            f"{', '.join(known) or 'none'} ({LOG}/)"
        )


def _fields(here: Workplace, name: str) -> set[str]:
    return {*LogReader(here.store).fields(name), *IDS}


def _classes(here: Workplace, name: str, contract: int) -> tuple[object, ...] | None:
    try:
        return here.registry.contract(name, contract).output.classes
    except NotFoundError:
        return None
