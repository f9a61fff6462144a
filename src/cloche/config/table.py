"""The table of settings, read off the dataclasses: for merging, for messages, and for the reference page."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloche.config.model import LogConfig, MonitorConfig, ServerConfig, Settings, TracesConfig, TrustSettings

SECTIONS: dict[str, type] = {
    "": Settings,
    "server": ServerConfig,
    "log": LogConfig,
    "monitor": MonitorConfig,
    "traces": TracesConfig,
    "trust": TrustSettings,
}
_FROM_FILES_ONLY = frozenset({"trust"})


@dataclass(frozen=True)
class Setting:
    """One row of the settings reference; `env` is None for what the environment may not set."""

    section: str
    name: str
    type: Any
    default: Any
    env: str | None
    meaning: str
    minimum: float | None
    maximum: float | None

    @property
    def title(self) -> str:
        """How messages name it: `store`, `[server] workers`."""
        return f"[{self.section}] '{self.name}'" if self.section else f"'{self.name}'"


def _walk() -> Iterator[Setting]:
    for section, owner in SECTIONS.items():
        hints = typing.get_type_hints(owner)
        for one in dataclasses.fields(owner):
            if "meaning" not in one.metadata:
                continue
            env = "_".join(("CLOCHE", section, one.name) if section else ("CLOCHE", one.name)).upper()
            yield Setting(
                section,
                one.name,
                hints[one.name],
                one.default,
                None if section in _FROM_FILES_ONLY else env,
                one.metadata["meaning"],
                one.metadata["minimum"],
                one.metadata["maximum"],
            )


#: Every setting, in the order of the reference page.
SETTINGS: tuple[Setting, ...] = tuple(_walk())


def reference() -> str:
    """The settings as a Markdown table: docs/reference/settings.md is generated from it."""
    lines = ["| setting | default | environment | meaning |", "|---|---|---|---|"]
    for one in SETTINGS:
        where = f"`[{one.section}] {one.name}`" if one.section else f"`{one.name}`"
        default = f"`{_spelt(one.default)}`" if one.default not in (None, "", (), frozenset(), Path()) else ""
        lines.append(f"| {where} | {default} | {f'`{one.env}`' if one.env else 'files only'} | {one.meaning} |")
    return "\n".join(lines) + "\n"


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
