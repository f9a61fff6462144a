"""
The options of a sink: a table a kind, checked when a rules file is read, looked up when the sink is made.

A secret never stands in the file: it is `${VAR}`, or the option of the same name with `_file` behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Final, Literal

from cloche.config import Secret
from cloche.errors import DeliveryError, UsageError

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")
_MAX_SECRET: Final = 16_384


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a sink's table."""

    name: str
    meaning: str
    kind: Literal["text", "url", "file", "address", "addresses", "table", "number", "word"] = "text"
    required: bool = False
    secret: bool = False
    default: Any = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InFile:
    """A secret that is read from a file whenever it is needed, so that it may be renewed there."""

    path: Path

    def read(self) -> str:
        """
        What stands in the file, without the line's end.

        Raises:
            DeliveryError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return file.read(_MAX_SECRET).decode("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
            raise DeliveryError(f"{self.path}: {reason}") from exc


def text_of(given: Any) -> str | None:
    """A text that may be a secret, or lie in a file; None where there is none."""
    if isinstance(given, InFile):
        return given.read()
    return given.reveal() if isinstance(given, Secret) else given


def checked(options: tuple[Option, ...], table: Mapping[str, Any], where: str, base: Path) -> dict[str, Any]:
    """
    The options that *table* gives, with defaults; a relative file lies in *base*.

    Raises:
        UsageError: a key that is unknown or missing, a value of another kind, a secret written out.
    """
    found: dict[str, Any] = {}
    for one in options:
        beside = f"{one.name}_file"
        if one.secret and beside in table:
            if one.name in table:
                raise UsageError(f"{where}: expected one of '{one.name}' and '{beside}', got both")
            found[one.name] = InFile(base / Path(_text(table[beside], f"{where}: '{beside}'")).expanduser())
        elif one.name in table:
            found[one.name] = _value(one, table[one.name], f"{where}: '{one.name}'", base)
        elif one.required:
            raise UsageError(f"{where}: expected '{one.name}'" + (f" or '{beside}'" if one.secret else ""))
        else:
            found[one.name] = one.default
    return found


def names(options: tuple[Option, ...]) -> list[str]:
    """Every key that a table of these may hold."""
    return [name for one in options for name in ((one.name, f"{one.name}_file") if one.secret else (one.name,))]


def unset(given: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """The variables that options name and *environ* does not have."""
    texts = [one for value in given.values() for one in (value.values() if isinstance(value, dict) else [value])]
    found = [name for one in texts if isinstance(one, str) for name in _VARIABLE.findall(one)]
    return [name for name in dict.fromkeys(found) if not environ.get(name)]


def resolved(given: Mapping[str, Any], environ: Mapping[str, str], where: str) -> dict[str, Any]:
    """
    Every `${VAR}` replaced; a text that held one becomes a `Secret`.

    Raises:
        UsageError: a variable is not set.
    """
    return {name: _resolved(value, environ, f"{where}: '{name}'") for name, value in given.items()}


def _resolved(value: Any, environ: Mapping[str, str], where: str) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(one, environ, f"{where}.{name}") for name, one in value.items()}
    if not isinstance(value, str) or not _VARIABLE.search(value):
        return value

    def looked_up(match: re.Match[str]) -> str:
        if not environ.get(match[1]):
            raise UsageError(f"{where}: the environment has no {match[1]}")
        return environ[match[1]]

    return Secret(_VARIABLE.sub(looked_up, value))


def _value(one: Option, value: Any, where: str, base: Path) -> Any:
    if one.kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise UsageError(f"{where}: expected a number above 0, got {value!r}")
        return value
    if one.kind == "addresses":
        if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
            raise UsageError(f"{where}: expected a list of addresses, got {value!r}")
        return tuple(_address(each, where) for each in value)
    if one.kind == "table":
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise UsageError(f"{where}: expected a table of texts, got {value!r}")
        return dict(value)
    return _spelt(one, _text(value, where), where, base)


def _address(text: str, where: str) -> str:
    """`ada@example.org`, `Ada <ada@example.org>`."""
    if not _ADDRESS.fullmatch(parseaddr(text)[1]):
        raise UsageError(f"{where}: expected an address such as ada@example.org, got {text!r}")
    return _text(text, where)


def _spelt(one: Option, text: str, where: str, base: Path) -> Any:
    if one.secret and not _VARIABLE.search(text):
        raise UsageError(f"{where}: a secret does not stand in the file: expected '${{VAR}}', or '{one.name}_file'")
    if one.kind == "word" and text not in one.words:
        raise UsageError(f"{where}: expected one of {', '.join(one.words)}, got {text!r}")
    if one.kind == "url" and not _VARIABLE.search(text) and not text.startswith(("https://", "http://")):
        raise UsageError(f"{where}: expected https://… or http://…, got {text!r}")
    if one.kind == "address" and not _VARIABLE.search(text):
        return _address(text, where)
    return base / Path(text).expanduser() if one.kind == "file" else text


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or "\n" in value or "\r" in value:
        raise UsageError(f"{where}: expected a text of one line, got {value!r}")
    return value
