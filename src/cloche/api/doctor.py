"""Whether everything here is as it should be: each check with what to do about it. Opens no model unless asked to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cloche.api.workplace import Workplace, workplace
from cloche.artifact import open_artifact
from cloche.artifact.environment import other_versions
from cloche.errors import ClocheError, MissingExtraError, StoreError, StoreUnreachableError, UsageError
from cloche.flavors import get_flavor
from cloche.registry import VersionRecord

State = Literal["ok", "warning", "problem"]
_CLOCK_WARNING_S, _CLOCK_PROBLEM_S = 30.0, 600.0
_DISK_WARNING, _DISK_PROBLEM = 2 << 30, 200 << 20


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do where it is not well."""

    name: str
    state: State
    what: str
    advice: str | None = None


def examine(store: str | None = None, *, deep: bool = False) -> Iterator[Check]:
    """
    Look at settings, store, clock, disk and versions, in this order; what depends on a failed one is left out.

    The store gets a few small objects under `probes/`, which are taken away again.
    """
    try:
        here = workplace(store)
    except UsageError as exc:
        yield Check("settings", "problem", str(exc), "correct it; docs/reference/settings.md lists the settings")
        return
    yield Check("settings", "ok", f"store {here.store.describe()}, cache {here.settings.cache}")
    yield from _disk(here)
    if here.store.root is not None and not here.store.root.exists():
        yield Check("store", "warning", f"{here.store.describe()} does not exist yet", "cloche.save makes it")
        return
    try:
        yield from _store(here)
        yield from _versions(here, deep)
    except StoreError as exc:
        yield Check("store", "problem", str(exc), "check the URL, the credentials (AWS_…) and the network")


def _disk(here: Workplace) -> Iterator[Check]:
    places = {"cache": here.settings.cache} | ({"store": here.store.root} if here.store.root is not None else {})
    for name, folder in places.items():
        free = shutil.disk_usage(_existing(folder)).free
        state: State = "problem" if free < _DISK_PROBLEM else "warning" if free < _DISK_WARNING else "ok"
        advice = {"cache": f"delete {folder}: it is filled again when needed", "store": "cloche gc; more disk"}[name]
        yield Check(f"disk of the {name}", state, f"{free / 2**30:.1f} GiB free", None if state == "ok" else advice)


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _store(here: Workplace) -> Iterator[Check]:
    before = datetime.now(UTC)
    at = here.store.probe()
    winners = here.store.race()
    if winners == 1:
        yield Check("store", "ok", "reachable; an object is created only once")
    else:
        yield Check(
            "store",
            "problem",
            f"of 8 who created one object at once, {winners} were told that they did",
            "use another store: versions and routes are not safe there",
        )
    skew = max((before - at).total_seconds() - 1.0, (at - datetime.now(UTC)).total_seconds(), 0.0)
    state: State = "problem" if skew > _CLOCK_PROBLEM_S else "warning" if skew > _CLOCK_WARNING_S else "ok"
    advice = None if state == "ok" else "set the clock (NTP): keys expire and requests are signed by it"
    yield Check("clock", state, f"{skew:.0f} s from the store's", advice)


def _versions(here: Workplace, deep: bool) -> Iterator[Check]:
    for name in here.registry.models():
        routes = here.registry.routes(name)
        for record in here.registry.versions(name):
            routed = routes is not None and bool(routes.routes_of(record.version))
            yield _version(here, record, deep=deep and routed, worst="problem" if routed else "warning")


def _version(here: Workplace, record: VersionRecord, *, deep: bool, worst: State) -> Check:
    name = f"{record.name}@{record.version}"
    try:
        manifest = here.registry.manifest_of(record)
        changed = other_versions(manifest, get_flavor(manifest.flavor, here.trust.flavors))
        if here.trust.require_signature and record.signature is None and not here.registry.signatures_of(record):
            return Check(name, worst, "not signed, and signatures are required here", f"cloche sign {name}")
        if deep:
            open_artifact(here.registry.fetch(record, here.settings.cache, here.trust), here.trust)
            return Check(name, "ok", "opens, and answers its golden rows")
    except MissingExtraError as exc:
        return Check(name, worst, "its library is not installed here", str(exc))
    except StoreUnreachableError:
        raise
    except ClocheError as exc:
        return Check(name, worst, str(exc), "cloche verify; else save it again")
    if changed:
        return Check(name, "warning", "; ".join(changed), "cloche doctor --deep opens it: its golden rows decide")
    return Check(name, "ok", manifest.framework)
