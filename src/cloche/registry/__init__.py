"""Versions, contracts and routes of models in a store. Nothing is overwritten; there is no database."""

from __future__ import annotations

from cloche.registry.backup import Copied, back_up, restore
from cloche.registry.changes import NO_PROMISES, Promises, Revision
from cloche.registry.collect import GRACE, Collected
from cloche.registry.evaluations import Evaluation
from cloche.registry.excerpt import excerpt
from cloche.registry.model import (
    Change,
    Notice,
    Origin,
    Resolved,
    RouteEvent,
    RouteState,
    Tombstone,
    VersionRecord,
)
from cloche.registry.names import Reference, check_name, parse_reference
from cloche.registry.registry import Registry
from cloche.registry.signatures import Signature
from cloche.registry.verify import Finding, Report

__all__ = [
    "GRACE",
    "NO_PROMISES",
    "Change",
    "Collected",
    "Copied",
    "Evaluation",
    "Finding",
    "Notice",
    "Origin",
    "Promises",
    "Reference",
    "Registry",
    "Report",
    "Resolved",
    "Revision",
    "RouteEvent",
    "RouteState",
    "Signature",
    "Tombstone",
    "VersionRecord",
    "back_up",
    "check_name",
    "excerpt",
    "parse_reference",
    "restore",
]
