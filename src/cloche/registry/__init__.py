"""Versions, contracts and routes of models in a store. Nothing is overwritten; there is no database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.first_use import on_first_use

if TYPE_CHECKING:
    from cloche.registry.backup import Copied, back_up, restore
    from cloche.registry.collect import GRACE, Collected
    from cloche.registry.evaluations import Evaluation
    from cloche.registry.excerpt import excerpt
    from cloche.registry.followed import FollowedRegistry
    from cloche.registry.model import (
        NO_PROMISES,
        Change,
        Notice,
        Origin,
        Promises,
        Resolved,
        Revision,
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
    "FollowedRegistry",
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

__getattr__ = on_first_use(
    __name__,
    {
        "backup": ("Copied", "back_up", "restore"),
        "collect": ("Collected", "GRACE"),
        "evaluations": ("Evaluation",),
        "excerpt": ("excerpt",),
        "followed": ("FollowedRegistry",),
        "model": (
            "NO_PROMISES",
            "Promises",
            "Revision",
            "Change",
            "Notice",
            "Origin",
            "Resolved",
            "RouteEvent",
            "RouteState",
            "Tombstone",
            "VersionRecord",
        ),
        "names": ("Reference", "check_name", "parse_reference"),
        "registry": ("Registry",),
        "signatures": ("Signature",),
        "verify": ("Finding", "Report"),
    },
)
