"""What is installed here: cloche itself with what it asks for, and the versions of whatever it draws in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import cloche
from cloche._version import __version__

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*([^;]*)(?:;(.*))?", re.DOTALL)
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_LOCAL = re.compile(r"\+.*")


@dataclass(frozen=True, slots=True)
class Installation:
    """Where cloche's package lies, and its requirements as `Requires-Dist` spells them."""

    package: Path
    version: str
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: `name` normalized, the `extras` it asks for, `specifier`, and the `extra` that brings it in."""

    name: str
    extras: tuple[str, ...]
    specifier: str
    extra: str | None

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """*text* as a distribution's metadata spells it; of markers only `extra` is looked at."""
        found = _REQUIREMENT.match(text)
        assert found is not None, text
        extras = tuple(one.strip() for one in (found[2] or "").split(",") if one.strip())
        extra = _EXTRA.search(found[4] or "")
        return cls(normalized(found[1]), extras, found[3].strip().strip("()"), None if extra is None else extra[1])


def normalized(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def public(version: str) -> str:
    """Without the local part: `2.13.0+cpu` is a build of 2.13.0, and another build of it does."""
    return _LOCAL.sub("", version)


def installation() -> Installation:
    """
    cloche as it runs here.

    In a checkout `pyproject.toml` says what is required: the metadata of an editable installation are those of the
    day it was made.
    """
    package = Path(cloche.__file__).parent
    project = package.parents[1] / "pyproject.toml"
    if package.parent.name == "src" and project.is_file():
        return Installation(package, __version__, tuple(_of_project(tomllib.loads(project.read_text("utf-8")))))
    return Installation(package, __version__, tuple(metadata.requires("cloche") or ()))


def _of_project(document: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    project = document["project"]
    plain, by_extra = project["dependencies"], project["optional-dependencies"]
    assert isinstance(plain, list)
    assert isinstance(by_extra, dict)
    yield from plain
    for extra, requirements in by_extra.items():
        for one in requirements:
            text, _, marker = one.partition(";")
            yield f"{text.strip()}; " + (f"({marker.strip()}) and " if marker else "") + f"extra == '{extra}'"


def closure(here: Installation, names: Iterable[str]) -> dict[str, str]:
    """
    The version of each of *names* and of all that they draw in, as far as it is installed here; cloche left out.

    A name may carry extras: `cloche[sklearn]`.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str | None]] = set()
    waiting = [Requirement.parse(name) for name in names]
    while waiting:
        one = waiting.pop()
        for extra in (None, *one.extras):
            if (one.name, extra) in seen:
                continue
            seen.add((one.name, extra))
            requires = _requires(here, one.name, found)
            waiting += [each for each in map(Requirement.parse, requires) if each.extra == extra]
    return dict(sorted(found.items()))


def _requires(here: Installation, name: str, found: dict[str, str]) -> tuple[str, ...]:
    if name == "cloche":
        return here.requires
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return ()
    found[name] = public(distribution.version)
    return tuple(distribution.requires or ())


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """The versions of those that are installed here, by normalized name."""
    found = {}
    for name in names:
        try:
            found[normalized(name)] = public(metadata.version(name))
        except metadata.PackageNotFoundError:
            continue
    return found


def distribution_of(module: str) -> str | None:
    """The distribution installed here that brings the top-level *module*."""
    found = metadata.packages_distributions().get(module)
    return normalized(found[0]) if found else None
