"""A function by its name: what can be imported elsewhere, and what exists only where it was written."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cloche.errors import SaveRefusedError, TamperedModelError, UntrustedTypeError
from cloche.trust import TrustPolicy

_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_RECIPE = (
    "move it to the top level of a module of an installed package (pip install ./my_package), import it from there, "
    "and save cloche.save('my_package.module:function', NAME, inputs=X)"
)


@dataclass(frozen=True, slots=True)
class Named:
    """`module:function`"""

    module: str
    function: str

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"

    @property
    def dotted(self) -> str:
        """How `trust.allowed_functions` spells it."""
        return f"{self.module}.{self.function}"

    @classmethod
    def parse(cls, text: str, error: type[Exception]) -> Named:
        """What `str` gave; *error* is raised where *text* is none."""
        found = _TARGET.fullmatch(text)
        if found is None:
            raise error(f"expected a function as 'package.module:function', got {text!r}")
        return cls(found[1], found[2])

    def importable(self) -> bool:
        """Whether its module is installed; packages above it are imported, it is not."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except (ImportError, ValueError):
            return False


@dataclass(frozen=True, slots=True)
class Function:
    """The function, the kind of table it takes, its classes, and (while it is being saved) what it says of itself."""

    named: Named
    function: Callable[[Any], Any]
    takes: str
    classes: tuple[Any, ...] | None
    facts: Any


def named(model: Any) -> Named:
    """
    The name under which *model* (a function, or its name) can be imported anywhere.

    Raises:
        SaveRefusedError: there is none; the message holds the recipe.
    """
    if isinstance(model, str):
        if _TARGET.fullmatch(model) is None:
            raise SaveRefusedError(
                f"expected a fitted model, or a function as 'package.module:function', got the text {model!r}; "
                "a model file is saved with: cloche save FILE --name NAME"
            )
        return Named.parse(model, SaveRefusedError)
    module, name = str(model.__module__), str(model.__qualname__)
    if module in ("__main__", "__mp_main__"):
        raise SaveRefusedError(
            f"the function '{name}' is defined in __main__ (a notebook or script) and exists only there; {_RECIPE}"
        )
    if "<lambda>" in name:
        raise SaveRefusedError(f"a lambda cannot be imported in another process: give it a name; {_RECIPE}")
    if "<locals>" in name:
        inner = name.rpartition(".")[2]
        raise SaveRefusedError(
            f"the function '{inner}' is local to another (a closure) and cannot be imported; {_RECIPE}"
        )
    if "." in name:
        raise SaveRefusedError(f"'{name}' belongs to a class and cannot be imported by its name; {_RECIPE}")
    found = Named(module, name)
    if resolve(found) is not model:
        raise SaveRefusedError(
            f"{found} is another function than the one given (a decorator has wrapped it); {_RECIPE}"
        )
    return found


def resolve(found: Named, trust: TrustPolicy | None = None) -> Callable[[Any], Any]:
    """
    Import the function; with *trust* only if the operator allows it.

    Raises:
        UntrustedTypeError: *trust* does not allow it; nothing was imported.
        SaveRefusedError: it cannot be imported (without *trust*: it is being saved).
        TamperedModelError: it cannot be imported (with *trust*: it is being opened).
    """
    if trust is not None and found.dotted not in trust.allowed_functions:
        raise UntrustedTypeError(
            f"the function '{found}' is not allowed here, and was not imported. An operator who has read it allows it "
            f'with trust.allowed_functions = ["{found.dotted}"] in the configuration of the user or the system '
            "(never in the artifact)"
        )
    error = SaveRefusedError if trust is None else TamperedModelError
    try:
        function = getattr(importlib.import_module(found.module), found.function)
    except (ImportError, AttributeError) as exc:
        raise error(f"the function {found} cannot be imported: {exc}; install its package where it runs") from exc
    if not callable(function):
        raise error(f"{found}: expected a function, got {type(function).__name__}")
    called: Callable[[Any], Any] = function
    return called


def version_of(found: Named) -> str | None:
    """The version of the package, as its distribution or its `__version__` says."""
    package = found.module.partition(".")[0]
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        said = getattr(sys.modules.get(package), "__version__", None)
        return said if isinstance(said, str) else None


def source_sha256(found: Named) -> str | None:
    """The digest of the module's source file, lower-case hex; None where there is none. It is not imported."""
    try:
        spec = importlib.util.find_spec(found.module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
