"""Merging the settings: defaults, the system's file, the user's file, `CLOCHE_*`."""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cloche.config import grants
from cloche.config.flavors import FLAVORS, flavors
from cloche.config.model import LogConfig, MonitorConfig, ServerConfig, Settings, TracesConfig, TrustSettings
from cloche.config.table import SECTIONS, SETTINGS, Setting
from cloche.config.values import convert, parse
from cloche.errors import UsageError

if sys.platform != "win32":
    import pwd

#: What Kubernetes sets beside a service that is called `cloche` or `cloche-server`.
_KUBERNETES = re.compile(r".*_SERVICE_(HOST|PORT(_.*)?)|.*_PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?")


def from_environment(
    environ: Mapping[str, str] | None = None, cwd: Path | None = None, system_folder: Path = Path("/etc/cloche")
) -> Settings:
    """
    Read `config.toml` and `trust.json` of the two configuration folders, and the environment.

    Raises:
        UsageError: a file that is no TOML, an unknown setting, a value of the wrong type, or a file that says what is
            trusted and that others may change.
    """
    environ = os.environ if environ is None else environ
    here = Path.cwd() if cwd is None else cwd
    merged: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    merged[""] |= {
        "cache": _cache_folder(environ),
        "spool": _state_folder(environ) / "spool",
        "audit_log": _audit_file(environ),
        "user": _login_name(environ),
        "cwd": here,
        "trust_file": _user_folder(environ) / grants.FILE,
    }
    folders = (system_folder, _user_folder(environ))
    for folder in folders:
        _merge_file(merged, folder / "config.toml")
    files = dict.fromkeys(folder / grants.FILE for folder in folders)
    merged[""]["granted"] = tuple((file, grant) for file in files for grant in grants.read(file))
    _merge_environment(merged, environ, here)
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":  # OpenTelemetry's own switch, for every program
        merged["traces"]["endpoint"] = None
    return Settings(
        **merged[""],
        server=ServerConfig(**merged["server"]),
        log=LogConfig(**merged["log"]),
        monitor=MonitorConfig(**merged["monitor"]),
        traces=TracesConfig(**merged["traces"]),
        trust=TrustSettings(**merged["trust"]),
    )


# -- the files ----------------------------------------------------------------------------------


def _merge_file(merged: dict[str, dict[str, Any]], path: Path) -> None:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise UsageError(f"{path}: {exc}") from exc
    if "trust" in document or FLAVORS in document:
        _refuse_writable_by_anybody(path)
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    tables[""] = {name: value for name, value in document.items() if not isinstance(value, dict)}
    own = flavors(tables.pop(FLAVORS, {}), str(path))
    merged[""]["flavors"] = tuple(sorted({**dict(merged[""].get("flavors", ())), **own}.items()))
    for section, table in tables.items():
        known = {one.name: one for one in SETTINGS if one.section == section}
        if not known:
            raise UsageError(
                f"{path}: unknown table [{section}]" + _did_you_mean(section, [*filter(None, SECTIONS), FLAVORS])
            )
        for name, value in table.items():
            if name not in known:
                where = f"setting [{section}] '{name}'" if section else f"setting '{name}'"
                raise UsageError(f"{path}: unknown {where}" + _did_you_mean(name, known))
            merged[section][name] = convert(known[name], value, f"{path}: {known[name].title}", path.parent)


def _refuse_writable_by_anybody(path: Path) -> None:
    """Less strict than for trust.json: a file written by hand is often its group's too."""
    if sys.platform != "win32" and path.stat().st_mode & 0o002:
        raise UsageError(f"{path}: it says what is trusted, and anybody may change it; run: chmod o-w '{path}'")


def _user_folder(environ: Mapping[str, str]) -> Path:
    base = environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME", "")
    # a relative XDG_CONFIG_HOME would be the working directory's; the XDG specification says to ignore it
    return (Path(base) if Path(base).is_absolute() else _home(environ) / ".config") / "cloche"


def _cache_folder(environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return _home(environ) / "Library" / "Caches" / "cloche"
    base = environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else _home(environ) / ".cache") / "cloche"


def _state_folder(environ: Mapping[str, str]) -> Path:
    if sys.platform in ("darwin", "win32"):
        return _cache_folder(environ)
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else _home(environ) / ".local" / "state") / "cloche"


def _audit_file(environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":  # what lies under Caches may be purged
        return _home(environ) / "Library" / "Application Support" / "cloche" / "audit.jsonl"
    return _state_folder(environ) / "audit.jsonl"


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME", "")
    return Path(home) if Path(home).is_absolute() else Path("~").expanduser()


def _login_name(environ: Mapping[str, str]) -> str:
    named = next((environ[name] for name in ("LOGNAME", "USER", "USERNAME") if environ.get(name)), "")
    return named or _name_of_uid() or "unknown"


def _name_of_uid() -> str:
    if sys.platform == "win32":
        return ""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container that runs under a bare number
        return ""


# -- the environment ----------------------------------------------------------------------------


def _merge_environment(merged: dict[str, dict[str, Any]], environ: Mapping[str, str], cwd: Path) -> None:
    by_env = {one.env: one for one in SETTINGS if one.env}
    for variable, text in sorted(environ.items()):
        if not variable.startswith("CLOCHE_") or text.startswith("tcp://") or _KUBERNETES.fullmatch(variable):
            continue
        setting = by_env.get(variable)
        if setting is None:
            _refuse_misspelt(variable, by_env)
        elif text != "":
            merged[setting.section][setting.name] = convert(setting, parse(setting, text), variable, cwd)


def _refuse_misspelt(variable: str, by_env: Mapping[str, Setting]) -> None:
    """Refuse what is nearly one of ours; other `CLOCHE_*` may belong to somebody else (Kubernetes again)."""
    tail = variable.removeprefix("CLOCHE_")
    meant = [env for env, one in by_env.items() if one.name.upper() == tail]
    tails = {env.removeprefix("CLOCHE_"): env for env in by_env}
    meant += [tails[near] for near in difflib.get_close_matches(tail, tails, n=1, cutoff=0.8)]
    if tail.startswith(("TRUST_", "FLAVORS_")):
        raise UsageError(f"{variable}: what is trusted is set in config.toml or by flags, never by the environment")
    if meant:
        raise UsageError(f"unknown setting '{variable}'; did you mean '{meant[0]}'?")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(names)}"
