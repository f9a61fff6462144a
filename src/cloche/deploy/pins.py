"""Which version of what: the model's own libraries as it was saved with, all else as it is installed here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloche.deploy.installation import Installation, closure, normalized, public, versions_of
from cloche.deploy.needs import Needs
from cloche.manifest import Manifest

#: R and `R package x` stand in the manifest beside the distributions; and these texts get into a shell's line.
_NAME = re.compile(r"(?!r$)[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!_-]*")


def pins(here: Installation, manifest: Manifest, needed: Needs) -> dict[str, str]:
    """
    Name → version of everything pip may have to install, sorted.

    What decides the answers, with all that it draws in, is pinned to what the manifest says; where such a library is
    not installed here, so that nobody knows what it draws in, that is everything in the manifest.
    """
    stated = {normalized(name): public(version) for name, version in manifest.environment.packages.items()}
    saved = {name: version for name, version in stated.items() if _NAME.fullmatch(name) and _VERSION.fullmatch(version)}
    alone = set(map(normalized, needed.bare))
    answering = set(map(normalized, needed.answering))
    drawn_in = closure(here, answering - alone).keys() | alone
    of_model = drawn_in if answering <= drawn_in else saved.keys()
    asked = [f"cloche[{','.join(needed.extras)}]" if needed.extras else "cloche", *needed.distributions]
    found = closure(here, asked) | versions_of(needed.bare)
    return dict(sorted({**found, **{name: saved[name] for name in saved.keys() & of_model}}.items()))


def constraints(versions: Mapping[str, str]) -> str:
    """As pip reads them."""
    return "".join(f"{name}=={version}\n" for name, version in versions.items())
