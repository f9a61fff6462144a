"""The table `[flavors]` of a configuration file: model libraries of the operator's own, `name = "module:Class"`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cloche.errors import UsageError

FLAVORS = "flavors"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def flavors(table: Mapping[str, Any], where: str) -> dict[str, str]:
    """
    The names and targets of *table*; *where* is its file, for messages.

    Raises:
        UsageError: a name or a target is none.
    """
    for name, target in table.items():
        if not _NAME.fullmatch(name):
            raise UsageError(f"{where}: [{FLAVORS}] '{name}': expected a name of a-z, 0-9 and _")
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise UsageError(f"{where}: [{FLAVORS}] '{name}': expected \"module:Class\", got {target!r}")
    return dict(table)
