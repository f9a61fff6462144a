"""A build context: every file of it by its path, the same bytes for the same version, flags and installation."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloche.deploy import pins as pinning
from cloche.deploy import wheel
from cloche.deploy.compose import compose
from cloche.deploy.dockerfile import dockerfile
from cloche.deploy.image import CONFIG, Image, checked_base, default_base, python_of
from cloche.deploy.installation import Requirement, installation, normalized
from cloche.deploy.needs import Files, Needs, needs
from cloche.deploy.trusted import trusted
from cloche.errors import RefusedError, UsageError
from cloche.flavors import Private
from cloche.manifest import Manifest
from cloche.registry import VersionRecord
from cloche.trust import TrustPolicy

FORMAT = "cloche-image/1"
#: What is in a folder that `cloche build` wrote, with the digest of every file.
INDEX = "image.json"
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PROJECT = ("pyproject.toml", "setup.py")


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What the operator asked for: as `Image` says; `with_` are wheels, modules and folders to install, `trust` what goes
    into the image's own configuration, `flavors` are the operator's own.
    """

    reference: str
    engine: str
    base: str | None = None
    fetched_from: str | None = None
    with_: Sequence[Path] = ()
    trust: TrustPolicy | None = None
    flavors: Private = ()
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """The files by path, the image that they make, and what whoever builds should know."""

    image: Image
    files: Mapping[str, bytes]
    notes: tuple[str, ...]


def context(
    wanted: Wanted, record: VersionRecord, manifest: Manifest, files: Files, store: Mapping[str, bytes]
) -> Context:
    """
    The build context for an artifact whose verified *files* are given; *store* holds the objects of its store.

    Raises:
        UsageError: something to be installed is not what can be installed.
        RefusedError: a class of the model lies in a package that nothing brings in.
    """
    here = installation()
    needed = needs(manifest, files, wanted.engine, wanted.flavors)
    wheels, projects = _added(wanted.with_)
    _refuse_missing(needed, wheels, projects)
    cloche_name, cloche_wheel = wheel.of_cloche(here)
    config = {} if wanted.trust is None else trusted(wanted.trust, record.manifest, manifest.flavor)
    image = Image(
        record=record,
        manifest=manifest,
        reference=wanted.reference,
        engine=wanted.engine,
        needs=needed,
        pins=pinning.pins(here, manifest, needed),
        cloche=here.version,
        base=default_base(manifest) if wanted.base is None else checked_base(wanted.base),
        wheels=(cloche_name, *wheels),
        projects=tuple(sorted({path.split("/")[0] for path in projects})),
        fetched_from=wanted.fetched_from,
        config=bool(config),
        insecure=wanted.insecure,
    )
    found = {
        "Dockerfile": dockerfile(image).encode(),
        ".dockerignore": _ignored(image).encode(),
        "compose.yaml": compose(image).encode(),
        "requirements.txt": _requirements(image).encode(),
        "constraints.txt": pinning.constraints(image.pins).encode(),
        f"wheels/{cloche_name}": cloche_wheel,
        **{f"wheels/{name}": content for name, content in wheels.items()},
        **{f"projects/{path}": content for path, content in projects.items()},
        **{f"config/{path}": content for path, content in config.items()},
        **({f"store/{path}": content for path, content in store.items()} if image.baked else {}),
    }
    found[INDEX] = _index(image, found)
    return Context(image, dict(sorted(found.items())), _notes(image))


def _requirements(image: Image) -> str:
    extras = f"[{','.join(image.needs.extras)}]" if image.needs.extras else ""
    own, *others = image.wheels
    lines = [f"./wheels/{own}{extras}"]
    lines += [f"{name}=={image.pins[name]}" if name in image.pins else name for name in image.needs.distributions]
    lines += [f"./wheels/{name}" for name in others]
    lines += [f"./projects/{name}" for name in image.projects]
    return "".join(f"{line}\n" for line in lines)


def _ignored(image: Image) -> str:
    """Nothing but what the Dockerfile copies: a secret that lies in the folder gets into no layer."""
    folders = ["wheels", *(["store"] if image.baked else []), *(["config"] if image.config else [])]
    folders += ["projects"] if image.projects else []
    return "".join(f"{line}\n" for line in ("*", "!requirements.txt", "!constraints.txt", *(f"!{f}" for f in folders)))


def _index(image: Image, files: Mapping[str, bytes]) -> bytes:
    document = {
        "schema": FORMAT,
        "model": f"{image.record.name}@{image.record.version}",
        "artifact": f"sha256:{image.record.manifest}",
        "engine": image.engine,
        "cloche": image.cloche,
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


# -- what the operator adds ------------------------------------------------------------------------


def _added(paths: Sequence[Path]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Wheels by their file name, and the files of projects by `NAME/path`: pip builds those in the image."""
    wheels: dict[str, bytes] = {}
    projects: dict[str, bytes] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"--with {path}: there is no such file or folder")
        path = path.resolve()
        if path.suffix == ".whl" and path.is_file():
            wheels[path.name] = path.read_bytes()
            wheel.top_modules(path.name, wheels[path.name])
        elif any((path / name).is_file() for name in _PROJECT):
            if not _FOLDER.fullmatch(path.name):
                raise UsageError(f"--with {path}: expected a folder with a name without spaces")
            projects |= {f"{path.name}/{inner}": content for inner, content in wheel.files_of(path).items()}
        else:
            name, content = wheel.of_package(path)
            wheels[name] = content
    return wheels, projects


def _refuse_missing(needed: Needs, wheels: Mapping[str, bytes], projects: Mapping[str, bytes]) -> None:
    """What a project brings is known to pip alone: then it is taken at its word."""
    brought = {module for name, content in wheels.items() for module in wheel.top_modules(name, content)}
    missing = sorted(needed.modules - brought)
    if missing and not projects:
        raise RefusedError(
            f"the model's own code comes from {', '.join(missing)}, which is no library of the manifest; "
            "say where it is: --with PACKAGE (a wheel, a module, a folder)"
        )


# -- what is to be known ---------------------------------------------------------------------------


def _notes(image: Image) -> tuple[str, ...]:
    notes = list(image.needs.notes)
    unpinned = [name for name in _asked(image) if name not in image.pins]
    if unpinned:
        notes.append(f"no version is known of {', '.join(unpinned)}: pip takes the newest that fits")
    if image.config:
        notes.append(f"{CONFIG}/config.toml of the image holds what you trust")
    saved, running = python_of(image.manifest), f"{sys.version_info.major}.{sys.version_info.minor}"
    if saved != running:
        notes.append(f"saved under Python {saved}; what serves it is pinned to what is installed here, for {running}")
    if not image.baked:
        notes.append(f"a version of {image.reference} that has no engine '{image.engine}' is refused by this image")
    return tuple(notes)


def _asked(image: Image) -> list[str]:
    here = installation()
    asked = [*image.needs.distributions, *image.needs.bare]
    extras = [Requirement.parse(one) for one in here.requires]
    return sorted({*map(normalized, asked), *(one.name for one in extras if one.extra in {None, *image.needs.extras})})
