"""From what a layout found to a fitted model: a data format by its flavor, a pickle through the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloche import audit
from cloche.errors import ImportRefusedError, RefusedError, UntrustedCodeError, UsageError
from cloche.flavors import FLAVORS, flavor_of_file, get_flavor
from cloche.flavors.boosted import estimator_of
from cloche.importers import contained, sandbox
from cloche.importers.contents import Format, format_of
from cloche.importers.found import Found
from cloche.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Opened:
    """
    A model of another tool as an object here: the sha256 of its file, and what its owner should know.

    `options` are what it has to be saved with.
    """

    model: Any
    sha256: str
    format: str
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Structure:
    """How a net is built whose file holds tensors alone: `package.module:Class`, the arguments of its constructor."""

    module: str | None = None
    config: Mapping[str, Any] | None = None

    def __bool__(self) -> bool:
        return self.module is not None or self.config is not None


#: The file says itself how its model is built.
NOT_TOLD = Structure()


def open_found(
    found: Found,
    folder: Path,
    trust: TrustPolicy,
    *,
    trusted: bool,
    isolate: bool,
    structure: Structure = NOT_TOLD,
) -> Opened:
    """
    Open the model of *found*; what is made on the way lies in *folder*.

    *trusted* allows to open what runs code, *isolate* asks that a process does it which is shut in.

    Raises:
        UsageError: a *structure* was told of a file that says its own, or not told of one that does not.
        UntrustedCodeError: it is of a format that runs code, and nobody said that it is trusted.
        ImportRefusedError: nothing here opens it.
        ArtifactError: it holds what it must not.
        MissingExtraError: its library is not installed.
    """
    name, copy = found.file.name, folder / "model"
    digest = contained.copy_file(found.file, copy)
    if not copy.stat().st_size:
        raise ImportRefusedError(f"{name}: the file is empty")
    format_ = format_of(copy, called=name)
    if format_.remedy is not None:
        raise ImportRefusedError(f"{name}: its content is {format_.name}, which is not read here; {format_.remedy}")
    if format_.code:
        _decided(found, format_, digest, trust, trusted=trusted, isolate=isolate)
    if format_.code and not trusted:
        raise UntrustedCodeError(
            f"{name}: its content is {_article(format_)}, and such a file runs code when it is opened; it was not. If "
            f"you know who made it, say --trust: {_CONVERTED if format_.suffix is None else _KEPT}"
        )
    if format_.suffix is not None:
        model, options = _by_flavor(copy, name, format_.suffix, trust, structure)
        return Opened(model, digest, format_.name, options=options)
    if structure:
        raise UsageError(f"{name}: a pickle says how its model is built; leave out --module and --config")
    return _converted(copy, name, folder, trust, digest, isolate=isolate)


_CONVERTED = "it is opened in a process that is shut in, and kept in a format that runs nothing"
_KEPT = "it is opened by its own library, not shut in, and stays what it is wherever it is served"


def _decided(found: Found, format_: Format, digest: str, trust: TrustPolicy, *, trusted: bool, isolate: bool) -> None:
    """Put on record that a file which runs code was trusted, before it is opened; or that it was not."""
    audit.record(
        trust.audit,
        who=trust.who,
        what="import",
        verdict="trusted" if trusted else "refused",
        must=trusted,
        file=str(found.file),
        kind=found.kind,
        format=format_.name,
        sha256=digest,
        sandbox=isolate and format_.suffix is None if trusted else None,
    )


def _article(format_: Format) -> str:
    return "an R object" if format_.suffix == ".rds" else f"a {format_.name}"


def _by_flavor(
    copy: Path, name: str, suffix: str, trust: TrustPolicy, structure: Structure
) -> tuple[Any, dict[str, Any]]:
    """The flavor is told by the content: the file gets the suffix of what it is."""
    path = copy.with_name("opened") / f"{Path(name).stem}{suffix}"
    path.parent.mkdir()
    copy.rename(path)
    try:
        return flavor_of_file(path).open_parts(path, trust, module=structure.module, config=structure.config)
    except (RefusedError, UsageError) as exc:
        exc.args = (str(exc).replace(str(path), name).replace(path.name, name),)  # as its owner calls it
        raise


def _converted(copy: Path, name: str, folder: Path, trust: TrustPolicy, digest: str, *, isolate: bool) -> Opened:
    """What the sandbox wrote is as foreign as what it read: of a data format, and checked as one."""
    made = sandbox.convert(copy, folder, trust, isolate=isolate, name=name)
    if made.flavor not in FLAVORS:
        raise ImportRefusedError(f"{name}: converted to a flavor that is not known here: {made.flavor[:40]!r}")
    flavor = get_flavor(made.flavor)
    if flavor.code(made.options) is not None:
        raise ImportRefusedError(f"{name}: what it was converted to would run code when it is opened; it was not")
    contained.check_folder(made.directory)
    model = estimator_of(flavor.load(made.directory, made.options, trust))
    return Opened(model, digest, "pickle", tuple(_versions(made.versions)))


def _versions(others: tuple[str, ...]) -> list[str]:
    if not others:
        return []
    told = ", ".join(others[:5])
    why = "such a model can open, answer, and be wrong; compare it with the old server (cloche compare)"
    return [f"parts of it were pickled under scikit-learn {told}, another version than here: {why}"]
