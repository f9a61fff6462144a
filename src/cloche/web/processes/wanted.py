"""`wanted.json`: the templates that are to run; and why one will not."""

from __future__ import annotations

import msgspec

from cloche.artifact.choice import Device, EngineChoice
from cloche.trust import TrustPolicy
from cloche.web.processes.folder import RunFolder
from cloche.web.processes.server_file import read


class TemplateSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    A template that is to run: *id* is of `[a-z0-9._-]`, *directory* lies in the cache, *engine* and *device* are asked
    for.
    """

    id: str
    directory: str
    trust: TrustPolicy
    engine: EngineChoice = "auto"
    device: Device = "cpu"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """`wanted.json`"""

    number: int
    templates: tuple[TemplateSpec, ...] = ()


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """`ID.refused` and `failed.json`: the class of the error, and its message."""

    error: str
    message: str

    @classmethod
    def of(cls, exc: BaseException) -> Failure:
        return cls(error=type(exc).__name__, message=str(exc))


def template_of(run: RunFolder, identifier: str) -> TemplateSpec | None:
    """The template of that id, while it is wanted."""
    wanted = read(run.wanted, Wanted) or Wanted(number=0)
    return next((one for one in wanted.templates if one.id == identifier), None)
