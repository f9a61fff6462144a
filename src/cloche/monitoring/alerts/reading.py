"""
`cloche.toml`: rules, sinks and owners. It can say what is watched and who is told; it cannot make anything trusted.

Every message names the file, the table in it, the key, and near names.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cloche.errors import UsageError
from cloche.monitoring.alerts import grammar, lengths
from cloche.monitoring.alerts.defaults import BY_NAME, DEFAULTS, page_of
from cloche.monitoring.alerts.phases import Timing
from cloche.monitoring.alerts.rules import SEVERITIES, Owner, Rule, RuleBook, SinkSpec
from cloche.monitoring.alerts.sinks import kind
from cloche.monitoring.alerts.sinks.options import checked, names
from cloche.monitoring.alerts.vocabulary import Measure

FILE: Final = "cloche.toml"
_TABLES: Final = ("alert", "alerts", "sinks", "models")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: The keys of `[[alert]]`, and what each means: the reference page is made from it.
KEYS: Final[dict[str, str]] = {
    "name": "how the rule is called; one of a default changes that rule",
    "when": "the expression",
    "model": "the models it is about, a pattern: `churn-*` [default: `*`]",
    "over": "the window that is measured [default: `5m`, at most `7d`]",
    "for": "how long it has to be exceeded without a break before it fires [default: `0s`]",
    "keep_firing_for": "how long it has to be below before it is over [default: `0s`]",
    "clear": "where it is below again, in the unit of the threshold [default: the threshold]",
    "no_data_after": "after so long without a value nothing is known [default: `30m`]",
    "min_requests": "fewer in the window say nothing; of `error_rate` and `refused_share` they do where the share "
    "would be exceeded in that many requests too [default: 20]",
    "severity": "`info`, `warning` or `critical` [default: `warning`]",
    "sinks": "who is told [default: every sink]; `[]` is nobody",
    "repeat": "tell it again so often while it fires [default: never]",
    "silence": "`true`, or a moment until which nobody is told",
    "page": "where it is written what to do",
    "enabled": "`false` takes the rule away [default: `true`]",
}
_OWNER_KEYS: Final = ("owner", "contact", "runbook")
_MAX_OVER_S: Final = 7 * 86_400.0


@dataclass(slots=True)
class _Draft:
    """A rule's table, with what stands in the file over what the default says; `own` is the former alone."""

    table: dict[str, Any] = field(default_factory=dict)
    where: str = ""
    own: dict[str, Any] = field(default_factory=dict)


def defaults() -> RuleBook:
    """What holds without a file."""
    return read_text("", "the defaults", Path())


def read(path: Path | None, *, found_here: bool = False) -> RuleBook:
    """
    The rules in *path*; the defaults where it is None, or not there.

    *found_here*: nobody named the file, it lies where the command was started. Then it has to belong to us or to root,
    and nobody else may write to it.

    Raises:
        UsageError: it cannot be read, or something in it is wrong.
    """
    if path is None:
        return defaults()
    try:
        with path.open("rb") as file:
            if found_here:
                _refuse_of_others(path, os.fstat(file.fileno()))
            text = file.read().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        if not found_here:
            raise UsageError(f"{path}: no such file") from None
        return defaults()
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{path}: expected UTF-8: {exc}") from exc
    return read_text(text, str(path), path.parent)


def read_text(text: str, where: str, base: Path) -> RuleBook:
    """
    The rules in the text of a file; relative paths are in *base*.

    Raises:
        UsageError: something in it is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"{where}: {exc}") from exc
    _known(document, _TABLES, where, "table")
    sinks = dict(_sinks(document.get("sinks", {}), where, base))
    rules = tuple(_rules(document, where, sinks))
    return RuleBook(rules, sinks, dict(_owners(document.get("models", {}), where)))


# -- sinks and owners ---------------------------------------------------------------------------


def _sinks(tables: Any, where: str, base: Path) -> Iterator[tuple[str, SinkSpec]]:
    for name, table in _table(tables, f"{where}: [sinks]").items():
        place = f"{where}: [sinks.{name}]"
        _named(name, place)
        given = _table(table, place)
        try:
            made = kind(str(given.get("kind", "")))
        except UsageError as exc:
            raise UsageError(f"{place}: 'kind': {exc}") from exc
        _known(given, ["kind", *names(made.options)], place, "key")
        yield name, SinkSpec(name, made.kind, checked(made.options, given, place, base))


def _owners(tables: Any, where: str) -> Iterator[tuple[str, Owner]]:
    for name, table in _table(tables, f"{where}: [models]").items():
        place = f"{where}: [models.{name}]"
        given = _table(table, place)
        _known(given, _OWNER_KEYS, place, "key")
        yield name, Owner(**{key: _text(value, f"{place}: '{key}'") for key, value in given.items()})


# -- rules --------------------------------------------------------------------------------------


def _rules(document: Mapping[str, Any], where: str, sinks: Mapping[str, SinkSpec]) -> Iterator[Rule]:
    general = _table(document.get("alerts", {}), f"{where}: [alerts]")
    _known(general, ("defaults",), f"{where}: [alerts]", "key")
    wanted = _yes(general.get("defaults", True), f"{where}: [alerts]: 'defaults'")
    drafts = {one.name: _Draft(dict(one.table), f"rule '{one.name}'") for one in DEFAULTS} if wanted else {}
    own: set[str] = set()
    for number, table in enumerate(_list(document.get("alert", []), f"{where}: [[alert]]"), 1):
        place = f"{where}: [[alert]] {number}"
        given = _table(table, place)
        name = _named(_text(given.get("name"), f"{place}: 'name'"), place)
        if name in own:
            raise UsageError(f"{place}: a second rule '{name}'")
        own.add(name)
        before = drafts.get(name, _Draft()).table
        drafts[name] = _Draft({**before, **given}, f"{where}: rule '{name}'", given)
    for name, draft in drafts.items():
        if _yes(draft.table.get("enabled", True), f"{draft.where}: 'enabled'"):
            yield _rule(draft, sinks)
        elif "when" not in draft.table:
            raise UsageError(f"{draft.where}: there is no such rule to take away{_near(name, BY_NAME)}")


def _rule(draft: _Draft, sinks: Mapping[str, SinkSpec]) -> Rule:
    table, where = draft.table, draft.where
    _known(table, KEYS, where, "key")
    name = str(table["name"])
    when = grammar.parse(_text(table.get("when"), f"{where}: 'when'"), f"{where}: when")
    if when.for_s is not None and "for" in table and name not in BY_NAME:
        raise UsageError(f"{where}: expected one of 'for' and a 'for' in 'when', got both")
    _of_a_window(draft.own, when.measure, where)
    for_s = when.for_s if when.for_s is not None else _length(table, "for", 0.0, where)
    over_s = _length(table, "over", 300.0, where)
    if not 60 <= over_s <= _MAX_OVER_S:
        raise UsageError(f"{where}: 'over': expected from 1m to 7d, got '{table['over']}'")
    known = BY_NAME.get(name)
    return Rule(
        name=name,
        when=when,
        model=_text(table.get("model", "*"), f"{where}: 'model'"),
        over_s=over_s,
        timing=Timing(
            for_s, _length(table, "keep_firing_for", 0.0, where), _length(table, "no_data_after", 1_800.0, where)
        ),
        clear=_clear(table, when, where),
        min_requests=_whole(table.get("min_requests", 20), f"{where}: 'min_requests'"),
        severity=_severity(table.get("severity", "warning"), where),
        sinks=_told(table.get("sinks"), where, sinks),
        repeat_s=_length(table, "repeat", 0.0, where) or None,
        silence=_silence(table.get("silence", False), where),
        page=_text(table["page"], f"{where}: 'page'") if "page" in table else page_of(name),
        guidance=None if known is None else known.guidance,
    )


def _of_a_window(own: Mapping[str, Any], measure: Measure, where: str) -> None:
    """A key that changes nothing is a misunderstanding."""
    if "over" in own and not measure.windowed:
        raise UsageError(f"{where}: 'over': expected with a measure over a window, '{measure.name}' is of the moment")
    if "min_requests" in own and not measure.counted:
        raise UsageError(f"{where}: 'min_requests': expected with a share, a latency or a mean, got '{measure.name}'")


def _clear(table: Mapping[str, Any], when: grammar.Expression, where: str) -> float | None:
    if "clear" not in table:
        return None
    if when.comparison not in (">", ">=", "<", "<="):
        raise UsageError(f"{where}: 'clear': expected with a comparison > >= < <= only")
    given = table["clear"]
    text = str(given) if isinstance(given, int | float) else _text(given, f"{where}: 'clear'")
    found = grammar.threshold(text, when.measure, f"{where}: clear")
    if when.holds(found) and found != when.threshold:
        raise UsageError(f"{where}: 'clear': expected a value at which '{when.text}' is over, got '{text}'")
    return found


def _severity(given: Any, where: str) -> str:
    if given not in SEVERITIES:
        raise UsageError(f"{where}: 'severity': expected one of {', '.join(SEVERITIES)}, got {given!r}")
    return str(given)


def _told(given: Any, where: str, sinks: Mapping[str, SinkSpec]) -> tuple[str, ...] | None:
    if given is None:
        return None
    for name in _list(given, f"{where}: 'sinks'"):
        if name not in sinks:
            raise UsageError(f"{where}: 'sinks': no sink {name!r}{_near(str(name), sinks)}")
    return tuple(given)


def _silence(given: Any, where: str) -> bool | float:
    if isinstance(given, datetime):
        return (given if given.tzinfo is not None else given.replace(tzinfo=UTC)).timestamp()
    if not isinstance(given, bool):
        raise UsageError(f"{where}: 'silence': expected true, or a moment (2026-12-24T18:00:00Z), got {given!r}")
    return given


# -- values -------------------------------------------------------------------------------------


def _known(table: Iterable[str], known: Iterable[str], where: str, what: str) -> None:
    known = list(known)
    for name in table:
        if name not in known:
            raise UsageError(f"{where}: unknown {what} '{name}'{_near(name, known)}")


def _near(name: str, known: Iterable[str]) -> str:
    those = sorted(known)
    close = difflib.get_close_matches(name, those, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(those) or 'none'}"


def _named(name: str, where: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{where}: expected a name of letters, digits, '.', '_' and '-', got {name[:80]!r}")
    return name


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected a table, got {value!r}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise UsageError(f"{where}: expected a list, got {value!r}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise UsageError(f"{where}: expected a text" + ("" if value is None else f", got {value!r}"))
    return value


def _yes(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{where}: expected true or false, got {value!r}")
    return value


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{where}: expected a whole number, got {value!r}")
    return value


def _length(table: Mapping[str, Any], key: str, otherwise: float, where: str) -> float:
    if key not in table:
        return otherwise
    found = lengths.seconds(table[key]) if isinstance(table[key], str) else None
    if found is None:
        raise UsageError(f"{where}: '{key}': expected {lengths.EXPECTED}, got {table[key]!r}")
    return found


def _refuse_of_others(path: Path, found: os.stat_result) -> None:
    """Whoever can write the file decides where notices, and what `${VAR}` holds, are sent."""
    if sys.platform == "win32":
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise UsageError(
            f"{path}: it belongs to another user (uid {found.st_uid}); name it with --rules if you trust it"
        )
    if found.st_mode & 0o002:
        raise UsageError(f"{path}: anybody may change it; run: chmod o-w '{path}', or name it with --rules")
