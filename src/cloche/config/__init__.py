"""
Settings: frozen, named with their unit, merged once.

Defaults, then `config.toml` of the system, then that of the user, then `CLOCHE_*`; flags are put on top by
the command line with `dataclasses.replace`. Beside each `config.toml` lies `trust.json` with what `cloche trust` was
told. `from_environment` is the only reader of `os.environ`. No file in the working directory, the store or an artifact
is ever read here, and what is trusted comes from the two configuration folders (or flags) alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.first_use import on_first_use

if TYPE_CHECKING:
    from cloche.config import grants
    from cloche.config.grants import Grant
    from cloche.config.model import (
        Location,
        LogConfig,
        MonitorConfig,
        Secret,
        ServerConfig,
        Settings,
        TracesConfig,
        TrustSettings,
    )
    from cloche.config.read import from_environment
    from cloche.config.table import SETTINGS, Setting, reference

__all__ = [
    "SETTINGS",
    "Grant",
    "Location",
    "LogConfig",
    "MonitorConfig",
    "Secret",
    "ServerConfig",
    "Setting",
    "Settings",
    "TracesConfig",
    "TrustSettings",
    "from_environment",
    "grants",
    "reference",
]

__getattr__ = on_first_use(
    __name__,
    {
        "grants": ("Grant",),
        "model": (
            "Location",
            "LogConfig",
            "MonitorConfig",
            "Secret",
            "ServerConfig",
            "Settings",
            "TracesConfig",
            "TrustSettings",
        ),
        "read": ("from_environment",),
        "table": ("SETTINGS", "Setting", "reference"),
    },
)
