"""
Who is told: one file a kind, imported when a rules file names it. Standard library only.

A sink takes a notice and says in a few words what became of it, or raises `DeliveryError`. It does nothing twice on
its own: trying again is the courier's.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final

from cloche.errors import UsageError
from cloche.monitoring.alerts.rules import SinkSpec
from cloche.monitoring.alerts.sinks.base import Sink
from cloche.monitoring.alerts.sinks.options import resolved

#: The closed table of kinds.
SINKS: Final = {
    "alertmanager": "cloche.monitoring.alerts.sinks.alertmanager:Alertmanager",
    "email": "cloche.monitoring.alerts.sinks.email:Email",
    "slack": "cloche.monitoring.alerts.sinks.slack:Slack",
    "webhook": "cloche.monitoring.alerts.sinks.webhook:Webhook",
}


def kind(name: str) -> type[Sink]:
    """
    The class of a kind.

    Raises:
        UsageError: there is no such kind.
    """
    if name not in SINKS:
        raise UsageError(f"expected one of {', '.join(sorted(SINKS))}, got '{name}'")
    module, _, attribute = SINKS[name].partition(":")
    found: type[Sink] = getattr(importlib.import_module(module), attribute)
    return found


def sink_of(spec: SinkSpec, environ: Mapping[str, str]) -> Sink:
    """
    The sink that *spec* describes; `${VAR}` is looked up in *environ*, files with secrets are read when it sends.

    Raises:
        UsageError: a variable is not set.
    """
    made = kind(spec.kind)
    return made(resolved(spec.options, environ, f"sinks.{spec.name}"))
