"""A value from a file or the environment as the type of its setting; what does not fit is named."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from cloche.config.model import Location, Secret
from cloche.config.table import Setting
from cloche.errors import UsageError


def parse(setting: Setting, text: str) -> Any:
    """The value that a TOML file would have held; what cannot be read stays text and is refused by `convert`."""
    kind = _kind(setting.type)
    if kind is bool:
        return {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }.get(text.strip().lower(), text)
    if kind in (int, float):
        try:
            return kind(text.strip().replace("_", ""))
        except ValueError:
            return text
    if kind == tuple[str, ...]:
        return [one for one in text.replace(",", " ").split() if one]
    return text


def convert(setting: Setting, value: Any, where: str, base: Path) -> Any:
    expected, accepts, make = _rule(setting)
    if not accepts(value):
        got = f"a {type(value).__name__}" if _kind(setting.type) is Secret else repr(value)
        raise UsageError(f"{where}: expected {expected}, got {got}")
    made = make(value, base)
    if setting.minimum is not None and made < setting.minimum:
        raise UsageError(f"{where}: expected at least {setting.minimum:g}, got {made!r}")
    if setting.maximum is not None and made > setting.maximum:
        raise UsageError(f"{where}: expected at most {setting.maximum:g}, got {made!r}")
    return made


def _rule(setting: Setting) -> tuple[str, Callable[[Any], bool], Callable[[Any, Path], Any]]:
    """What a setting takes: in words, as a test, and the conversion."""
    kind = _kind(setting.type)
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        return "one of " + ", ".join(map(repr, choices)), lambda v: v in choices, lambda v, _: v
    return _RULES[kind]


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value and abs(value) < 1e15


def _as_path(text: str, base: Path) -> Path:
    return base / Path(text).expanduser()


def _as_location(text: str, base: Path) -> str:
    return text if "://" in text else str(_as_path(text, base))


_RULES: dict[Any, tuple[str, Callable[[Any], bool], Callable[[Any, Path], Any]]] = {
    bool: ("true or false", lambda v: isinstance(v, bool), lambda v, _: v),
    int: ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool), lambda v, _: v),
    float: ("a number", _is_number, lambda v, _: float(v)),
    str: ("text", lambda v: isinstance(v, str), lambda v, _: v),
    Location: ("a URL or a path", lambda v: isinstance(v, str) and v != "", _as_location),
    Path: ("a path", lambda v: isinstance(v, str) and v != "", _as_path),
    Secret: ("text", lambda v: isinstance(v, str), lambda v, _: Secret(v)),
    tuple[Path, ...]: ("a list of paths", _is_texts, lambda v, base: tuple(_as_path(one, base) for one in v)),
    tuple[str, ...]: ("a list of texts", _is_texts, lambda v, _: tuple(v)),
    frozenset[str]: ("a list of type names", _is_texts, lambda v, _: frozenset(v)),
}


def _kind(hint: Any) -> Any:
    """The type without `| None`."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # NewType | None is the latter
        return next(one for one in typing.get_args(hint) if one is not type(None))
    return hint
